"""GET /v1/stores/nearby: who is around, nearest first, with what a shopper wants to know."""

import random
from typing import Any

import pytest
from pyproj import Geod

from tests.api.client import Api, assert_problem

GEOD = Geod(ellps="WGS84")
HERE: dict[str, Any] = {"lat": 25.0330, "lon": 121.5654}
FIELDS = {
    "store_id", "name", "brand", "address", "lat", "lon", "distance_m", "open_now", "hours_known", "opens_at",
    "closes_at", "opening_hours", "timezone", "phone", "delivers_here", "stock",
}  # fmt: skip


def north(metres: float) -> tuple[float, float]:
    lon, lat, _ = GEOD.fwd(HERE["lon"], HERE["lat"], 0.0, metres)
    return float(lat), float(lon)


async def ids(api: Api, **query: Any) -> list[str]:
    answer = await api.get("/v1/stores/nearby", **(HERE | query))
    assert answer.status_code == 200, answer.text
    return [store["store_id"] for store in answer.json()["stores"]]


async def test_a_store_is_told_with_every_field_and_nothing_else(app_client: Api) -> None:
    lat, lon = north(500)
    fields = {
        "name": "全家", "brand": "FamilyMart", "address": "信義路五段7號", "phone": "+886 2 1234",
        "opening_hours": "Mo-Su 08:00-22:00",
    }  # fmt: skip
    await app_client.put_store("a", lat, lon, delivery_radius_m=400, region="Taipei", **fields)
    answer = (await app_client.get("/v1/stores/nearby", **HERE)).json()
    assert set(answer) == {"stores", "next_cursor"}
    assert answer["next_cursor"] is None
    [store] = answer["stores"]
    assert store.pop("distance_m") == pytest.approx(500, abs=1e-6)
    assert store == fields | {
        "store_id": "a", "lat": lat, "lon": lon, "open_now": True, "hours_known": True, "opens_at": None,
        "closes_at": "2026-11-20T22:00:00+08:00", "timezone": "Asia/Taipei", "delivers_here": False, "stock": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "at_utc_hour", "expected"),
    [
        ("Mo-Su 08:00-22:00", 2, (True, True, None, "2026-11-20T22:00:00+08:00")),
        ("Mo-Su 08:00-22:00", 15, (False, True, "2026-11-21T08:00:00+08:00", None)),
        ("24/7", 2, (True, True, None, None)),
        ("off", 2, (False, True, None, None)),
        (None, 2, (True, False, None, None)),
    ],
)
async def test_opening_state_and_its_next_change_are_in_the_stores_own_time(
    app_client: Api, hours: str | None, at_utc_hour: int, expected: tuple[bool, bool, str | None, str | None]
) -> None:
    app_client.clock.now = app_client.clock.now.replace(hour=at_utc_hour)
    await app_client.put_store("a", *north(10), opening_hours=hours)
    [store] = (await app_client.get("/v1/stores/nearby", **HERE)).json()["stores"]
    assert (store["open_now"], store["hours_known"], store["opens_at"], store["closes_at"]) == expected


async def test_each_filter_leaves_out_who_does_not_pass_and_false_filters_nothing(app_client: Api) -> None:
    await app_client.put_store("plain", *north(100), brand="A")
    await app_client.put_store("shut", *north(200), brand="A", opening_hours="Mo-Su 20:00-22:00")
    await app_client.put_store("tight", *north(300), brand="B", delivery_radius_m=299)
    beyond_me = (
        f"POLYGON((121 {HERE['lat'] + 0.001}, 122 {HERE['lat'] + 0.001}, 122 26, 121 26, 121 {HERE['lat'] + 0.001}))"
    )
    await app_client.put_store("zoned", *north(400), delivery_zone=beyond_me)
    await app_client.put_store("asleep", *north(50), active=False)
    await app_client.put_store("far", *north(3001))
    every = ["plain", "shut", "tight", "zoned"]
    assert await ids(app_client) == every
    assert await ids(app_client, open_now="false", delivers_here="false") == every
    assert await ids(app_client, open_now="true") == ["plain", "tight", "zoned"]
    assert await ids(app_client, delivers_here="true") == ["plain", "shut"]
    assert await ids(app_client, brand="A") == ["plain", "shut"]
    assert await ids(app_client, brand="A", open_now="true") == ["plain"]
    assert await ids(app_client, brand="nobody") == []
    assert await ids(app_client, radius_m=200.5) == ["plain", "shut"]
    assert await ids(app_client, radius_m=50_000) == [*every, "far"]


async def test_ties_come_in_order_of_store_id_and_distance_is_geodesic(app_client: Api) -> None:
    for store_id in ("b", "c", "a", "aa"):
        await app_client.put_store(store_id, *north(700))
    assert await ids(app_client) == ["a", "aa", "b", "c"]


