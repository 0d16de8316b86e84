"""Questions that need travel times: answered by a routing engine where there is one, else by the estimate.

Selection is worked out at one moment of the replica. Where it needs a way that is not known yet, it says so, the engine
is asked in a thread, and selection is called again: each time it gets farther, and the last time to the end.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Final

import numpy as np
import structlog

from dispatch.replica.pauses import Pauses
from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import MODES, Mode, TravelModel
from geo.travel.engine import Approach, EngineUnavailable, RoadEngine, RoadLine, Roadway, joined
from geo.travel.roads import KnownRoads, RoadBounds, WaysNeeded

_log = structlog.get_logger(__name__)

_MOST_DOORS: Final = 4_096
# Some 300 bytes each; a door of which all stores around are told has hundreds.
_MOST_WAYS_KEPT: Final = 200_000
# Up to half a MB each.
_MOST_APPROACHED: Final = 64
# Half a millisecond each or so.
_MOST_MET: Final = 16
# An engine that has failed is left alone for so long.
_REST_S: Final = 5.0


class _OutOfTime(EngineUnavailable):
    """One question's time is over, though the engine answers."""


@dataclass(slots=True)
class RoadCounts:
    """What has been asked of the engine."""

    ways: int = 0
    calls: int = 0
    failures: int = 0
    estimated: int = 0  # questions answered by the estimate, since the engine was not to be had
    broken_bounds: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Roads:
    """Ways to doors. Without an engine every question is answered by the estimate. Belongs to the event loop.

    ``patience_s``: how long an answer is waited for, before the estimate has to do. ``within``: west, south, east,
    north of the only doors that are asked for by road; the others are estimated.
    """

    engine: RoadEngine | None = None
    bounds: RoadBounds | None = None
    threads: int = 2
    patience_s: float = 2.0
    within: tuple[float, float, float, float] | None = None
    counts: RoadCounts = field(default_factory=RoadCounts)
    problem: str | None = None
    areas: "Roads | None" = None  # by another engine, where this one tells none
    waited: Callable[[float], None] = lambda seconds: None  # told how long, each time the engine was waited for
    _executor: ThreadPoolExecutor | None = None
    _areas: ThreadPoolExecutor | None = None
    _meetings: ThreadPoolExecutor | None = None
    _meeting: asyncio.Future[None] | None = None
    _known: OrderedDict[tuple[float, float], KnownRoads] = field(default_factory=OrderedDict)
    _approached: deque[KnownRoads] = field(default_factory=deque)
    _ways_kept: int = 0
    _rests_until: float = 0.0
    _is_probed: bool = False

    @property
    def of_areas(self) -> "Roads":
        """The roads of areas, and of what goes together with them."""
        return self if self.areas is None else self.areas

    async def answer[T](
        self,
        destination: LatLon,
        ask: Callable[[TravelModel], T],
        otherwise: TravelModel,
        *,
        may_be_late: bool = False,
    ) -> T:
        """What ``ask`` answers by road to this door, or by ``otherwise`` while the engine is down or slow.

        ``may_be_late``: it is about a way so long that a late answer says nothing of the engine's health.

        ``ask`` must leave nothing behind, for it is called again and again. An engine that has failed is tried again
        after a rest, by one question at a time: whoever comes meanwhile does not wait for it.
        """
        if self.engine is None or self.bounds is None or not self._covers(destination):
            return ask(otherwise)
        until = time.monotonic() + self.patience_s
        if self._is_given_up():
            self.counts.estimated += 1
            return ask(otherwise)
        known = self._known_to(destination, self.engine, self.bounds)
        broken, heard, pauses = known.broken_bounds, may_be_late, Pauses()
        while True:
            try:
                answer = ask(known)
            except WaysNeeded as needed:
                if pauses.due:  # of a quick engine nothing else waits
                    await pauses.give_way()
                if self._is_given_up():  # another question has found out meanwhile
                    self.counts.estimated += 1
                    return ask(otherwise)
                try:
                    heard = await self._find(self.engine, destination, known, needed, until, heard=heard)
                except EngineUnavailable as error:
                    if not isinstance(error, _OutOfTime):
                        self._give_a_rest(error)
                    self.counts.estimated += 1
                    return ask(otherwise)
                continue
            self._note_broken(known.broken_bounds - broken, destination)
            self._get_to_know(self.engine, known)
            return answer

    async def ask[T](self, place: LatLon | None, call: Callable[[RoadEngine, RoadBounds], T]) -> T | None:
        """What the engine answers to a call about this place, made in a thread; None while it is down or slow.

        None for a place outside, too; a call about no place has none outside. An area may be slow where ways are not:
        it has a thread of its own, and a late answer gives no rest, so that quotes go on by road.
        """
        if self.engine is None or self.bounds is None or self._is_given_up():
            return None
        if place is not None and not self._covers(place):
            return None
        if self._areas is None:
            self._areas = ThreadPoolExecutor(1, thread_name_prefix="areas")
        began = time.monotonic()
        self.counts.calls += 1
        probes = self.problem is not None
        self._is_probed |= probes
        try:
            async with asyncio.timeout(self.patience_s):
                told = await asyncio.get_running_loop().run_in_executor(self._areas, call, self.engine, self.bounds)
            self.problem = None
            return told
        except TimeoutError:
            self.counts.failures += 1
            self.counts.estimated += 1
        except EngineUnavailable as error:
            self._give_a_rest(error)
        finally:
            self._is_probed &= not probes
            self.counts.seconds += time.monotonic() - began
            self.waited(time.monotonic() - began)
        return None

    async def line(self, start: LatLon, destination: LatLon, mode: Mode) -> RoadLine | None:
        """The shape of a way whose time was answered by road; None while the engine is down or slow, or tells none."""
        engine = self.engine
        if engine is None or not engine.has_lines or self._is_given_up():
            return None
        ask, until = partial(engine.line, start, destination, mode), time.monotonic() + self.patience_s
        try:
            [line] = await self._call([ask], until, heard=True)  # a late shape gives no rest: quotes go on by road
        except EngineUnavailable as error:
            if not isinstance(error, _OutOfTime):
                self._give_a_rest(error)
            return None
        return line

    def _covers(self, place: LatLon) -> bool:
        if self.within is None:
            return True
        west, south, east, north = self.within
        return south <= place.lat <= north and west <= place.lon <= east

    def _is_given_up(self) -> bool:
        return self.problem is not None and (self._is_probed or time.monotonic() < self._rests_until)

    def _known_to(self, destination: LatLon, engine: RoadEngine, bounds: RoadBounds) -> KnownRoads:
        key = (destination.lat, destination.lon)
        known = self._known.pop(key, None)
        if known is None:
            known = KnownRoads(engine.name, bounds, first_ways=engine.first_ways)
            if not engine.has_approaches:
                for code in range(len(MODES)):
                    known.learn_approach(code, Approach())
            if len(self._known) >= _MOST_DOORS:
                self._known.popitem(last=False)
        self._known[key] = known
        return known

    def _keep_few_approaches(self, known: KnownRoads) -> None:
        """Of the doors that were approached longest ago only the ways are kept."""
        if known not in self._approached:
            self._approached.append(known)
            if len(self._approached) > _MOST_APPROACHED:
                self._approached.popleft().forget_approaches()

    def _keep_few(self, more: int) -> None:
        """Forget the half of the doors that was asked for longest ago when their ways have become too many."""
        self._ways_kept += more
        if self._ways_kept > _MOST_WAYS_KEPT:
            for _ in range(-(-len(self._known) // 2)):
                self._known.popitem(last=False)
            self._ways_kept = sum(map(len, self._known.values()))

    async def _find(
        self, engine: RoadEngine, door: LatLon, known: KnownRoads, needed: WaysNeeded, until: float, *, heard: bool
    ) -> bool:
        """Ask the engine for what is needed, and learn it; whether it has been heard. Raises EngineUnavailable."""
        if needed.approaches:
            before = [known.approach(code) for code in needed.approaches]
            asks = [
                partial(engine.approach, door, MODES[c], was) for c, was in zip(needed.approaches, before, strict=True)
            ]
            approaches = await self._call(asks, until, heard=heard, proves=False)
            for code, approach, was in zip(needed.approaches, approaches, before, strict=True):
                if known.approach(code) is was:  # else another question to this door was sooner
                    known.learn_approach(code, approach)
            self._keep_few_approaches(known)
            return heard
        codes, calls = [], []
        for code in np.unique(needed.modes).tolist():
            lats, lons = needed.lats[needed.modes == code], needed.lons[needed.modes == code]
            size = engine.ways_a_call if engine.is_quick else min(engine.ways_a_call, -(-len(lats) // self.threads))
            for start in range(0, len(lats), size):
                part = slice(start, start + size)
                codes.append(code)
                calls.append(partial(engine.ways, lats=lats[part], lons=lons[part], destination=door, mode=MODES[code]))
        self.counts.ways += len(needed.lats)
        found: dict[int, list[Roadway]] = {}
        for code, way in zip(codes, await self._call(calls, until, heard=heard), strict=True):
            found.setdefault(code, []).append(way)
        known.learn(needed, {code: joined(parts) for code, parts in found.items()})
        self._keep_few(len(needed.lats))
        return True

    async def _call[T](
        self, asks: Sequence[Callable[[], T]], until: float, *, heard: bool, proves: bool = True
    ) -> list[T]:
        """What the engine answers to these calls, in their order, made in threads. Raises EngineUnavailable.

        ``proves``: an answer shows that the engine is well; some need not ask it at all.
        """
        if self.engine is not None and self.engine.is_quick:
            return await self._call_here(asks, until)
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="roads")
        loop, began = asyncio.get_running_loop(), time.monotonic()
        calls = [loop.run_in_executor(self._executor, ask) for ask in asks]
        self.counts.calls += len(calls)
        probes = self.problem is not None
        self._is_probed |= probes
        try:
            async with asyncio.timeout(max(0.0, until - began)):
                answers = [await call for call in calls]
        except TimeoutError as error:
            done = (call for call in calls if call.done() and not call.cancelled())
            if heard or (proves and any(call.exception() is None for call in done)):
                # It is well, and has been asked for more than there was time for.
                self.problem = None
                raise _OutOfTime("this question asks for more ways than it has time for") from error
            raise EngineUnavailable(f"it has not answered within {self.patience_s:g} s") from error
        finally:
            for call in calls:
                call.cancel()  # what still waits for a thread would keep the next question from it
            self._is_probed &= not probes
            self.counts.seconds += time.monotonic() - began
            self.waited(time.monotonic() - began)
        if probes and proves:
            self._known.clear()  # it may have come back with other roads
        if proves:
            self.problem = None
        return answers

    async def _call_here[T](self, asks: Sequence[Callable[[], T]], until: float) -> list[T]:
        """As ``_call``, of an engine that is quick: no call is cut off, and between them others have their turn."""
        began, answers, pauses = time.monotonic(), [], Pauses()
        try:
            for ask in asks:
                if pauses.due:
                    await pauses.give_way()
                if time.monotonic() > until:
                    raise _OutOfTime("this question asks for more ways than it has time for")
                self.counts.calls += 1
                answers.append(ask())
        finally:
            self.counts.seconds += time.monotonic() - began
            self.waited(time.monotonic() - began)
        self.problem = None
        return answers

    def _get_to_know(self, engine: RoadEngine, known: KnownRoads) -> None:
        """Have stores met in a thread of its own, a few at a time: the next question around asks fewer ways for it."""
        if self._meeting is not None and not self._meeting.done():
            return
        for code, approach in known.approaches():
            lats, lons = approach.strangers(_MOST_MET)
            if len(lats):
                if self._meetings is None:
                    self._meetings = ThreadPoolExecutor(1, thread_name_prefix="meetings")
                self._meeting = asyncio.get_running_loop().run_in_executor(
                    self._meetings, _meet, engine, lats, lons, MODES[code]
                )
                return

    def _give_a_rest(self, error: EngineUnavailable) -> None:
        self.counts.failures += 1
        self.problem = str(error)
        self._rests_until = time.monotonic() + _REST_S
        _log.warning("roads_not_to_be_had", reason=str(error), estimated_for_s=_REST_S)

    def reach_m(self, budget_s: int, *, modes: IntArray) -> float:
        """No place from which a way within the budget leads lies farther away, by road; −inf without an engine."""
        if self.engine is None or self.bounds is None:
            return -inf
        return max(self.bounds.reach_m(budget_s, code) for code in modes.tolist())

    def _note_broken(self, broken: int, destination: LatLon) -> None:
        if broken:
            self.counts.broken_bounds += broken
            _log.error("road_bound_broken", ways=broken, lat=destination.lat, lon=destination.lon)

    def close(self) -> None:
        """End the threads; what they are at is waited for."""
        for executor in (self._executor, self._areas, self._meetings):
            if executor is not None:
                executor.shutdown(cancel_futures=True)
        if self.areas is not None:
            self.areas.close()


def _meet(engine: RoadEngine, lats: FloatArray, lons: FloatArray, mode: Mode) -> None:
    with suppress(EngineUnavailable):  # questions find out soon enough
        engine.meet(lats, lons, mode)
