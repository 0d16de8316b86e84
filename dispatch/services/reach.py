"""Life circles, of a shopper and of a store, and coverage: by road where there is an engine, else by the estimate."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import shapely
from msgspec import structs
from shapely.geometry import MultiPolygon

from dispatch.domain.ground import modes_of
from dispatch.domain.moments import local_hour
from dispatch.domain.question import Question
from dispatch.domain.reach import Circle, circle_of_shopper, circle_of_store
from dispatch.domain.selection import Selecting
from dispatch.replica.pauses import Pauses
from dispatch.replica.replica import Replica
from dispatch.services.roads import Roads
from geo.coordinates import LatLon, timezone_of
from geo.coverage import cell_centre
from geo.polygons import LARGEST_DISC_M, disc, polygons_of
from geo.reach import area_by_estimate, area_by_road, leg_m
from geo.travel import MODES, Mode
from geo.travel.engine import RoadEngine
from geo.travel.roads import LONGEST_LEG_M, RoadBounds

# Cells asked at once: each waits for the engine most of its time.
_CELLS_AT_ONCE: Final = 4


async def life_circle(roads: Roads, replica: Replica, question: Question) -> tuple[Circle, MultiPolygon]:
    """The shopper's circle and the area from which the way here is within its budget; both by the same travel."""
    ask = partial(circle_of_shopper, replica, question)
    circle = await roads.answer(question.destination, ask, otherwise=replica.travel)
    timezone = timezone_of(question.destination)
    if circle.source != replica.travel.source:
        area = await _by_road(roads, circle, timezone, towards=True)
        if area is not None:
            return circle, area
        circle = ask(replica.travel)
    return circle, _by_estimate(replica, circle, timezone)


async def store_life_circle(
    roads: Roads, replica: Replica, slot: int, question: Question
) -> tuple[Circle, MultiPolygon]:
    """A store's circle, and the area it can serve: within the budget of the way, its radius and its zone."""
    place, timezone = replica.catalogue.place(slot), replica.catalogue.card(slot).timezone
    circle = circle_of_store(replica, slot, place, question, replica.travel)
    area = await _by_road(roads, circle, timezone, towards=False)
    if area is None:
        area = _by_estimate(replica, circle, timezone)
    elif roads.engine is not None:
        circle = replace(circle, source=roads.engine.name)
    radius_m = float(replica.columns.delivery_radius_m[slot])
    zone = replica.zones.zone(slot) if replica.columns.has_zone[slot] else None
    if radius_m < LARGEST_DISC_M:
        area = polygons_of(shapely.intersection(area, disc(place, radius_m)))
    if zone is not None:
        area = polygons_of(shapely.intersection(area, zone))
    return circle, area


async def _by_road(roads: Roads, circle: Circle, timezone: str, *, towards: bool) -> MultiPolygon | None:
    if roads.engine is None or not roads.engine.has_areas:
        return None
    hour = local_hour(circle.leaves_s, timezone)

    def work(engine: RoadEngine, bounds: RoadBounds) -> MultiPolygon:
        return area_by_road(
            engine,
            bounds,
            circle.place,
            modes=circle.modes,
            hour=hour,
            budget_s=circle.budget_s,
            towards=towards,
        )

    return await roads.ask(circle.place, work)


def _by_estimate(replica: Replica, circle: Circle, timezone: str) -> MultiPolygon:
    hour = local_hour(circle.leaves_s, timezone)
    return area_by_estimate(replica.travel, circle.place, modes=circle.modes, hour=hour, budget_s=circle.budget_s)


@dataclass(frozen=True, slots=True)
class Covered:
    """A cell, and who serves its centre; ``served`` is None where no road is near it."""

    cell: int
    served: bool | None
    store_id: str | None = None
    eta_s: int | None = None
    travel_source: str | None = None


async def coverage(roads: Roads, replica: Replica, question: Question, cells: list[int]) -> AsyncIterator[Covered]:
    """Each cell, in the order given, judged by the question put at its centre; requests are answered in between."""
    pauses = Pauses()
    for start in range(0, len(cells), _CELLS_AT_ONCE):
        few = cells[start : start + _CELLS_AT_ONCE]
        for covered in await asyncio.gather(*(_covered(roads, replica, question, cell) for cell in few)):
            yield covered
        if pauses.due:
            await pauses.give_way()


async def _covered(roads: Roads, replica: Replica, question: Question, cell: int) -> Covered:
    here = structs.replace(question, destination=cell_centre(cell))
    if await _is_off_road(roads, replica, here):
        return Covered(cell, None)
    ask = Selecting(replica, here, tell_miss=False)
    selection = await roads.answer(here.destination, ask, otherwise=replica.travel)
    winner = selection.winner
    if winner is None:
        return Covered(cell, False)
    return Covered(cell, True, winner.store_id, winner.eta.total_s, winner.eta.travel_source)


async def _is_off_road(roads: Roads, replica: Replica, question: Question) -> bool:
    """Whether roads are known, and by none of the modes one is near."""
    modes = [MODES[code] for code in modes_of(replica, question).tolist()]
    has_none = partial(_has_no_road, place=question.destination, modes=modes)
    return await roads.ask(question.destination, has_none) is True


def _has_no_road(engine: RoadEngine, _bounds: RoadBounds, *, place: LatLon, modes: list[Mode]) -> bool:
    return all(leg_m(engine, place, mode) > LONGEST_LEG_M for mode in modes)