async def test_a_store_has_a_sku_when_some_is_available_and_shows_it_up_to_99(app_client: Api) -> None:
    for store_id, metres in (("much", 100), ("some", 200), ("kept", 300), ("none", 400), ("old", 500)):
        await app_client.put_store(store_id, *north(metres))
    await app_client.put_stock("much", tea=5000, rice=99)
    await app_client.put_stock("some", tea=3)
    items = [{"sku": "tea", "on_hand": 7, "safety_stock": 7}, {"sku": "rice", "on_hand": 7}]
    await app_client.write("PUT", "/v1/stores/kept/stock", {"items": items})
    old = {"as_of": "2026-11-01T00:00:00Z", "items": [{"sku": "tea", "on_hand": 7}]}
    await app_client.write("PUT", "/v1/stores/old/stock", old)
    answer = (await app_client.get("/v1/stores/nearby", **HERE, sku="tea")).json()
    assert [(store["store_id"], store["stock"]) for store in answer["stores"]] == [
        ("much", {"tea": 99}),
        ("some", {"tea": 3}),
        ("old", {"tea": None}),
    ]
    both = (await app_client.get("/v1/stores/nearby", **HERE, sku=["tea", "rice"])).json()
    assert [(store["store_id"], store["stock"]) for store in both["stores"]] == [("much", {"tea": 99, "rice": 99})]
    assert await ids(app_client, sku="unheard-of") == []


