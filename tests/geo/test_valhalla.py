"""The routing engine on real roads: what selection relies on."""

import json
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import pytest
import valhalla

from geo.coordinates import LatLon
from geo.geodesy import distances_between_m, distances_m
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable
from geo.travel.meeting import LEADING, meetings_of
from geo.travel.network import Network
from geo.travel.roads import LONGEST_LEG_M
from geo.travel.tiles import NETWORK, TilesError, road_tiles
from geo.travel.valhalla import Valhalla
from geo.travel.valhalla_asking import costing_of
from tests.geo.roads import MODES, places_along, valhalla_of
from tests.geo.shared import shared_file

SEED = 20261125
TOKYO = LatLon(lat=35.6595, lon=139.7005)


def door_among(name: str, rng: np.random.Generator) -> LatLon:
    lats, lons = places_along(name, rng, 1)
    return LatLon(lat=float(lats[0]), lon=float(lons[0]))


@pytest.mark.parametrize("name", ["jinan", "shibuya", "monaco"])
@pytest.mark.parametrize("mode", Mode)
def test_a_way_is_the_same_whoever_is_asked_with_it_and_is_never_faster_than_the_bound(name: str, mode: Mode) -> None:
    rng = np.random.default_rng([SEED, len(name), list(Mode).index(mode)])
    engine = valhalla_of(name)
    compared = 0
    for _ in range(3):
        door = door_among(name, rng)
        lats, lons = places_along(name, rng, 24)
        together = engine.ways(lats=lats, lons=lons, destination=door, mode=mode)
        halves = [
            engine.ways(lats=lats[part], lons=lons[part], destination=door, mode=mode)
            for part in (slice(0, 5), slice(5, None))
        ]
        alone = np.concatenate([half.seconds for half in halves])
        assert np.array_equal(together.seconds, alone, equal_nan=True), f"seed {SEED}"
        legs_m = together.place_leg_m + together.door_leg_m
        near = (together.place_leg_m <= LONGEST_LEG_M) & (together.door_leg_m <= LONGEST_LEG_M)
        known = near & ~np.isnan(together.seconds)
        least_m = np.maximum(0.0, distances_m(door, lats, lons) - legs_m)
        least_s = least_m / engine.top_speed_mps(mode) - 1
        assert (together.seconds >= least_s)[known].all(), f"seed {SEED}"
        least_on_s, known_m = engine.approach(door, mode).least(lats, lons)
        assert (known_m <= together.place_leg_m + 1e-6).all(), f"seed {SEED}"
        assert (known_m > 0).any()
        assert (together.seconds >= least_on_s - 0.5)[~np.isnan(together.seconds)].all(), f"seed {SEED}"
        compared += int(known.sum())
    assert compared > 30


@pytest.mark.parametrize("mode", Mode)
def test_a_short_way_takes_what_the_bidirectional_matrix_says_of_it(mode: Mode) -> None:
    rng = np.random.default_rng([SEED, list(Mode).index(mode)])
    engine = valhalla_of("jinan")
    config = deepcopy(engine.config)
    config["thor"]["source_to_target_algorithm"] = "costmatrix"
    actor, costing, compared = valhalla.Actor(config), costing_of(mode, MODES[mode]), 0
    for _ in range(20):
        door = door_among("jinan", rng)
        lats, lons = places_along("jinan", rng, 300)
        # On long ways both take short cuts of their own: a hundredth more or less.
        nearest = distances_m(door, lats, lons).argsort()[2:3]
        lats, lons = lats[nearest], lons[nearest]
        ways = engine.ways(lats=lats, lons=lons, destination=door, mode=mode)
        request = {
            "sources": [{"lat": float(lats[0]), "lon": float(lons[0])}],
            "targets": [{"lat": door.lat, "lon": door.lon}],
            "verbose": True,
            **costing,
        }
        [[way]] = json.loads(actor.matrix(json.dumps(request)))["sources_to_targets"]
        if np.isnan(ways.seconds[0]):
            continue
        compared += 1
        assert 0 <= ways.seconds[0] - way["time"] <= 1, f"seed {SEED}"
        # Both tell where the way begins, the route by a line that is cut to within decimetres.
        begins = np.array([way["begin_lat"]]), np.array([way["begin_lon"]])
        assert distances_between_m(lats, lons, *begins) == pytest.approx(ways.place_leg_m, abs=0.5)
    assert compared > 12


