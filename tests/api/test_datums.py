"""Places come and go in the datum of the question; stored they are WGS84."""

from math import atan2, cos, hypot, pi, sin
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.api.client import Api, assert_problem, worker
from tests.api.shop import act, clock_of_now, north, order_of, placed


class Shown(NamedTuple):
    lat: float
    lon: float


# Pairs of the tests of eviltransform, which published the formula; implementations differ by less than a metre.
WGS84 = Shown(39.911954, 116.377817)
GCJ02 = Shown(39.91334545536069, 116.38404722455657)
METRE = 1e-5


def bd09_of(gcj02: Shown) -> Shown:
    """Baidu's own shift, as everybody copies it."""
    radius = hypot(gcj02.lon, gcj02.lat) + 0.00002 * sin(gcj02.lat * pi * 3000 / 180)
    angle = atan2(gcj02.lat, gcj02.lon) + 0.000003 * cos(gcj02.lon * pi * 3000 / 180)
    return Shown(radius * sin(angle) + 0.006, radius * cos(angle) + 0.0065)


BY_DATUM = {"wgs84": WGS84, "gcj02": GCJ02, "bd09": bd09_of(GCJ02)}
SQUARE = ((-0.01, -0.01), (0.01, -0.01), (0.01, 0.01), (-0.01, 0.01), (-0.01, -0.01))


def _is(told: dict[str, float], place: Shown) -> bool:
    return abs(told["lat"] - place.lat) < METRE and abs(told["lon"] - place.lon) < METRE


@pytest.mark.parametrize("sent", BY_DATUM)
async def test_a_store_sent_in_any_datum_is_the_same_store_in_every_other(app_client: Api, sent: str) -> None:
    told = await app_client.put_store("a", *BY_DATUM[sent], datum=sent)
    assert _is(told, BY_DATUM[sent])
    await app_client.put_stock("a", tea=1)
    for datum, place in BY_DATUM.items():
        assert _is((await app_client.get("/v1/stores/a", datum=datum)).json(), place)
        answer = await app_client.quote(*place, "tea", datum=datum, alternatives=1)
        assert _is(answer["store"], place)
        assert answer["store"]["distance_m"] < 1.5
        [near] = (await app_client.get("/v1/stores/nearby", lat=place.lat, lon=place.lon, datum=datum)).json()["stores"]
        assert _is(near, place)
        assert near["distance_m"] < 1.5
    assert _is((await app_client.get("/v1/stores/a")).json(), WGS84)


async def test_a_zone_is_in_the_datum_of_its_store_and_is_told_in_the_datum_asked(app_client: Api) -> None:
    zone = [[GCJ02.lon + x, GCJ02.lat + y] for x, y in SQUARE]
    body = {"type": "Polygon", "coordinates": [zone]}
    told = await app_client.put_store("a", *GCJ02, datum="gcj02", delivery_zone=body)
    assert told["delivery_zone"]["coordinates"][0] == [pytest.approx(corner, abs=METRE) for corner in zone]
    answer = (await app_client.get("/v1/stores/a")).json()
    lon, lat = answer["delivery_zone"]["coordinates"][0][0]
    assert (lat, lon) == (pytest.approx(WGS84.lat - 0.01, abs=1e-4), pytest.approx(WGS84.lon - 0.01, abs=1e-4))


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
async def test_a_zone_may_have_a_corner_where_no_store_may_be(app_client: Api, datum: str) -> None:
    """(0, 0) stands for a missing place, but it is a good corner."""
    zone = "POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))"
    await app_client.put_store("a", 0.5, 0.5, datum=datum, delivery_zone=zone)
    for asked, shift in (("wgs84", 0.0), (datum, 0.01 if datum == "bd09" else 0.0)):
        told = (await app_client.get("/v1/stores/a", datum=asked)).json()
        assert told["delivery_zone"]["coordinates"][0][0] == pytest.approx([0, 0], abs=1e-5 + 0.01 - shift)
    await app_client.put_store("b", 0.5, 0.5, delivery_zone=zone)
    [shown] = (await app_client.get("/v1/stores/b", datum=datum)).json()["delivery_zone"]["coordinates"]
    expected = [0.0065, 0.006] if datum == "bd09" else [0.0, 0.0]
    assert shown[0] == pytest.approx(expected, abs=2e-5)


async def test_taiwan_is_not_shifted(app_client: Api) -> None:
    await app_client.put_store("a", 25.033, 121.5654)
    told = (await app_client.get("/v1/stores/a", datum="gcj02")).json()
    assert (told["lat"], told["lon"]) == (25.033, 121.5654)


