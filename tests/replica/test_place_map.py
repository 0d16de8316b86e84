"""What maps ask for is worked out once, kept while it holds, and never kept longer."""

import asyncio

import h3
import numpy as np
import pytest

from dispatch.replica.catalogue import Catalogue
from dispatch.replica.place_map import FINE_RESOLUTION, Outline
from geo.coordinates import LatLon
from tests.replica.test_catalogue import DEFAULTS, TAINAN, TAIPEI, a_row

ROWS = [a_row(f"s{n}", n, LatLon(lat=25.0 + n / 1000, lon=121.5)) for n in range(1, 1_501)]


async def cells(catalogue: Catalogue, slots: list[int]) -> list[str]:
    found = await catalogue.map.cells(catalogue.index, np.array(slots, dtype=np.int64))
    return [f"{cell:x}" for cell in found[slots].tolist()]


async def outline(catalogue: Catalogue) -> Outline:
    return await catalogue.map.outline(catalogue.index, catalogue.columns.active)


def cell_at(place: LatLon) -> str:
    return str(h3.latlng_to_cell(place.lat, place.lon, FINE_RESOLUTION))


async def test_cells_are_those_of_the_places_and_cost_nothing_until_somebody_asks() -> None:
    catalogue = Catalogue(ROWS, DEFAULTS)
    assert catalogue.map.nbytes == 0
    assert await cells(catalogue, [3, 700]) == [cell_at(catalogue.place(slot)) for slot in (3, 700)]
    assert catalogue.map.nbytes == 8 * len(catalogue.index.lats)
    everyone = list(range(len(ROWS)))
    assert await cells(catalogue, everyone) == [cell_at(row.store.place) for row in ROWS]


async def test_a_store_that_moves_comes_or_goes_has_the_cell_of_where_it_is() -> None:
    catalogue = Catalogue([a_row("a", 1, TAIPEI), a_row("b", 2, TAINAN)], DEFAULTS)
    assert await cells(catalogue, [0, 1]) == [cell_at(TAIPEI), cell_at(TAINAN)]
    catalogue.put(a_row("a", 1, TAINAN))
    new = [catalogue.put(a_row(f"n{n}", 10 + n, LatLon(lat=24.0 + n, lon=121.0))) for n in range(5)]
    assert await cells(catalogue, [0, *new]) == [
        cell_at(place) for place in (TAINAN, *(LatLon(lat=24.0 + n, lon=121.0) for n in range(5)))
    ]
    catalogue.remove(2, from_cell=a_row("b", 2, TAINAN).cell)
    catalogue.put(a_row("b", 2, TAIPEI))
    assert await cells(catalogue, [1]) == [cell_at(TAIPEI)]


async def test_a_store_that_goes_while_the_cells_are_worked_out_has_none() -> None:
    catalogue = Catalogue(ROWS, DEFAULTS)
    asked = asyncio.create_task(cells(catalogue, list(range(len(ROWS)))))
    await asyncio.sleep(0)
    catalogue.remove(1_500, from_cell=ROWS[-1].cell)
    found = await asked
    assert found[:-1] == [cell_at(row.store.place) for row in ROWS[:-1]]


async def test_the_outline_is_of_the_active_stores_and_kept_until_one_changes() -> None:
    catalogue = Catalogue([a_row("a", 1, TAIPEI), a_row("b", 2, TAINAN), a_row("c", 3, TAINAN)], DEFAULTS)
    first = await outline(catalogue)
    assert (first.stores, first.bounds) == (3, (TAINAN.lon, TAINAN.lat, TAIPEI.lon, TAIPEI.lat))
    assert first.centre is not None
    assert (first.centre.lat, first.centre.lon) == pytest.approx((TAINAN.lat, TAINAN.lon))
    catalogue.set_open_orders(0, 5)
    assert await outline(catalogue) is first
    catalogue.put(a_row("a", 1, TAIPEI, active=False))
    assert (await outline(catalogue)).bounds == (TAINAN.lon, TAINAN.lat, TAINAN.lon, TAINAN.lat)
    for number in (2, 3):
        catalogue.remove(number, from_cell=a_row("b", 2, TAINAN).cell)
    assert await outline(catalogue) == Outline(0, None, None)


async def test_an_outline_that_is_old_before_it_is_told_is_not_kept() -> None:
    catalogue = Catalogue([a_row("a", 1, TAIPEI)], DEFAULTS)
    asked = asyncio.create_task(outline(catalogue))
    await asyncio.sleep(0)
    catalogue.put(a_row("b", 2, TAINAN))
    await asked
    assert (await outline(catalogue)).stores == 2