@pytest.mark.parametrize("name", ["jinan", "shibuya"])
@pytest.mark.parametrize("mode", Mode)
def test_a_place_whose_roads_all_lead_on_is_met_the_same_without_looking_where_they_lead(name: str, mode: Mode) -> None:
    lats, lons = places_along(name, np.random.default_rng([SEED, list(Mode).index(mode)]), 300)
    places = list(zip(lats.tolist(), lons.tolist(), strict=True))
    actor, costing = valhalla.Actor(valhalla_of(name).config), costing_of(mode, MODES[mode])
    looking, blind = (
        json.loads(
            actor.locate(
                json.dumps(
                    {
                        "locations": [{"lat": lat, "lon": lon, "minimum_reachability": reach} for lat, lon in places],
                        "verbose": True,
                        **costing,
                    }
                )
            )
        )
        for reach in (LEADING, 0)
    )
    plain = 0
    meetings = meetings_of(places, looking, lambda _edges, _along: None)
    for meeting, with_look, without in zip(meetings, looking, blind, strict=True):
        if meeting.is_plain:
            plain += 1
            assert [met(edge) for edge in with_look["edges"]] == [met(edge) for edge in without["edges"]]
    assert plain > 200


def met(edge: dict[str, Any]) -> tuple[object, ...]:
    return edge["correlated_lat"], edge["correlated_lon"], edge["edge_id"]["value"], edge["percent_along"]


def test_a_place_on_roads_that_lead_nowhere_is_off_the_network() -> None:
    """A door in Monaco whose nearest road cars cannot come to; the next that they can is 900 m off."""
    door = LatLon(lat=43.76609268437121, lon=7.354708580360176)
    lats, lons = places_along("monaco", np.random.default_rng(SEED), 5)
    engine = valhalla_of("monaco")
    by_car = engine.ways(lats=lats, lons=lons, destination=door, mode=Mode.CAR)
    assert np.isinf(by_car.door_leg_m).all()
    assert np.isnan(by_car.seconds).all()
    assert np.isfinite(engine.ways(lats=lats, lons=lons, destination=door, mode=Mode.FOOT).seconds).any()


def test_places_without_a_road_have_no_way_and_leave_the_others_alone() -> None:
    engine = valhalla_of("shibuya")
    lats, lons = np.array([35.6595, 10.0, 35.6610, 35.7]), np.array([139.7005, 20.0, 139.6980, 139.9])
    door = LatLon(lat=35.6580, lon=139.7016)
    ways = engine.ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
    usable = ~np.isnan(ways.seconds) & (ways.place_leg_m <= LONGEST_LEG_M)
    assert usable.tolist() == [True, False, True, False]
    nowhere = engine.ways(lats=lats, lons=lons, destination=LatLon(lat=10.0, lon=20.0), mode=Mode.EBIKE)
    assert np.isnan(nowhere.seconds).all()
    assert len(engine.ways(lats=lats[:0], lons=lons[:0], destination=door, mode=Mode.CAR).seconds) == 0


