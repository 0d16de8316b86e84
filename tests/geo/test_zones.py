import json
import random
from contextlib import suppress
from math import inf, nan

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box, mapping

from geo.coordinates import LatLon
from geo.zones import ZoneError, ZoneIndex, covers, parse_zone

SQUARE_WKT = "POLYGON((121 25, 122 25, 122 26, 121 26, 121 25))"
SQUARE = box(121, 25, 122, 26)
# Two boxes that meet at the antimeridian: Fiji.
FIJI_WEST = "(179 -18, 180 -18, 180 -16, 179 -16, 179 -18)"
FIJI_EAST = "(-180 -18, -179 -18, -179 -16, -180 -16, -180 -18)"
FIJI_WKT = f"MULTIPOLYGON(({FIJI_WEST}), ({FIJI_EAST}))"


def ring(*corners: tuple[object, object]) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [[list(corner) for corner in corners]]}


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        SQUARE_WKT,
        "  polygon ((121 25, 122 25, 122 26, 121 26, 121 25)) ",
        "POLYGON Z((121 25 7, 122 25 7, 122 26 7, 121 26 7, 121 25 7))",
        SQUARE_WKT.replace("POLYGON((", "MULTIPOLYGON(((").replace("))", ")))"),
        mapping(SQUARE),
        json.dumps(mapping(SQUARE)),
        {"type": "Feature", "properties": None, "geometry": mapping(SQUARE)},
        json.dumps({"type": "Feature", "properties": {}, "geometry": mapping(SQUARE)}),
        ring((121, 25), (122, 25), (122, 26), (121, 26)),
        {"type": "Polygon", "coordinates": [[[121, 25, 9], [122, 25, 9], [122, 26, 9], [121, 26, 9], [121, 25, 9]]]},
    ],
)
def test_a_square_is_read_from_every_spelling(value: str | dict[str, object]) -> None:
    zone = parse_zone(value)
    assert shapely.equals(zone, SQUARE)
    assert not zone.has_z


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "neither WKT nor GeoJSON"),
        ("circle of 3 km", "neither WKT nor GeoJSON"),
        ("[1, 2]", "neither WKT nor GeoJSON"),
        ("POLYGON((121 25, 122", "cannot be read as WKT"),
        ("POLYGON((121 25, 122 25, 122 26, 121 26))", "cannot be read as WKT"),
        ("{", "cannot be read as JSON"),
        ('{"a":' + "[" * 100_000, "cannot be read as JSON"),
        ({"type": "Polygon", "coordinates": nested(50_000)}, "not rings of positions"),
        ({"type": "Polygon", "coordinates": [[[10**400, 1], [1, 2], [2, 2]]]}, "not rings of positions"),
        ("GEOMETRYCOLLECTION(" * 100_000, "of type 'GeometryCollection'"),
        ("POINT(121 25)", "of type 'Point'"),
        ("LINESTRING(121 25, 122 26)", "of type 'LineString'"),
        ({"type": "Point", "coordinates": [121, 25]}, "of type 'Point'"),
        ({"type": "FeatureCollection", "features": []}, "of type 'FeatureCollection'"),
        ({}, "of type None"),
        ({"type": ["Polygon"]}, "of type"),
        ({"type": "Feature", "geometry": None}, "Feature without a geometry"),
        ({"type": "Polygon"}, "not rings of positions"),
        ({"type": "Polygon", "coordinates": 5}, "not rings of positions"),
        ({"type": "Polygon", "coordinates": [[121, 25]]}, "not rings of positions"),
        ({"type": "Polygon", "coordinates": [[["a", "b"]] * 4]}, "not rings of positions"),
        ({"type": "MultiPolygon", "coordinates": mapping(SQUARE)["coordinates"]}, "not rings of positions"),
        ("POLYGON EMPTY", "empty"),
        ({"type": "Polygon", "coordinates": []}, "empty"),
        ({"type": "MultiPolygon", "coordinates": []}, "empty"),
        (ring((121, 25), (122, nan), (122, 26), (121, 25)), "not a finite number"),
        (ring((121, 25), (inf, 25), (122, 26), (121, 25)), "not a finite number"),
        ('{"type": "Polygon", "coordinates": [[[121, 25], [1e999, 25], [122, 26], [121, 25]]]}', "not a finite number"),
        ("POLYGON((25 121, 25 122, 26 122, 26 121, 25 121))", "swapped"),
        ("POLYGON((121 91, 122 91, 122 92, 121 91))", "latitudes beyond 90 degrees$"),
        ("POLYGON((179 10, 181 10, 181 11, 179 10))", "split it at the antimeridian"),
        ("POLYGON((121 25, 122 26, 122 25, 121 26, 121 25))", "crosses or touches itself"),
        ("POLYGON((0 0, 4 0, 4 4, 0 4, 0 0), (5 5, 6 5, 6 6, 5 5))", "crosses or touches itself"),
        ("POLYGON((121 25, 122 26, 123 27, 121 25))", "no area"),
        ("POLYGON((121 25, 121 25, 121 25, 121 25))", "no area"),
    ],
)
def test_a_zone_that_cannot_be_is_refused_with_the_reason(value: str | dict[str, object], reason: str) -> None:
    with pytest.raises(ZoneError, match=reason):
        parse_zone(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


numbers = st.integers(-3, 3) | st.floats() | st.booleans() | st.none()
positions = st.tuples(numbers, numbers).map(list) | st.lists(numbers, max_size=4)
polygons = st.lists(st.lists(positions, max_size=5), max_size=3)


@given(
    name=st.sampled_from(["Polygon", "MultiPolygon"]),
    coordinates=json_values | polygons | st.lists(polygons, max_size=3),
)
def test_whatever_the_coordinates_the_answer_is_a_zone_or_a_zone_error(name: str, coordinates: object) -> None:
    value = {"type": name, "coordinates": coordinates}
    for spelling in (value, json.dumps(value)):
        try:
            zone = parse_zone(spelling)
        except ZoneError:
            continue
        assert zone.is_valid
        assert zone.area > 0


@given(
    text=st.text() | st.text(alphabet="POLYGNMUTI()0123456789 ,.-e", max_size=40).map(lambda tail: "POLYGON((" + tail)
)
def test_whatever_the_text_the_answer_is_a_zone_or_a_zone_error(text: str) -> None:
    with suppress(ZoneError):
        assert parse_zone(text).is_valid


def test_the_border_and_the_corners_belong_to_the_zone_and_holes_do_not() -> None:
    zone = parse_zone("POLYGON((0 0, 8 0, 8 8, 0 8, 0 0), (2 2, 6 2, 6 6, 2 6, 2 2))")
    inside = [(1, 1), (0, 4), (8, 8), (2, 4), (6, 6)]
    outside = [(4, 4), (8.000001, 4), (-0.000001, 4)]
    assert [covers(zone, LatLon(lat=lat, lon=lon)) for lat, lon in inside] == [True] * len(inside)
    assert [covers(zone, LatLon(lat=lat, lon=lon)) for lat, lon in outside] == [False] * len(outside)


def test_longitudes_180_and_minus_180_are_the_same_place() -> None:
    index = ZoneIndex()
    index.insert(1, parse_zone(FIJI_WKT))
    index.insert(2, parse_zone(f"POLYGON({FIJI_WEST})"))
    index.insert(3, parse_zone(f"POLYGON({FIJI_EAST})"))
    for lon in (180.0, -180.0):
        assert index.containing(LatLon(lat=-17, lon=lon)).tolist() == [1, 2, 3]
        assert covers(parse_zone(FIJI_WKT), LatLon(lat=-17, lon=lon))
        assert index.covering(np.array([3, 0, 1, 2, 9]), LatLon(lat=-17, lon=lon)).tolist() == [
            True,
            False,
            True,
            True,
            False,
        ]
    assert index.containing(LatLon(lat=-17, lon=179.5)).tolist() == [1, 2]
    assert index.containing(LatLon(lat=-17, lon=-179.5)).tolist() == [1, 3]
    assert index.containing(LatLon(lat=-17, lon=0)).tolist() == []


def test_the_index_equals_plain_shapely_while_zones_come_and_go() -> None:
    seed = 20261121
    rng = random.Random(seed)
    index = ZoneIndex()
    zones: dict[int, shapely.Polygon] = {}
    found = 0
    for step in range(400):
        id = rng.randrange(150)
        if id in zones:
            index.delete(id)
            del zones[id]
        else:
            centre = shapely.Point(rng.choice([rng.uniform(120, 122), 121.0]), rng.choice([rng.uniform(24, 26), 25.0]))
            zone = centre.buffer(rng.uniform(0.05, 0.5), quad_segs=rng.choice([1, 4]))
            assert isinstance(zone, shapely.Polygon)
            zones[id] = zone
            index.insert(id, parse_zone(mapping(zone)))
        assert len(index) == len(zones)
        if step % 4 == 0:
            corner = zones[id].exterior.coords[0] if id in zones else (121.0, 25.0)
            for lon, lat in (corner, (rng.uniform(120, 122), rng.uniform(24, 26))):
                expected = sorted(i for i, zone in zones.items() if zone.covers(shapely.Point(lon, lat)))
                got = index.containing(LatLon(lat=lat, lon=lon))
                assert got.dtype == np.int64
                assert got.tolist() == expected, f"seed {seed}, step {step}"
                asked = rng.choices(range(400), k=rng.choice([0, 3, 60]))
                covering = index.covering(np.array(asked, dtype=np.int64), LatLon(lat=lat, lon=lon))
                assert covering.tolist() == [i in expected for i in asked], f"seed {seed}, step {step}"
                found += len(expected)
    assert found > 500


def test_an_id_is_taken_once_and_given_back_once() -> None:
    index = ZoneIndex()
    assert index.containing(LatLon(lat=25.5, lon=121.5)).tolist() == []
    index.insert(4, SQUARE)
    with pytest.raises(ValueError, match="twice"):
        index.insert(4, SQUARE)
    with pytest.raises(ValueError, match="empty"):
        index.insert(5, shapely.Polygon())
    with pytest.raises(ValueError, match="below 0"):
        index.insert(-1, SQUARE)
    assert index.zone(4) is SQUARE
    index.delete(4)
    for absent in (4, -1, 99):
        with pytest.raises(KeyError):
            index.delete(absent)
        with pytest.raises(KeyError):
            index.zone(absent)
    assert len(index) == 0
    assert index.containing(LatLon(lat=25.5, lon=121.5)).tolist() == []
