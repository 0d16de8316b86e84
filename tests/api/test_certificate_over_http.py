"""The certificate, checked by a client that has nothing but the answer and the list of the stores.

Travel is ceil(geodesic metres x round(detour x factor of the hour x 3.6 / km/h, 9)), as the documentation says.
"""

import random
from collections.abc import AsyncIterator
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Api, Clock, worker

CITY = (25.03, 121.56)
STORES = 150
MOST_M = 50_000
SPEEDS = {"foot": (4.8, 1.25), "ebike": (20.0, 1.3), "car": (25.0, 1.4)}
RUSH_HOURS = (7, 8, 17, 18)
HOLDING = {"common": 0.9, "usual": 0.5, "rare": 0.03, "sold-out": 0.06}
BASKETS = (["common"], ["common", "usual"], ["rare"], ["rare", "common"], ["sold-out"], ["sold-out", "usual"])
# When the work begins, and the hours in which a courier may leave within the hour that is promised.
STARTS = {
    "2026-11-20T10:00:00+08:00": (10, 11),
    "2026-11-20T16:40:00+08:00": (16, 17),
    "2026-11-20T17:20:00+08:00": (17, 18),
}


def rates(mode: str, hours: tuple[int, ...]) -> list[float]:
    """Seconds a metre at each of these hours."""
    speed_kmh, detour = SPEEDS[mode]
    factors = [1.4 if mode == "car" and hour in RUSH_HOURS else 1.0 for hour in hours]
    return [round(detour * factor * 3.6 / speed_kmh, 9) for factor in factors]


@pytest.fixture
async def city(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    """A city of stores at random, some at one place, with more and less common goods."""
    rng = random.Random(4)
    spots = [(CITY[0] + rng.gauss(0, 0.05), CITY[1] + rng.gauss(0, 0.05)) for _ in range(STORES * 4 // 5)]
    stores, stock = ["store_id,lat,lon"], ["store_id,sku,on_hand"]
    for i in range(STORES):
        lat, lon = rng.choice(spots)
        stores.append(f"s{i},{lat!r},{lon!r}")
        for sku, share in HOLDING.items():
            if rng.random() < share:
                stock.append(f"s{i},{sku},{0 if sku == 'sold-out' else rng.randrange(1, 9)}")
    async with worker(database_url, tmp_path, clock=clock) as api:
        assert (await api.import_file("stores", "\n".join(stores)))["created"] == STORES
        assert (await api.import_file("stock", "\n".join(stock), as_of="now"))["created"] == len(stock) - 1
        yield api


async def around(api: Api, place: tuple[float, float], **query: Any) -> list[dict[str, Any]]:
    """Every store around a place, nearest first."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        url = "/v1/stores/nearby"
        answer = await api.get(url, lat=place[0], lon=place[1], radius_m=MOST_M, limit=200, **query, **cursor)
        found += answer.json()["stores"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}


def check(
    answer: dict[str, Any], stores: list[dict[str, Any]], holders: int, mode: str, hours: tuple[int, ...]
) -> None:
    """Whether the certificate proves its answer to someone who knows where the stores are."""
    certificate = answer["certificate"]
    key_s, next_bound_s = certificate["key_s"], certificate["next_bound_s"]
    assert certificate["key"] == "travel_s"
    if answer["outcome"] == "fulfillable":
        distance_m = {store["store_id"]: store["distance_m"] for store in stores}[answer["store"]["store_id"]]
        assert answer["store"]["distance_m"] == distance_m
        assert key_s == answer["eta"]["travel_s"]
        assert key_s in [ceil(distance_m * rate) for rate in rates(mode, hours)]
        assert next_bound_s is None or next_bound_s >= key_s
    else:
        assert key_s is None
        assert next_bound_s is None or next_bound_s > 3600
    if certificate["plan"] == "space_first":
        assert certificate["rest_lacks"] is None
        unseen = stores[certificate["examined"] :]
        expected = ceil(unseen[0]["distance_m"] * min(rates(mode, hours))) if unseen else None
        assert next_bound_s == expected
    else:
        assert certificate["examined"] == holders


@pytest.mark.parametrize("mode", SPEEDS)
async def test_a_client_can_check_every_answer_with_a_list_of_the_stores(city: Api, mode: str) -> None:
    rng = random.Random(mode)
    holders = await _holders(city)
    plans, outcomes = set(), set()
    for i in range(24):
        place = (CITY[0] + rng.gauss(0, 0.06), CITY[1] + rng.gauss(0, 0.06))
        skus = BASKETS[i % len(BASKETS)]
        start, hours = rng.choice(list(STARTS.items()))
        answer = await city.quote(*place, *skus, mode=mode, at=start)
        certificate = answer["certificate"]
        plans.add(certificate["plan"])
        outcomes.add(answer["outcome"])
        stores = await around(city, place)
        assert len(stores) == STORES
        lacking = certificate["rest_lacks"]
        assert lacking is None or lacking in skus
        check(answer, stores, holders.get(lacking, 0), mode, hours)
        # Whoever has everything is no better than the winner.
        having = await around(city, place, sku=skus)
        if answer["outcome"] == "fulfillable":
            assert having[0]["distance_m"] == answer["store"]["distance_m"]
        else:
            least_s = min(rates(mode, hours))
            assert all(store["distance_m"] * least_s > 3600 - 510 for store in having)
    assert plans == {"space_first", "stock_first"}
    assert outcomes == {"fulfillable", "unfulfillable"}


async def test_the_check_notices_a_certificate_that_proves_nothing(city: Api) -> None:
    answer = await city.quote(*CITY, "common", mode="ebike")
    stores = await around(city, CITY)
    check(answer, stores, 0, "ebike", (10, 11))
    assert answer["certificate"]["plan"] == "space_first"
    for damage in ({"examined": answer["certificate"]["examined"] - 1}, {"next_bound_s": None}, {"key_s": 10**6}):
        with pytest.raises(AssertionError):
            check(answer | {"certificate": answer["certificate"] | damage}, stores, 0, "ebike", (10, 11))


async def _holders(api: Api) -> dict[str | None, int]:
    """How many stores have a row of each sku, stocked or not."""
    found: dict[str | None, int] = {}
    for i in range(STORES):
        for row in (await api.get(f"/v1/stores/s{i}/stock")).json()["stock"]:
            found[row["sku"]] = found.get(row["sku"], 0) + 1
    return found
