"""The stores on a map: each of them where they are few, counted by H3 cells where they are many."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from dispatch.domain.errors import InvalidInput
from dispatch.domain.market import BoolArray, FloatArray, IntArray
from dispatch.replica.pauses import Pauses
from dispatch.replica.place_map import Outline
from dispatch.replica.replica import Replica
from dispatch.services.nearby import opening_steady_for_s
from geo.cells import HOME_RESOLUTION, parents_of
from geo.coordinates import LatLon
from geo.coverage import Box
from geo.geodesy import place_towards

MOST_MAP_CELLS: Final = 20_000
_UNKNOWN: Final = 0


class StoreMark(NamedTuple):
    """A store as a map shows it."""

    store_id: str
    name: str | None
    brand: str | None
    partner: str
    place: LatLon
    open_now: bool
    active: bool


class CellMark(NamedTuple):
    """How many stores an H3 cell has, and their mean place."""

    cell: int
    stores: int
    place: LatLon


@dataclass(frozen=True, slots=True)
class Marks:
    """``stores`` by store id, or ``cells`` ascending, of ``total``; ``steady_for_s``: until one opens or closes."""

    total: int
    stores: list[StoreMark] | None
    cells: list[CellMark] | None
    steady_for_s: int | None = None


async def outline_of(replica: Replica) -> Outline:
    """Where the active stores are as a whole."""
    return await replica.catalogue.map.outline(replica.index, replica.columns.active)


async def marks_in(replica: Replica, box: Box, *, most: int, resolution: int, active_only: bool, now_s: int) -> Marks:
    """The stores in service whose places lie in the box, borders included: each where they are at most ``most``.

    Else counted by cells of the resolution. Raises InvalidInput for more than MOST_MAP_CELLS of these. A store that
    comes, goes or moves just now may be left out.
    """
    index, columns = replica.index, replica.columns
    active = columns.active if active_only else None
    slots = await asyncio.to_thread(_slots_in, index.lats, index.lons, active, columns.size, box)
    if len(slots) <= most:
        return await _stores_at(replica, slots, now_s)
    if resolution <= HOME_RESOLUTION:
        cells = columns.cell
    else:
        cells = await replica.catalogue.map.cells(index, slots)
    found = await asyncio.to_thread(_counted, cells, index.xyz, slots, resolution)
    if len(found.cells) > MOST_MAP_CELLS:
        coarser = _resolution_that_fits(found.cells, resolution)
        detail = f"makes more than {MOST_MAP_CELLS} cells of these stores; resolution {coarser} fits"
        raise InvalidInput([("/query/resolution", detail)])
    return Marks(int(found.stores.sum()), None, await _cells_told(found))


def _slots_in(lats: FloatArray, lons: FloatArray, active: BoolArray | None, size: int, box: Box) -> IntArray:
    """The slots in the box, ascending. Of a store that moves meanwhile latitude and longitude may be of two places."""
    lats, lons = lats[:size], lons[:size]
    within = (lats >= box.south) & (lats <= box.north)
    if box.west < box.east:
        within &= (lons >= box.west) & (lons <= box.east)
    else:
        within &= (lons >= box.west) | (lons <= box.east)
    if active is not None:
        within &= active[: len(within)]
    return np.flatnonzero(within)


async def _stores_at(replica: Replica, slots: IntArray, now_s: int) -> Marks:
    index, columns = replica.index, replica.columns
    slots = slots[~np.isnan(index.lats[slots])]
    steady_for_s = opening_steady_for_s(replica, now_s, slots.tolist())
    is_open = replica.schedules.states(columns.schedule[slots], now_s).is_open
    told = zip(
        map(replica.store_id, slots.tolist()),
        slots.tolist(),
        index.lats[slots].tolist(),
        index.lons[slots].tolist(),
        (is_open & (columns.closed_until_s[slots] <= now_s)).tolist(),
        columns.active[slots].tolist(),
        strict=True,
    )
    marks, pauses = [], Pauses()
    for store_id, slot, lat, lon, open_now, active in sorted(told):
        card = replica.catalogue.card(slot)
        marks.append(
            StoreMark(store_id, card.name, card.brand, card.partner, LatLon(lat=lat, lon=lon), open_now, active)
        )
        if pauses.due:
            await pauses.give_way()
    return Marks(len(marks), marks, None, steady_for_s)


class _Counted(NamedTuple):
    """Ascending cells, one for one with how many stores are in each, and the sum of their earth-centred places."""

    cells: IntArray
    stores: IntArray
    sums: FloatArray


def _counted(cells: IntArray, xyz: FloatArray, slots: IntArray, resolution: int) -> _Counted:
    """The cells of these slots; for a thread, so that a slot may lose its place or cell meanwhile, and is left out.

    Neighbouring slots are mostly in one cell: they are summed before anything is sorted.
    """
    of_slots, places = cells[slots], xyz[slots]
    there = (of_slots != _UNKNOWN) & ~np.isnan(places).any(axis=1)
    of_slots, places = parents_of(of_slots[there], resolution), places[there]
    if not len(of_slots):
        return _Counted(of_slots, of_slots, places)
    firsts = np.flatnonzero(np.concatenate([[True], of_slots[1:] != of_slots[:-1]]))
    lengths = np.diff(np.append(firsts, len(of_slots)))
    found, inverse = np.unique(of_slots[firsts], return_inverse=True)
    stores = np.zeros(len(found), dtype=np.int64)
    np.add.at(stores, inverse, lengths)
    sums = np.zeros((len(found), 3))
    np.add.at(sums, inverse, np.add.reduceat(places, firsts, axis=0))
    return _Counted(found, stores, sums)


def _resolution_that_fits(cells: IntArray, resolution: int) -> int:
    while len(cells) > MOST_MAP_CELLS:
        resolution -= 1
        cells = np.unique(parents_of(cells, resolution))
    return resolution


async def _cells_told(found: _Counted) -> list[CellMark]:
    marks, pauses = [], Pauses()
    columns: Sequence[list[float]] = found.sums.T.tolist()
    for cell, stores, x, y, z in zip(found.cells.tolist(), found.stores.tolist(), *columns, strict=True):
        marks.append(CellMark(cell, stores, place_towards(x, y, z)))
        if pauses.due:
            await pauses.give_way()
    return marks
