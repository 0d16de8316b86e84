"""Valhalla as a server: the same questions as in this process, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geo.travel import Mode
from geo.travel.engine import EngineUnavailable
from geo.travel.meeting import MeetingPoints
from geo.travel.servers import RoutingServer
from geo.travel.valhalla_asking import NO_WAY, SPHERE_SHORT, Ask, ModeOnRoads, ValhallaEngine

__all__ = ["ValhallaServer"]


class ValhallaServer(ValhallaEngine):
    """Valhalla over HTTP. ``patience_s``: how long one call of ``ways`` may take."""

    ways_a_call = 1

    def __init__(
        self, url: str, modes: Mapping[Mode, ModeOnRoads], top_speed_kmh: Mapping[Mode, float], *, patience_s: float
    ) -> None:
        super().__init__(modes)
        self._server = RoutingServer(url, patience_s=patience_s)
        self._modes = dict(modes)
        self._top_speed_kmh = dict(top_speed_kmh)

    def top_speed_mps(self, mode: Mode) -> float:
        """What the operator says, and no less than is asked for: heights and ferries are the server's own."""
        return max(self._top_speed_kmh[mode], self._modes[mode].top_kmh(mode)) / 3.6 * SPHERE_SHORT

    def _asker(self) -> Ask:
        until = self._server.deadline()

        def ask(action: str, request: Mapping[str, Any]) -> Any:
            try:
                status, answer = self._server.ask(f"/{action}", request, until=until)
            except EngineUnavailable:
                self._points = MeetingPoints()  # it may come back with other roads
                raise
            code = answer.get("error_code") if isinstance(answer, dict) else None
            if status == 200 and code is None:
                return answer
            if code in NO_WAY:
                return None
            error = answer.get("error") if isinstance(answer, dict) else None
            said = " ".join(str(error or "nothing more").split())[:200]
            raise EngineUnavailable(f"valhalla answers error {code} (status {status}): {said}")

        return ask
