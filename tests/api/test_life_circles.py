"""GET /v1/life-circle and GET /v1/stores/{store_id}/life-circle, by the estimate."""

from typing import Any

import pytest
import shapely
from pyproj import Geod
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84
from tests.api.client import Api, assert_problem

GEOD = Geod(ellps="WGS84")
HERE: dict[str, Any] = {"lat": 25.0330, "lon": 121.5654}
# By e-bike a metre takes 1.3 x 3.6 / 20 s.
METRES_A_SECOND = 20 / 3.6 / 1.3


def away(metres: float, azimuth: float = 0.0, place: dict[str, Any] = HERE) -> tuple[float, float]:
    lon, lat, _ = GEOD.fwd(place["lon"], place["lat"], azimuth, metres)
    return float(lat), float(lon)


async def circle_of(api: Api, **query: Any) -> tuple[BaseGeometry, dict[str, Any], list[dict[str, Any]]]:
    """The area, its properties, and the features of the stores."""
    answer = await api.get("/v1/life-circle", **(HERE | query))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    body = answer.json()
    assert body["type"] == "FeatureCollection"
    area, *stores = body["features"]
    assert area["properties"]["role"] == "area"
    assert [store["properties"]["role"] for store in stores] == ["store"] * len(stores)
    drawn = shape(area["geometry"])
    assert drawn.is_valid
    for store in stores:
        assert drawn.contains(shape(store["geometry"])), store
    return drawn, area["properties"], stores


def holds(area: BaseGeometry, place: tuple[float, float]) -> bool:
    return bool(shapely.intersects_xy(area, place[1], place[0]))


def ids(stores: list[dict[str, Any]]) -> list[str]:
    return [store["id"] for store in stores]


async def test_the_area_is_as_far_as_the_quickest_store_leaves_time_for(app_client: Api) -> None:
    terms = {"prepare_s": 200, "prepare_line_s": 40, "courier_s": 60, "handover_s": 100}
    await app_client.put_store("quick", *away(500), **terms)
    await app_client.put_store("slow", *away(400), prepare_s=900)
    await app_client.put_store("asleep", *away(300), prepare_s=0, active=False)
    area, told, stores = await circle_of(app_client, minutes=30)
    assert told == {
        "role": "area", "minutes": 30, "modes": ["ebike"], "travel_budget_s": 1400, "travel_source": "estimate",
    }  # fmt: skip
    reach_m = 1400 * METRES_A_SECOND
    for azimuth in range(0, 360, 7):
        assert holds(area, away(reach_m - 0.01, azimuth))
        assert not holds(area, away(reach_m * 1.001 + 1, azimuth))
    assert ids(stores) == ["slow", "quick"]
    properties = stores[1]["properties"]
    assert properties["distance_m"] == pytest.approx(500, abs=1e-6)
    assert (properties["eta_s"], properties["travel_s"], properties["open_now"]) == (400 + 117, 117, True)


async def test_only_stores_that_can_be_there_are_listed(app_client: Api) -> None:
    fixed_s = 300 + 30 + 60 + 120
    reach_m = (30 * 60 - fixed_s) * METRES_A_SECOND
    await app_client.put_store("edge", *away(reach_m - 0.1))
    await app_client.put_store("beyond", *away(reach_m + 5))
    await app_client.put_store("late", *away(reach_m - 10), prepare_line_s=60)
    await app_client.put_store("shut", *away(10), opening_hours="Mo-Su 20:00-22:00")
    await app_client.put_store("closing", *away(20), opening_hours="Mo-Su 08:00-10:05")
    await app_client.put_store("tight", *away(50), delivery_radius_m=49)
    await app_client.put_store("asleep", *away(30), active=False)
    beside = "POLYGON((121 25.034, 122 25.034, 122 26, 121 26, 121 25.034))"
    await app_client.put_store("zoned", *away(400), delivery_zone=beside)
    await app_client.put_store("walks", *away(200), mode="foot")
    area, told, stores = await circle_of(app_client, minutes=30)
    assert ids(stores) == ["walks", "edge"]
    assert told["modes"] == ["foot", "ebike"]
    assert holds(area, away(reach_m - 0.1))
    _, told, stores = await circle_of(app_client, minutes=30, mode="foot")
    assert (told["modes"], ids(stores)) == (["foot"], ["walks"])


async def test_at_most_the_200_nearest_stores_are_listed_ties_by_id(app_client: Api) -> None:
    lat, lon = away(900)
    rows = [f"t{i:03},{lat!r},{lon!r}" for i in range(150)]
    rows += [f"n{i:03},{away(100 + i)[0]!r},{away(100 + i)[1]!r}" for i in range(120)]
    await app_client.import_file("stores", "store_id,lat,lon\n" + "\n".join(rows) + "\n")
    _, _, stores = await circle_of(app_client)
    assert ids(stores) == [f"n{i:03}" for i in range(120)] + [f"t{i:03}" for i in range(80)]