def test_tiles_are_built_once_for_a_content_and_anew_when_it_changes(tmp_path: Path) -> None:
    extract, said = tmp_path / "city.osm.pbf", []
    shutil.copyfile(shared_file("roads/shibuya.osm.pbf"), extract)
    first = road_tiles(extract, tmp_path / "tiles", progress=lambda what, _share: said.append(what))
    assert any("graph" in what for what in said)
    said.clear()
    renamed = extract.rename(tmp_path / "other.osm.pbf")
    assert road_tiles(renamed, tmp_path / "tiles", progress=lambda what, _share: said.append(what)) == first
    assert set(said) == {"reading the extract"}
    said.clear()
    assert road_tiles(renamed, tmp_path / "tiles", progress=lambda what, _share: said.append(what)) == first
    assert not said, "a file of the same size and date is not read again"
    (first / NETWORK / "road_m.npy").write_bytes(b"")
    assert road_tiles(renamed, tmp_path / "tiles", progress=lambda what, _share: said.append(what)) == first
    assert "reading the network" in said, "what is not whole is built anew"
    assert Network(first / NETWORK)
    shutil.copyfile(shared_file("roads/monaco.osm.pbf"), renamed)
    other = road_tiles(renamed, tmp_path / "tiles")
    assert other != first
    assert Valhalla(other, MODES).name == "valhalla"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"", "no road tiles|no roads"), (b"lat,lon\n1,2\n", "no road tiles")],
)
def test_what_is_no_extract_is_refused_with_the_mend_and_leaves_nothing(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    extract = tmp_path / "bad.osm.pbf"
    if content is not None:
        extract.write_bytes(content)
    with pytest.raises(TilesError, match=said):
        road_tiles(extract, tmp_path / "tiles")
    assert not list((tmp_path / "tiles").glob("*/*.gph"))
    assert not list((tmp_path / "tiles").glob("building-*"))


def test_a_directory_without_tiles_is_no_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no road tiles"):
        Valhalla(tmp_path, MODES)


def test_an_engine_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = Path(valhalla_of("monaco").config["mjolnir"]["tile_dir"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = Valhalla(tiles, MODES)
    lats, lons = places_along("monaco", np.random.default_rng(SEED), 3)
    ways = engine.ways(lats=lats, lons=lons, destination=LatLon(lat=lats[0], lon=lons[0]), mode=Mode.FOOT)
    assert ways.seconds[0] == 0.0
    assert list(tmp_path.iterdir()) == []


def test_long_straight_streets_are_no_faster_than_the_bound(tmp_path: Path) -> None:
    """Valhalla measures on a sphere: along a parallel far north its metres are short."""
    extract, north = tmp_path / "straight.osm.pbf", 60.2
    lons = np.linspace(20.0, 21.0, 30)
    with osmium.SimpleWriter(str(extract)) as writer:
        for side in range(2):  # a ladder: with each street alone there would be too few crossings for a network
            for number, lon in enumerate(lons.tolist()):
                where = (lon, north + 0.001 * side)
                writer.add_node(osmium.osm.mutable.Node(id=100 * side + number + 1, version=1, location=where))
        for side in range(2):
            nodes = [100 * side + number + 1 for number in range(len(lons))]
            writer.add_way(osmium.osm.mutable.Way(id=side + 1, version=1, nodes=nodes, tags={"highway": "residential"}))
        for number in range(len(lons)):
            rung = [number + 1, 100 + number + 1]
            writer.add_way(
                osmium.osm.mutable.Way(id=10 + number, version=1, nodes=rung, tags={"highway": "residential"})
            )
    engine = Valhalla(road_tiles(extract, tmp_path / "tiles"), MODES)
    door = LatLon(lat=north, lon=20.0)
    at = np.full(len(lons), north)
    for mode in (Mode.FOOT, Mode.EBIKE):
        ways = engine.ways(lats=at, lons=lons, destination=door, mode=mode)
        least_s = distances_m(door, at, lons) / engine.top_speed_mps(mode) - 1
        there_is = ~np.isnan(ways.seconds)
        assert there_is.sum() > 20
        assert (ways.seconds >= least_s)[there_is].all()
        if mode is Mode.FOOT:
            naive_s = distances_m(door, at, lons) / (MODES[mode].speed_kmh / 3.6) - 1
            assert (ways.seconds < naive_s)[there_is].any(), "else this shows nothing"
