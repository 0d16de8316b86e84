"""Places come and go in the datum of the question; stored they are WGS84."""

from math import atan2, cos, hypot, pi, sin
from typing import NamedTuple

import pytest

from tests.api.client import Api


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