async def test_without_time_for_any_way_the_area_is_empty(app_client: Api) -> None:
    await app_client.put_store("a", *away(1), prepare_s=600)
    area, told, stores = await circle_of(app_client, minutes=5)
    assert (area.is_empty, told["travel_budget_s"], stores) == (True, 0, [])


async def test_without_stores_there_is_still_an_area(app_client: Api) -> None:
    area, told, stores = await circle_of(app_client, minutes=60)
    assert (told["travel_budget_s"], stores) == (3600, [])
    assert holds(area, away(3600 * METRES_A_SECOND - 1))


@pytest.mark.parametrize("place", [{"lat": -17.0, "lon": 179.99}, {"lat": 89.99, "lon": 20.0}, {"lat": -90, "lon": 0}])
async def test_at_the_antimeridian_and_the_poles_the_area_stays_within_range(
    app_client: Api, place: dict[str, Any]
) -> None:
    lat, lon = away(2000, 90.0, place)
    await app_client.put_store("east", lat, lon)
    area, _, stores = await circle_of(app_client, **place)
    assert ids(stores) == ["east"]
    west, south, east, north = area.bounds
    assert west >= -180
    assert east <= 180
    assert south >= -90
    assert north <= 90
    for azimuth in range(0, 360, 10):
        assert holds(area, away(10_000, azimuth, place))
        assert not holds(area, away(15_000, azimuth, place))


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
async def test_the_area_is_in_the_datum_of_the_question_and_says_so(app_client: Api, datum: Datum) -> None:
    centre = LatLon(lat=36.65, lon=117.12)
    for i in range(12):
        lat, lon = away(13_190 + i, 30.0 * i, {"lat": centre.lat, "lon": centre.lon})
        await app_client.put_store(f"s{i:02}", lat, lon)
    shown = from_wgs84(centre, datum)
    answer = await app_client.get("/v1/life-circle", lat=shown.lat, lon=shown.lon, datum=datum.value)
    assert answer.json()["datum"] == datum.value
    turned, told, stores = await circle_of(app_client, lat=shown.lat, lon=shown.lon, datum=datum.value)
    plain, plainly, _ = await circle_of(app_client, lat=centre.lat, lon=centre.lon)
    assert told == plainly
    assert len(stores) == 12
    for azimuth in range(0, 360, 15):
        for metres, inside in ((13_000, True), (13_400, False)):
            lat, lon = away(metres, azimuth, {"lat": centre.lat, "lon": centre.lon})
            moved = from_wgs84(LatLon(lat=lat, lon=lon), datum)
            assert holds(plain, (lat, lon)) == inside
            assert holds(turned, (moved.lat, moved.lon)) == inside
    plain_answer = await app_client.get("/v1/life-circle", **HERE)
    assert "datum" not in plain_answer.json()


async def test_a_store_shown_across_the_border_is_still_inside(app_client: Api) -> None:
    """GCJ-02 moves Shenzhen and leaves Hong Kong: the corners of one area part, and a store may fall between."""
    centre = {"lat": 22.535, "lon": 114.115}
    for i in range(60):
        lat, lon = away(200 + 220 * i, 6.1 * i, centre)
        await app_client.put_store(f"s{i:02}", lat, lon)
    _, _, stores = await circle_of(app_client, **centre, datum="gcj02")
    assert len(stores) > 50


# ── of a store ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def area_of_store(api: Api, store_id: str, **query: Any) -> tuple[BaseGeometry, dict[str, Any]]:
    answer = await api.get(f"/v1/stores/{store_id}/life-circle", **query)
    assert answer.status_code == 200, answer.text
    feature = answer.json()
    assert (feature["type"], feature["id"]) == ("Feature", store_id)
    drawn = shape(feature["geometry"])
    assert drawn.is_valid
    return drawn, feature["properties"]


async def test_a_store_reaches_as_far_as_its_own_times_and_mode_let_it(app_client: Api) -> None:
    await app_client.put_store("a", HERE["lat"], HERE["lon"], name="one", prepare_s=500, handover_s=10)
    area, told = await area_of_store(app_client, "a", minutes=20)
    assert told == {
        "store_id": "a", "name": "one", "minutes": 20, "mode": "ebike", "travel_budget_s": 1200 - 600,
        "travel_source": "estimate", "active": True, "open_now": True,
    }  # fmt: skip
    reach_m = 600 * METRES_A_SECOND
    for azimuth in range(0, 360, 10):
        assert holds(area, away(reach_m - 0.01, azimuth))
        assert not holds(area, away(reach_m * 1.001 + 1, azimuth))
    walked, told = await area_of_store(app_client, "a", minutes=20, mode="foot")
    assert told["mode"] == "foot"
    assert holds(walked, away(600 / 0.9375 - 1))
    assert not holds(walked, away(600 / 0.9375 * 1.001 + 1))
    with_terms = await app_client.get("/v1/stores/a/life-circle", minutes=5)
    assert with_terms.json()["geometry"] == {"type": "MultiPolygon", "coordinates": []}


