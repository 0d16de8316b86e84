"""The demo city's roads as written: a valid file, one piece for every mode, few bridges, a road near every store."""

import hashlib
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import osmium
import pytest
import shapely
from osmium.io import Reader
from pyproj import Geod, Transformer
from shapely import LineString, STRtree

from data.city import BRIDGES, RING_RADII_M, river_line, to_lon_lat
from data.demo_city import write_demo
from data.roads import VERSION, is_of_this_version, write_roads
from tests.data_demo.test_demo_city import read

ROOT = Path(__file__).parents[2]
GEOD = Geod(ellps="WGS84")
# Of places to a metre and of what is said of the ways. Another network is another version: raise VERSION with it.
CONTENT = {1: "a4201c8e82ab80ec"}
SPEEDS = {"trunk": 80, "primary": 60, "secondary": 50, "tertiary": 40, "residential": 30}


@dataclass(frozen=True)
class Way:
    """As the file has it."""

    nodes: list[int]
    tags: dict[str, str]

    def is_for(self, mode: str) -> bool:
        return self.tags.get(mode) != "no"

    @property
    def is_high(self) -> bool:
        return "bridge" in self.tags


@dataclass(frozen=True)
class City:
    """The file, read by nothing of ours."""

    places: dict[int, tuple[float, float]]
    ways: list[Way]
    order: list[tuple[str, int]]

    def line(self, way: Way) -> LineString:
        return LineString([self.places[node] for node in way.nodes])


@pytest.fixture(scope="module")
def city(demo_extract: Path) -> City:
    places, ways, order = {}, [], []
    for entity in osmium.FileProcessor(demo_extract):
        if isinstance(entity, osmium.osm.Node):
            places[entity.id] = (entity.lon, entity.lat)
        else:
            assert isinstance(entity, osmium.osm.Way)
            ways.append(Way([node.ref for node in entity.nodes], dict(entity.tags)))
        order.append((entity.type_str(), entity.id))
    return City(places, ways, order)


def test_the_file_is_sorted_and_says_that_it_is_synthetic(demo_extract: Path, city: City) -> None:
    with Reader(str(demo_extract)) as reader:
        header = reader.header()
    assert "synthetic" in header.get("generator")
    assert header.get("sorting") == "Type_then_ID"
    assert city.order == sorted(city.order, key=lambda entry: ("nwr".index(entry[0]), entry[1]))
    assert len(set(city.order)) == len(city.order) == len(city.places) + len(city.ways)
    assert all(header.box().contains(osmium.osm.Location(*place)) for place in city.places.values())


def test_ways_are_whole_and_every_node_is_of_one(city: City) -> None:
    assert {node for way in city.ways for node in way.nodes} == set(city.places)
    assert len(set(city.places.values())) == len(city.places)
    for way in city.ways:
        assert 2 <= len(way.nodes) <= 2_000, "the format allows no more"
        assert all(one != other for one, other in pairwise(way.nodes))


def test_every_way_says_what_it_is_and_that_it_is_invented(city: City) -> None:
    for way in city.ways:
        assert int(way.tags["maxspeed"]) == SPEEDS[way.tags["highway"]]
        assert "虚构" in way.tags["name"], way.tags
        assert "Synthetic" in way.tags["name"], way.tags
        assert way.tags["source"] == "synthetic"
    lengths_m: defaultdict[str, float] = defaultdict(float)
    for way in city.ways:
        kind = way.tags["highway"] + (" oneway" if way.tags.get("oneway") == "yes" else "")
        lengths_m[kind] += GEOD.geometry_length(city.line(way))
    assert set(lengths_m) == {*SPEEDS, "residential oneway"}
    assert lengths_m["residential oneway"] > 200_000
    assert lengths_m["trunk"] < lengths_m["primary"] < lengths_m["secondary"]
    rings = {way.tags["name"] for way in city.ways if "Ring Road" in way.tags["name"]}
    assert len(rings) == len(RING_RADII_M)


def test_the_same_version_writes_the_same_bytes_in_another_process(demo_extract: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.osm.pbf"
    command = [sys.executable, "-m", "data.roads", str(again)]
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "7"}, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == str(again)
    assert again.read_bytes() == demo_extract.read_bytes()


def test_another_network_is_another_version(city: City) -> None:
    digest = hashlib.blake2b(digest_size=8)
    for way in city.ways:
        digest.update(repr(sorted(way.tags.items())).encode())
        digest.update(repr([tuple(round(x, 5) for x in city.places[node]) for node in way.nodes]).encode())
    assert CONTENT.get(VERSION) == digest.hexdigest()