async def test_geojson_in_another_datum_says_so_and_is_lon_lat(app_client: Api) -> None:
    await app_client.put_store("a", *WGS84)
    accept = {"Accept": "application/geo+json"}
    for datum, place in BY_DATUM.items():
        answer = await app_client.get("/v1/stores/nearby", lat=place.lat, lon=place.lon, datum=datum, headers=accept)
        collection = answer.json()
        assert collection.get("datum") == (None if datum == "wgs84" else datum)
        [feature] = collection["features"]
        assert feature["geometry"]["coordinates"] == [
            pytest.approx(place.lon, abs=METRE),
            pytest.approx(place.lat, abs=METRE),
        ]


# Each from the state that the one before leaves; two stores can.
ACTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("confirm", {}),
    ("reassign", {"attempt": 1}),
    ("decline", {"attempt": 2, "reason": "other"}),
    ("accept", {"attempt": 3}),
    ("ready", {"attempt": 3}),
    ("pick-up", {"attempt": 3}),
    ("fail", {"attempt": 3}),
    ("return", {"attempt": 3}),
)


@pytest.mark.parametrize("datum", BY_DATUM)
async def test_an_action_tells_the_order_in_the_datum_asked(database_url: str, tmp_path: Path, datum: str) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now()) as api:
        stores = {"near": north(100, WGS84), "middle": north(300, WGS84)}
        for store_id, place in stores.items():
            await api.put_store(store_id, *place)
            await api.put_stock(store_id, tea=9)
        await placed(api, "o-1", order_of(door=WGS84))
        await placed(api, "o-2", order_of(door=WGS84))
        for order_id, action, body in (*(("o-1", *step) for step in ACTIONS), ("o-2", "cancel", {})):
            # The second time it finds it done.
            for _ in range(2):
                answer = await act(api, order_id, action, **body, datum=datum)
                assert answer.status_code == 200, answer.text
                store = answer.json()["store"]
                assert answer.json() == (await api.get(f"/v1/orders/{order_id}", datum=datum)).json()
                shown = (await api.get(f"/v1/stores/{store['store_id']}", datum=datum)).json()
                assert _is(store, Shown(shown["lat"], shown["lon"]))
                assert _is(store, Shown(*stores[store["store_id"]])) == (datum == "wgs84")
        refused = await act(api, "o-2", "reassign", attempt=1, datum="wgs72")
        assert_problem(refused, 422, "invalid_input", pointers=["/datum"])


async def test_an_action_without_a_datum_tells_the_order_in_wgs84(database_url: str, tmp_path: Path) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now()) as api:
        place = north(100, WGS84)
        await api.put_store("near", *place)
        await api.put_stock("near", tea=9)
        await placed(api, "o-1", order_of(door=WGS84))
        answer = await api.send("POST", "/v1/orders/o-1/confirm")
        assert _is(answer.json()["store"], Shown(*place))


@pytest.mark.parametrize("given", BY_DATUM)
@pytest.mark.parametrize("wanted", BY_DATUM)
async def test_a_place_is_turned_from_any_datum_into_any_other(app_client: Api, given: str, wanted: str) -> None:
    place = BY_DATUM[given]
    from_: dict[str, Any] = {"from": given}
    answer = await app_client.get("/v1/places/turned", lat=place.lat, lon=place.lon, to=wanted, **from_)
    assert answer.status_code == 200
    told = answer.json()
    assert told.pop("datum") == wanted
    assert set(told) == {"lat", "lon"}
    assert _is(told, BY_DATUM[wanted])


async def test_a_place_that_needs_no_turning_stays_where_it_is(app_client: Api) -> None:
    taipei: dict[str, Any] = {"lat": 25.033, "lon": 121.5654}
    assert (await app_client.get("/v1/places/turned", **taipei, to="gcj02")).json() == {**taipei, "datum": "gcj02"}
    assert (await app_client.get("/v1/places/turned", **taipei)).json() == {**taipei, "datum": "wgs84"}


@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ({"lat": "121", "lon": "25"}, "coordinates_swapped", "/query/lat"),
        ({"lat": "0", "lon": "0"}, "coordinate_null_island", "/query/lat"),
        ({"lat": "25"}, "invalid_input", "/query/lon"),
        ({"lat": "25", "lon": "121", "to": "mars"}, "invalid_input", "/query/to"),
        ({"lat": "25", "lon": "121", "from": "mars"}, "invalid_input", "/query/from"),
        ({"lat": "25", "lon": "121", "datum": "gcj02"}, "invalid_input", "/query/datum"),
    ],
)
async def test_a_place_that_is_none_is_not_turned(
    app_client: Api, query: dict[str, Any], code: str, pointer: str
) -> None:
    assert_problem(await app_client.get("/v1/places/turned", **query), 422, code, pointers=[pointer])