async def test_a_queue_takes_time_from_the_way(app_client: Api) -> None:
    await app_client.put_store("a", HERE["lat"], HERE["lon"], queue_per_order_s=100)
    await app_client.put_stock("a", tea=5)
    _, before = await area_of_store(app_client, "a")
    order = {"destination": HERE, "lines": [{"sku": "tea", "quantity": 1}]}
    assert (await app_client.write("PUT", "/v1/orders/o-1", order)).status_code == 201
    _, after = await area_of_store(app_client, "a")
    assert after["travel_budget_s"] == before["travel_budget_s"] - 100


async def test_a_store_serves_no_place_beyond_its_radius_or_zone(app_client: Api) -> None:
    lon, lat = HERE["lon"], HERE["lat"]
    hole = shapely.box(lon - 0.01, lat - 0.02, lon + 0.01, lat - 0.01)
    holed = shapely.box(lon - 0.1, lat - 0.1, lon + 0.1, lat + 0.02).difference(hole).wkt
    await app_client.put_store("a", lat, lon, delivery_zone=holed, delivery_radius_m=5000)
    await app_client.put_stock("a", tea=5)
    area, _ = await area_of_store(app_client, "a")
    inside = {away(1000, 0): True, away(3000, 0): False, away(1600, 180): False, away(4900, 180): True}
    inside |= {away(5010, 180): False, away(4990, 90): True, away(5010, 90): False}
    for place, expected in inside.items():
        assert holds(area, place) == expected, place
        quoted = await app_client.quote(*place, "tea")
        assert (quoted["outcome"] == "fulfillable") == expected, place
    shown, _ = await area_of_store(app_client, "a", datum="bd09")
    moved = from_wgs84(LatLon(lat=away(4900, 180)[0], lon=away(4900, 180)[1]), Datum.BD09)
    assert holds(shown, (moved.lat, moved.lon))
    assert not holds(shown, away(5010, 0))


# ── what both have in common ───────────────────────────────────────────────────────────────────────────────────────


async def test_circles_are_tagged_and_kept_no_longer_than_they_hold(app_client: Api) -> None:
    await app_client.put_store("a", *away(100), opening_hours="Mo-Su 08:00-22:00")
    for url, query in (("/v1/life-circle", HERE), ("/v1/stores/a/life-circle", {})):
        answer = await app_client.get(url, **query)
        assert answer.headers["cache-control"] == "private, max-age=30"
        assert answer.headers["vary"] == "Accept, Authorization"
        again = await app_client.get(url, **query, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    app_client.clock.now = app_client.clock.now.replace(hour=13, minute=59, second=50)
    answer = await app_client.get("/v1/stores/a/life-circle")
    assert answer.headers["cache-control"] == "private, max-age=10"


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"lat": 91.0}, "/query/lat", "coordinate_out_of_range"),
        ({"lat": 121.5654, "lon": 25.0330}, "/query/lat", "coordinates_swapped"),
        ({"lat": 0.0, "lon": 0.0}, "/query/lat", "coordinate_null_island"),
        ({"lat": "nan"}, "/query/lat", "coordinate_nan"),
        ({"lon": "east"}, "/query/lon", None),
        ({"minutes": 4}, "/query/minutes", None),
        ({"minutes": 241}, "/query/minutes", None),
        ({"minutes": 60.5}, "/query/minutes", None),
        ({"mode": "boat"}, "/query/mode", None),
        ({"datum": "nad27"}, "/query/datum", None),
        ({"colour": "red"}, "/query/colour", None),
    ],
)
async def test_a_bad_circle_is_refused_with_its_place(
    app_client: Api, query: dict[str, Any], pointer: str, code: str | None
) -> None:
    assert_problem(await app_client.get("/v1/life-circle", **(HERE | query)), 422, code, pointers=[pointer])


async def test_a_bad_circle_of_a_store_is_refused_with_its_place(app_client: Api) -> None:
    assert_problem(await app_client.get("/v1/stores/none/life-circle"), 404, "store_not_found")
    await app_client.put_store("a", *away(100))
    for query, pointer in (
        ({"minutes": 0}, "/query/minutes"),
        ({"mode": "x"}, "/query/mode"),
        ({"lat": 1}, "/query/lat"),
    ):
        assert_problem(await app_client.get("/v1/stores/a/life-circle", **query), 422, pointers=[pointer])
    assert_problem(await app_client.get("/v1/life-circle", lat=25.0), 422, pointers=["/query/lon"])
    bad = {"Dispatch-Min-Version": "x"}
    assert_problem(await app_client.get("/v1/life-circle", **HERE, headers=bad), 400, "malformed_version")
