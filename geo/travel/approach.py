"""What is known of ways before they are asked for: how far places are off the road, and what no way beats."""

from __future__ import annotations

from itertools import islice
from math import inf

import numpy as np

from geo.geodesy import FloatArray
from geo.travel import Mode
from geo.travel.engine import Approach
from geo.travel.meeting import Meeting, MeetingPoints
from geo.travel.network import WaysBack

__all__ = ["MetApproach"]


class MetApproach(Approach):
    """Known by where places meet the roads, as far as they were asked for, and where the network is known by it too."""

    def __init__(
        self, points: MeetingPoints, mode: Mode, door: Meeting, back: WaysBack | None = None, *, is_last: bool = True
    ) -> None:
        """``is_last``: no other goes farther back."""
        self.door_leg_m = door.leg_m if door.leads_here else inf
        self._points, self._mode, self._back, self._is_last = points, mode, back, is_last
        self._known: dict[tuple[float, float], tuple[float, float]] = {}
        self._strangers: set[tuple[float, float]] = set()

    def least(self, lats: FloatArray, lons: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What no way from each of these places beats: seconds on the road, and metres to it; 0 where nobody knows."""
        places = list(zip(lats.tolist(), lons.tolist(), strict=True))
        met = {at: self._points.get((*at, self._mode)) for at in places if at not in self._known}
        new = {at: meeting for at, meeting in met.items() if meeting is not None}
        self._known |= {at: (0.0, 0.0 if meeting.leg_m == inf else meeting.leg_m) for at, meeting in new.items()}
        if self._back is not None:
            self._strangers |= met.keys() - new.keys()
            on_roads = {at: meeting.ends for at, meeting in new.items() if meeting.ends is not None}
            least_s = self._back.least_s(list(on_roads.values())).tolist()
            self._known |= {at: (road_s, self._known[at][1]) for at, road_s in zip(on_roads, least_s, strict=True)}
        found = np.array([self._known.get(at, (0.0, 0.0)) for at in places]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def is_cut_short(self, lats: FloatArray, lons: FloatArray) -> bool:
        """Whether one of these places is farther than it goes back."""
        if self._is_last or self._back is None:
            return False
        return bool((self.least(lats, lons)[0] >= self._back.cut_s).any())

    def strangers(self, count: int) -> tuple[FloatArray, FloatArray]:
        """At most so many of the places that ``least`` was asked of, of which more would be known once they are met."""
        some = [at for at in islice(self._strangers, count) if self._points.get((*at, self._mode)) is None]
        self._strangers.clear()
        lats, lons = np.array(some).reshape(-1, 2).T
        return lats, lons