@pytest.mark.parametrize("mode", ["foot", "bicycle", "car"])
def test_every_place_of_the_network_leads_to_every_other(city: City, mode: str) -> None:
    forth, back = graph(city, mode)
    start = next(iter(forth))
    assert len(forth) > 20_000
    assert len(reached(forth, start)) == len(reached(back, start)) == len(forth.keys() | back.keys())


def test_only_the_bridges_cross_the_river_and_without_them_it_parts_the_city(city: City) -> None:
    river = LineString(to_lon_lat(np.array(river_line().coords)))
    across = [way for way in city.ways if city.line(way).intersects(river)]
    assert sorted(way.tags["name"] for way in across) == sorted(bridge.name for bridge in BRIDGES)
    for way in across:
        assert way.tags["bridge"] == "yes"
        assert 320 < GEOD.geometry_length(city.line(way)) < 600
    without = City(city.places, [way for way in city.ways if way not in across], city.order)
    for mode in ("foot", "car"):
        forth, _ = graph(without, mode)
        one_bank = reached(forth, next(iter(forth)))
        other_bank = reached(forth, next(node for node in forth if node not in one_bank))
        assert len(one_bank) + len(other_bank) == len(forth)
        assert min(len(one_bank), len(other_bank)) > 5_000


def test_streets_that_cross_on_the_ground_share_a_node(city: City) -> None:
    ground = [way for way in city.ways if not way.is_high]
    ends = np.array([pair for way in ground for pair in pairwise(way.nodes)])
    places = np.array([city.places[node] for node in ends.ravel().tolist()]).reshape(-1, 2, 2)
    bits = np.asarray(shapely.linestrings(places))
    one, other = STRtree(bits).query(bits, predicate="intersects")
    apart = ~(ends[one][:, :, np.newaxis] == ends[other][:, np.newaxis, :]).any(axis=(1, 2))
    assert (one < other).sum() > 60_000
    assert not apart.any()


def test_a_viaduct_is_for_cars_and_is_entered_from_main_streets_alone(city: City) -> None:
    high = {node for way in city.ways if way.tags.get("bridge") == "viaduct" for node in way.nodes}
    assert len(high) > 1_000
    for way in city.ways:
        assert way.is_for("foot") == way.is_for("bicycle") == (way.tags.get("bridge") != "viaduct")
        if way.tags["highway"] == "residential":
            assert not high.intersection(way.nodes), way.tags


def test_a_road_to_walk_on_is_near_every_store(city: City, tmp_path: Path) -> None:
    """In metres of UTM, which know nothing of the frame in which the city was drawn."""
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32649", always_xy=True)
    stores = read(write_demo(tmp_path).stores_csv)
    lines = [city.line(way) for way in city.ways if way.is_for("foot")]
    walked = shapely.transform(lines, lambda lon_lat: np.column_stack(to_utm.transform(*lon_lat.T)))
    lons, lats = (np.array([float(row[axis]) for row in stores]) for axis in ("lon", "lat"))
    at = shapely.points(np.column_stack(to_utm.transform(lons, lats)))
    (of, _), away_m = STRtree(walked).query_nearest(at, return_distance=True, all_matches=False)
    assert len(of) == 1_000
    assert away_m.max() < 250
    assert (away_m < 60).mean() > 0.9


@pytest.mark.parametrize("content", [None, b"", b"no such file", "older"])
def test_what_another_version_wrote_is_not_of_this_one(
    content: bytes | str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "city.osm.pbf"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with monkeypatch.context() as before:
            before.setattr("data.roads.GENERATOR", content)
            write_roads(path)
            assert is_of_this_version(path)
    assert not is_of_this_version(path)
    write_roads(path)
    assert is_of_this_version(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "city.osm.pbf"
    path.write_bytes(b"old")

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr("osmium.SimpleWriter.add_way", full)
    with pytest.raises(OSError, match="No space left"):
        write_roads(path)
    assert [(at, at.read_bytes()) for at in tmp_path.iterdir()] == [(path, b"old")]


type Graph = dict[int, set[int]]


def graph(city: City, mode: str) -> tuple[Graph, Graph]:
    """From node to nodes, there and backwards; walkers go both ways everywhere."""
    forth: Graph = defaultdict(set)
    back: Graph = defaultdict(set)
    for way in city.ways:
        if not way.is_for(mode):
            continue
        both = mode == "foot" or way.tags.get("oneway") != "yes"
        for one, other in pairwise(way.nodes):
            forth[one].add(other)
            back[other].add(one)
            if both:
                forth[other].add(one)
                back[one].add(other)
    return forth, back


def reached(graph: Graph, start: int) -> set[int]:
    seen, waiting = {start}, [start]
    while waiting:
        for node in graph.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen
