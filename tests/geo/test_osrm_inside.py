"""OSRM in this process: what selection relies on, and that its networks are built once for what they are made of."""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import osmium
import pytest

from geo.coordinates import LatLon
from geo.geodesy import distances_m
from geo.travel import Mode, osrm_inside
from geo.travel.engine import EngineUnavailable
from geo.travel.osrm_inside import OsrmInside
from geo.travel.osrm_network import OsrmNetwork, is_osrm_there, osrm_networks
from geo.travel.roads import LONGEST_LEG_M
from geo.travel.tiles import TilesError
from tests.geo.roads import KEPT, MODES, osrm_of, places_along, valhalla_of
from tests.geo.shared import shared_file

SEED: Final = 20261128
SPEEDS: Final = {mode: on_roads.speed_kmh for mode, on_roads in MODES.items()}
NAMES: Final = ["jinan", "shibuya", "monaco"]

pytestmark = pytest.mark.skipif(not is_osrm_there(), reason="osrm-bindings is not to be had on this platform")


def door_among(name: str, rng: np.random.Generator) -> LatLon:
    lats, lons = places_along(name, rng, 1)
    return LatLon(lat=float(lats[0]), lon=float(lons[0]))


def anew(name: str) -> OsrmInside:
    """An engine that remembers nothing of places."""
    return OsrmInside(osrm_networks(shared_file(f"roads/{name}.osm.pbf"), KEPT, SPEEDS))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", Mode)
def test_a_way_is_the_same_whoever_is_asked_with_it_and_is_never_faster_than_the_bound(name: str, mode: Mode) -> None:
    rng = np.random.default_rng([SEED, len(name), list(Mode).index(mode)])
    engine, lonely = osrm_of(name), anew(name)
    compared = 0
    for _ in range(10):
        door = door_among(name, rng)
        lats, lons = places_along(name, rng, 40)
        together = engine.ways(lats=lats, lons=lons, destination=door, mode=mode)
        alone = [
            lonely.ways(lats=lats[i : i + 1], lons=lons[i : i + 1], destination=door, mode=mode) for i in range(40)
        ]
        for field in ("seconds", "place_leg_m", "door_leg_m"):
            one_by_one = np.concatenate([getattr(way, field) for way in alone])
            assert np.array_equal(getattr(together, field), one_by_one, equal_nan=True), f"{field}, seed {SEED}"
        known = ~np.isnan(together.seconds)
        least_m = np.maximum(0.0, distances_m(door, lats, lons) - together.place_leg_m - together.door_leg_m)
        least_s = least_m / engine.top_speed_mps(mode) - 1
        assert (together.seconds >= least_s)[known].all(), f"seed {SEED}"
        approach = engine.approach(door, mode)
        on_road_s, known_m = approach.least(lats, lons)
        assert (known_m[known] == together.place_leg_m[known]).all()
        assert not on_road_s.any()
        assert approach.door_leg_m == together.door_leg_m[0]
        compared += int(known.sum())
    assert compared > 250


def ladder(path: Path, ways: Sequence[tuple[Sequence[int], Mapping[str, str]]], places: Mapping[int, LatLon]) -> Path:
    """An extract of these ways, between nodes by number."""
    with osmium.SimpleWriter(str(path)) as writer:
        for number, place in sorted(places.items()):
            writer.add_node(osmium.osm.mutable.Node(id=number, version=1, location=(place.lon, place.lat)))
        for number, (nodes, tags) in enumerate(ways):
            writer.add_way(osmium.osm.mutable.Way(id=number + 1, version=1, nodes=list(nodes), tags=dict(tags)))
    return path


ROAD: Final = {"highway": "residential"}


@pytest.mark.parametrize("north", [0.0, 36.7, 60.2])
@pytest.mark.parametrize("turned", [0.0, 0.6, 1.57])
def test_straight_streets_are_no_faster_than_the_bound_in_short_pieces_nor_in_long_ones(
    tmp_path: Path, north: float, turned: float
) -> None:
    """OSRM has its own metres, rounds the time of each piece, of 30 cm at 60 km/h 18 ms, and cuts off long times."""
    count = 600
    along = np.array([number * 3e-6 for number in range(count)] + [0.1, 0.4, 0.7])
    lats, lons = north + along * np.sin(turned), 20 + along * np.cos(turned) / np.cos(np.radians(north))
    at = zip(lats.tolist(), lons.tolist(), strict=True)
    places = {number + 1: LatLon(lat=lat, lon=lon) for number, (lat, lon) in enumerate(at)}
    extract = ladder(tmp_path / "straight.osm.pbf", [([*places], {"highway": "primary"})], places)
    engine = OsrmInside(osrm_networks(extract, tmp_path / "kept", SPEEDS))
    door = places[1]
    for mode in Mode:
        ways = engine.ways(lats=lats, lons=lons, destination=door, mode=mode)
        metres = distances_m(door, lats, lons)
        assert not np.isnan(ways.seconds).any()
        assert (ways.seconds >= metres / engine.top_speed_mps(mode) - 1).all()
        # The pieces themselves: rounded to the nearest hundredth they would be up to a quarter faster.
        assert (ways.seconds >= metres / engine.top_speed_mps(mode) - 0.1).all()
        assert (ways.seconds[count:] < 1.01 * metres[count:] / (SPEEDS[mode] / 3.6) + 6).all()


def test_a_network_of_its_own_is_met_by_nobody_where_there_is_a_large_one(tmp_path: Path) -> None:
    """Two places on a lane that leads nowhere would meet it when asked alone, and the large network with others."""
    places, ways = {}, []
    side = 40
    for row in range(side):
        for column in range(side):
            places[row * side + column + 1] = LatLon(lat=60 + row * 2e-3, lon=20 + column * 4e-3)
        ways.append(([row * side + column + 1 for column in range(side)], ROAD))
        ways.append(([column * side + row + 1 for column in range(side)], ROAD))
    lane = [5_001, 5_002]
    places |= {5_001: LatLon(lat=60.0005, lon=20.0005), 5_002: LatLon(lat=60.0005, lon=20.0030)}
    engine = OsrmInside(
        osrm_networks(ladder(tmp_path / "two.osm.pbf", [*ways, (lane, ROAD)], places), tmp_path / "kept", SPEEDS)
    )
    store, door = places[5_001], places[5_002]
    far = places[side * side]
    lats, lons = np.array([store.lat, far.lat]), np.array([store.lon, far.lon])
    alone = engine.ways(lats=lats[:1], lons=lons[:1], destination=door, mode=Mode.EBIKE)
    together = engine.ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
    assert alone.seconds[0] == together.seconds[0]
    assert alone.place_leg_m[0] == together.place_leg_m[0] > 20, "it walks to the large network"
    assert not np.isnan(together.seconds).any()


def test_nobody_goes_by_ferry_and_a_bridge_takes_no_less_than_its_length(tmp_path: Path) -> None:
    places = {number + 1: LatLon(lat=60.0, lon=20 + number * 0.01) for number in range(6)}
    ways: list[tuple[Sequence[int], Mapping[str, str]]] = [
        ([1, 2], ROAD),
        ([2, 3], {"highway": "residential", "bridge": "movable", "duration": "00:00:01"}),
        ([3, 4], ROAD),
        ([4, 5], {"route": "ferry", "duration": "00:00:10"}),
        ([5, 6], ROAD),
    ]
    engine = OsrmInside(osrm_networks(ladder(tmp_path / "sea.osm.pbf", ways, places), tmp_path / "kept", SPEEDS))
    lats, lons = np.array([places[3].lat, places[6].lat]), np.array([places[4].lon - 1e-3, places[6].lon])
    for mode in Mode:
        found = engine.ways(lats=lats, lons=lons, destination=places[1], mode=mode)
        assert np.isnan(found.seconds[1])
        metres = distances_m(places[1], lats, lons)[0] - found.place_leg_m[0] - found.door_leg_m[0]
        assert found.seconds[0] >= metres / engine.top_speed_mps(mode) - 1


def test_a_mode_without_a_road_has_no_way(tmp_path: Path) -> None:
    places = {number + 1: LatLon(lat=60.0, lon=20 + number * 0.001) for number in range(5)}
    extract = ladder(tmp_path / "steps.osm.pbf", [([*places], {"highway": "steps"})], places)
    engine = OsrmInside(osrm_networks(extract, tmp_path / "kept", SPEEDS))
    lats, lons = np.array([60.0]), np.array([20.0])
    by_car = engine.ways(lats=lats, lons=lons, destination=places[5], mode=Mode.CAR)
    assert np.isnan(by_car.seconds).all()
    assert np.isinf(by_car.door_leg_m).all()
    assert engine.approach(places[5], Mode.CAR).door_leg_m == np.inf
    assert engine.ways(lats=lats, lons=lons, destination=places[5], mode=Mode.FOOT).seconds[0] > 0


def test_places_without_a_road_have_no_way_and_leave_the_others_alone() -> None:
    engine = osrm_of("shibuya")
    lats, lons = np.array([35.6595, 10.0, 35.6610, 35.7]), np.array([139.7005, 20.0, 139.6980, 139.9])
    door, at_sea = LatLon(lat=35.6580, lon=139.7016), LatLon(lat=10.0, lon=20.0)
    for mode in Mode:
        ways = engine.ways(lats=lats, lons=lons, destination=door, mode=mode)
        assert np.isnan(ways.seconds).tolist() == [False, True, False, True]
        assert (ways.place_leg_m <= LONGEST_LEG_M).tolist() == [True, False, True, False]
        nowhere = engine.ways(lats=lats, lons=lons, destination=at_sea, mode=mode)
        assert np.isnan(nowhere.seconds).all()
        assert np.isinf(nowhere.door_leg_m).all()
        assert engine.approach(at_sea, mode).door_leg_m == np.inf
        assert len(engine.ways(lats=lats[:0], lons=lons[:0], destination=door, mode=mode).seconds) == 0
        here = engine.ways(lats=np.array([door.lat]), lons=np.array([door.lon]), destination=door, mode=mode)
        assert here.seconds[0] == 0.0
        assert here.place_leg_m[0] == here.door_leg_m[0] > 0


def test_legs_that_were_forgotten_are_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many stores as are remembered, and one more: none of them turns out to be without a road."""
    monkeypatch.setattr(osrm_inside, "_MOST_PLACES", 7)
    few, rng = anew("jinan"), np.random.default_rng(SEED)
    lats, lons = places_along("jinan", rng, 20)
    door = door_among("jinan", rng)
    legs_m = osrm_of("jinan").ways(lats=lats, lons=lons, destination=door, mode=Mode.FOOT).place_leg_m
    for part in (slice(0, 7), slice(5, 20), slice(0, 20)):
        ways = few.ways(lats=lats[part], lons=lons[part], destination=door, mode=Mode.FOOT)
        assert np.array_equal(ways.place_leg_m, legs_m[part])
    known_m = few.approach(door, Mode.FOOT).least(lats, lons)[1]
    assert np.count_nonzero(known_m) == 7
    assert set(known_m.tolist()) - {0.0} <= set(legs_m.tolist())


@pytest.mark.parametrize("mode", Mode)
def test_it_answers_about_as_valhalla_does_on_the_same_streets(mode: Mode) -> None:
    rng = np.random.default_rng([SEED, list(Mode).index(mode)])
    ratios: list[float] = []
    for _ in range(15):
        door = door_among("jinan", rng)
        lats, lons = places_along("jinan", rng, 12)
        ours, theirs = (
            engine.ways(lats=lats, lons=lons, destination=door, mode=mode).seconds
            for engine in (osrm_of("jinan"), valhalla_of("jinan"))
        )
        long = ~np.isnan(ours + theirs) & (theirs > 60)
        ratios += (ours[long] / theirs[long]).tolist()
    assert len(ratios) > 120
    assert 0.93 < np.median(ratios) < 1.05
    assert np.quantile(ratios, 0.05) > 0.75
    assert np.quantile(ratios, 0.95) < 1.25


def test_it_is_asked_from_several_threads_at_once() -> None:
    engine, rng = osrm_of("jinan"), np.random.default_rng(SEED)
    doors = [door_among("jinan", rng) for _ in range(40)]
    lats, lons = places_along("jinan", rng, 16)

    def seconds(door: LatLon) -> list[float]:
        told = engine.ways(lats=lats, lons=lons, destination=door, mode=Mode.CAR)
        return [float(seconds) for seconds in told.seconds]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(seconds, doors)) == [seconds(door) for door in doors]


def test_areas_are_asked_of_the_other_engine() -> None:
    engine, alone = osrm_of("shibuya"), anew("shibuya")
    assert (engine.name, engine.of_areas, engine.has_areas) == ("osrm", valhalla_of("shibuya"), False)
    assert (alone.of_areas, alone.has_areas) == (alone, False)
    with pytest.raises(EngineUnavailable, match="no areas"):
        alone.area(LatLon(lat=35.6595, lon=139.7005), Mode.FOOT, 600.0, towards=True)


def test_networks_are_built_once_for_a_content_and_a_speed(tmp_path: Path) -> None:
    extract, kept, said = tmp_path / "city.osm.pbf", tmp_path / "kept", list[str]()

    def built(speeds: Mapping[Mode, float]) -> dict[Mode, OsrmNetwork]:
        said.clear()
        return osrm_networks(extract, kept, speeds, progress=lambda what, _share: said.append(what))

    shutil.copyfile(shared_file("roads/shibuya.osm.pbf"), extract)
    first = built(SPEEDS)
    assert [what for what in said if "network" in what] == [f"building the network by {mode}" for mode in SPEEDS]
    assert built(SPEEDS) == first
    assert not said, "a file of the same size and date is not read again"
    other = built(SPEEDS | {Mode.EBIKE: 20.0})
    assert said == ["building the network by ebike"]
    slow, fast = (OsrmInside(networks) for networks in (other, first))
    lats, lons = np.array([35.6595]), np.array([139.7005])
    ways = [
        e.ways(lats=lats, lons=lons, destination=LatLon(lat=35.662, lon=139.699), mode=Mode.EBIKE) for e in (slow, fast)
    ]
    assert ways[0].seconds[0] > 1.03 * ways[1].seconds[0] > 0
    (first[Mode.CAR].directory / "whole.json").unlink()
    assert built(SPEEDS) == first
    assert said == ["building the network by car"], "what is not whole is built anew"
    os.truncate(first[Mode.FOOT].directory / "city.osrm.geometry", 1_000)
    assert built(SPEEDS) == first
    assert said == ["building the network by foot"], "nor is what was cut short"
    shutil.copyfile(shared_file("roads/monaco.osm.pbf"), extract)
    assert not set(built(SPEEDS).values()) & set(first.values()), "of a newer extract"
    assert not list(kept.glob("osrm-building-*"))


@pytest.mark.parametrize("content", [None, b"", b"lat,lon\n1,2\n"])
def test_what_is_no_extract_is_refused_with_the_mend_and_leaves_nothing(tmp_path: Path, content: bytes | None) -> None:
    extract, kept = tmp_path / "bad.osm.pbf", tmp_path / "kept"
    if content is not None:
        extract.write_bytes(content)
    with pytest.raises(TilesError, match=r"\.osm\.pbf"):
        osrm_networks(extract, kept, SPEEDS)
    assert not [path for path in kept.iterdir() if path.is_dir()]


def test_a_network_that_is_not_there_or_not_whole_is_no_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="remove"):
        OsrmInside({Mode.CAR: OsrmNetwork(tmp_path / "none", 60.0)})
    extract = tmp_path / "city.osm.pbf"
    shutil.copyfile(shared_file("roads/shibuya.osm.pbf"), extract)
    networks = osrm_networks(extract, tmp_path / "kept", {Mode.CAR: 60.0})
    (networks[Mode.CAR].directory / "city.osrm.cells").unlink()
    with pytest.raises(EngineUnavailable, match="remove"):
        OsrmInside(networks)