async def test_fields_are_chosen_by_name_repeated_or_between_commas(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    for fields in (["store_id", "distance_m"], "store_id,distance_m", ["store_id,distance_m", "store_id"]):
        [store] = (await app_client.get("/v1/stores/nearby", **HERE, fields=fields)).json()["stores"]
        assert set(store) == {"store_id", "distance_m"}
    every = (await app_client.get("/v1/stores/nearby", **HERE, fields=",".join(FIELDS))).json()
    assert set(every["stores"][0]) == FIELDS
    assert_problem(await app_client.get("/v1/stores/nearby", **HERE, fields="colour"), 422, pointers=["/query/fields"])


async def test_geojson_is_a_feature_collection_of_points_with_the_fields_as_properties(app_client: Api) -> None:
    lat, lon = north(100)
    await app_client.put_store("a", lat, lon, name="one")
    plain = (await app_client.get("/v1/stores/nearby", **HERE)).json()["stores"][0]
    answer = await app_client.get("/v1/stores/nearby", **HERE, headers={"Accept": "application/geo+json"})
    assert answer.headers["content-type"] == "application/geo+json"
    collection = answer.json()
    assert (collection["type"], collection["next_cursor"], "datum" in collection) == ("FeatureCollection", None, False)
    [feature] = collection["features"]
    assert (feature["type"], feature["id"]) == ("Feature", "a")
    assert feature["geometry"] == {"type": "Point", "coordinates": [lon, lat]}
    assert feature["properties"] == {name: value for name, value in plain.items() if name not in ("lat", "lon")}


# ── pages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _city(api: Api, count: int, seed: int = 7) -> list[str]:
    """Stores at random places, many of them shared; their ids by an own ordering."""
    rng = random.Random(seed)
    spots = [
        (HERE["lat"] + rng.uniform(-0.01, 0.01), HERE["lon"] + rng.uniform(-0.01, 0.01)) for _ in range(count // 3)
    ]
    rows = ["store_id,lat,lon,brand"]
    ranked = []
    for i in range(count):
        lat, lon = rng.choice(spots)
        store_id = f"s{rng.randrange(10**6):06}-{i}"
        rows.append(f"{store_id},{lat!r},{lon!r},{'even' if i % 2 == 0 else 'odd'}")
        ranked.append((GEOD.inv(HERE["lon"], HERE["lat"], lon, lat)[2], store_id))
    done = await api.import_file("stores", "\n".join(rows) + "\n")
    assert done["created"] == count
    return [store_id for _, store_id in sorted(ranked)]


async def test_each_store_comes_once_over_all_pages_whatever_their_size(app_client: Api) -> None:
    expected = await _city(app_client, 230)
    for sizes in ([200], [7], [1, 50, 3]):
        found: list[str] = []
        cursor, pages = None, 0
        while cursor is not None or pages == 0:
            query: dict[str, Any] = {**HERE, "limit": sizes[pages % len(sizes)]}
            answer = (
                await app_client.get("/v1/stores/nearby", **query, **({"cursor": cursor} if cursor else {}))
            ).json()
            assert len(answer["stores"]) <= query["limit"]
            found += [store["store_id"] for store in answer["stores"]]
            cursor, pages = answer["next_cursor"], pages + 1
        assert found == expected
    exactly = (await app_client.get("/v1/stores/nearby", **HERE, limit=115, brand="odd")).json()
    assert (len(exactly["stores"]), exactly["next_cursor"]) == (115, None)


async def test_a_page_goes_on_where_the_last_ended_though_stores_come_and_go(app_client: Api) -> None:
    expected = await _city(app_client, 60)
    first = (await app_client.get("/v1/stores/nearby", **HERE, limit=30)).json()
    await app_client.put_store("000-new", **HERE)
    await app_client.write("DELETE", f"/v1/stores/{expected[29]}", None)
    second = (await app_client.get("/v1/stores/nearby", **HERE, limit=30, cursor=first["next_cursor"])).json()
    assert [store["store_id"] for store in second["stores"]] == expected[30:]


async def test_a_cursor_of_another_query_or_a_damaged_one_is_400(app_client: Api) -> None:
    await _city(app_client, 12)
    cursor = (await app_client.get("/v1/stores/nearby", **HERE, limit=3)).json()["next_cursor"]
    assert cursor is not None
    others: list[dict[str, Any]] = [
        {"radius_m": 2999}, {"lat": 25.0331}, {"open_now": "true"}, {"brand": "odd"}, {"delivers_here": "true"},
        {"sku": "tea"}, {"datum": "gcj02"}, {"fields": "store_id"},
    ]  # fmt: skip
    for other in others:
        assert_problem(
            await app_client.get("/v1/stores/nearby", **(HERE | {"cursor": cursor} | other)), 400, "invalid_cursor"
        )
    for damaged in (cursor[:-4], cursor + "AAAA", "x" + cursor[1:], "", "!", "bnVsbA==", cursor + "!"):
        assert_problem(await app_client.get("/v1/stores/nearby", **HERE, cursor=damaged), 400, "invalid_cursor")
    assert (await app_client.get("/v1/stores/nearby", **HERE, limit=200, cursor=cursor)).status_code == 200


async def test_limits_are_told_at_their_edges(app_client: Api) -> None:
    good: list[dict[str, Any]] = [{"limit": 1}, {"limit": 200}, {"radius_m": 50_000}, {"radius_m": 0.001}]
    for query in good:
        assert (await app_client.get("/v1/stores/nearby", **HERE, **query)).status_code == 200
    bad: list[dict[str, Any]] = [
        {"limit": 0},
        {"limit": 201},
        {"radius_m": 50_000.1},
        {"radius_m": 0},
        {"radius_m": -1},
    ]
    for query in bad:
        answer = await app_client.get("/v1/stores/nearby", **HERE, **query)
        assert_problem(answer, 422, pointers=[f"/query/{next(iter(query))}"])


# ── caches ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_that_has_not_changed_is_304_and_one_that_has_is_not(app_client: Api) -> None:
    await app_client.put_store("a", *north(100))
    first = await app_client.get("/v1/stores/nearby", **HERE)
    etag = first.headers["etag"]
    for same in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await app_client.get("/v1/stores/nearby", **HERE, headers={"If-None-Match": same})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == first.headers["cache-control"]
        assert again.headers["vary"] == "Accept, Authorization"
    accept = {"If-None-Match": etag, "Accept": "application/geo+json"}
    assert (await app_client.get("/v1/stores/nearby", **HERE, headers=accept)).status_code == 200
    await app_client.put_store("a", *north(100), name="renamed")
    changed = await app_client.get("/v1/stores/nearby", **HERE, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


async def test_an_answer_may_be_kept_for_30_s_and_no_longer_than_an_opening_state_holds(app_client: Api) -> None:
    async def kept(**query: Any) -> str:
        answer = await app_client.get("/v1/stores/nearby", **HERE, **query)
        assert answer.headers["vary"] == "Accept, Authorization"
        return str(answer.headers["cache-control"])

    assert await kept() == "private, max-age=30"
    await app_client.put_store("a", *north(100), opening_hours="Mo-Su 08:00-22:00")
    await app_client.put_store("b", *north(200), opening_hours="Mo-Su 21:59-23:00")
    assert await kept() == "private, max-age=30"
    app_client.clock.now = app_client.clock.now.replace(hour=13, minute=58, second=48)
    assert await kept() == "private, max-age=12"
    assert await kept(limit=1) == "private, max-age=30"  # b, whose state changes, is not in it
    app_client.clock.now = app_client.clock.now.replace(minute=59, second=59)
    assert await kept(limit=1) == "private, max-age=1"
    await app_client.put_stock("a", tea=1)
    assert await kept(sku="tea") == "no-cache"
