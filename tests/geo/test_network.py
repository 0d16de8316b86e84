"""What no way beats, by the network alone: against Valhalla's routes, against a plain search, and at the date line."""

import heapq
import shutil
from collections import defaultdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import osmium
import pytest
import valhalla

from geo.coordinates import LatLon
from geo.geodesy import distances_m
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable
from geo.travel.meeting import LEADING
from geo.travel.network import ACCESS, NAMES, Network, cells_of
from geo.travel.network_build import LAYOUT_OF, build_network
from geo.travel.tiles import NETWORK, road_tiles
from geo.travel.valhalla import Valhalla
from geo.travel.valhalla_asking import COSTING, ModeOnRoads, locate_request
from tests.geo.roads import MODES, places_along, valhalla_of

SEED = 20261127
CITIES = ("jinan", "shibuya", "monaco")


def door_among(name: str, rng: np.random.Generator) -> LatLon:
    lats, lons = places_along(name, rng, 1)
    return LatLon(lat=float(lats[0]), lon=float(lons[0]))


@cache
def engine_of(name: str) -> Valhalla:
    """The engine on a city's tiles, with the network as it is built now."""
    engine = Valhalla(Path(valhalla_of(name).config["mjolnir"]["tile_dir"]), MODES)
    into = Path(TemporaryDirectory(delete=False).name) / NETWORK
    assert build_network(Path(engine.config["mjolnir"]["tile_dir"]), into)
    engine._network = Network(into)
    return engine


@cache
def without_network(name: str) -> Valhalla:
    """The engine that tells its routes as they are."""
    engine = Valhalla(Path(valhalla_of(name).config["mjolnir"]["tile_dir"]), MODES)
    engine._network = None
    return engine


def network_of(engine: Valhalla) -> Network:
    network = engine._network
    assert network is not None
    return network


def test_the_tiles_of_the_version_in_use_can_be_read() -> None:
    assert valhalla.__version__ == LAYOUT_OF, "look whether the layout of its tiles is the same, and say so there"


@pytest.mark.parametrize("name", CITIES)
@pytest.mark.parametrize("mode", Mode)
def test_no_route_beats_the_network(name: str, mode: Mode) -> None:
    """Of the nearest of many places, and of places anywhere; ratios say that the bound is close, too."""
    rng = np.random.default_rng([SEED, CITIES.index(name), list(Mode).index(mode)])
    engine, ratios = engine_of(name), []
    for _ in range(12):
        door = door_among(name, rng)
        lats, lons = places_along(name, rng, 300)
        chosen = np.concatenate([distances_m(door, lats, lons).argsort()[:12], np.arange(4)])
        lats, lons = lats[chosen], lons[chosen]
        engine.meet(lats, lons, mode)
        first = engine.approach(door, mode)
        ways = without_network(name).ways(lats=lats, lons=lons, destination=door, mode=mode)
        there_is = ~np.isnan(ways.seconds)
        for approach in (first, engine.approach(door, mode, first)):
            least_s, _ = approach.least(lats, lons)
            assert (ways.seconds >= least_s - 0.5)[there_is].all(), f"seed {SEED}, door {door}"
        known = there_is & (least_s > 20)
        ratios += (ways.seconds[known] / least_s[known]).tolist()
    assert len(ratios) > 40
    assert np.median(ratios) < 1.7


@pytest.mark.parametrize("kmh", [6.5, 12.7, 18.6])
def test_a_bicycle_whose_speed_is_no_whole_number_does_not_beat_it_either(kmh: float) -> None:
    """Valhalla rounds it, road by road."""
    tiles, rng = Path(valhalla_of("jinan").config["mjolnir"]["tile_dir"]), np.random.default_rng(SEED)
    modes = {**MODES, Mode.EBIKE: ModeOnRoads(kmh)}
    engine, bare = Valhalla(tiles, modes), Valhalla(tiles, modes)
    bare._network, compared = None, 0
    for _ in range(6):
        door = door_among("jinan", rng)
        lats, lons = places_along("jinan", rng, 300)
        chosen = distances_m(door, lats, lons).argsort()[:12]
        lats, lons = lats[chosen], lons[chosen]
        engine.meet(lats, lons, Mode.EBIKE)
        first = engine.approach(door, Mode.EBIKE)
        least_s, _ = engine.approach(door, Mode.EBIKE, first).least(lats, lons)
        ways = bare.ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
        there_is = ~np.isnan(ways.seconds)
        assert (ways.seconds >= least_s - 0.5)[there_is].all(), f"seed {SEED}"
        straight_s = distances_m(door, lats, lons) - ways.place_leg_m - ways.door_leg_m
        assert (ways.seconds >= straight_s / engine.top_speed_mps(Mode.EBIKE) - 1)[there_is].all(), f"seed {SEED}"
        compared += int((there_is & (least_s > 0)).sum())
    assert compared > 30


def by_plain_search(network: Network, mode: Mode, door_roads: list[tuple[int, float]]) -> dict[int, float]:
    """Seconds from every crossing to a door that is so far along these roads, one road at a time."""
    of, bit, kmh = network._of, ACCESS[COSTING[mode]], MODES[mode].speed_kmh
    leading = defaultdict(list)
    for node in range(len(of["node_roads"]) - 1):
        for road in range(of["node_roads"][node], of["node_roads"][node + 1]):
            if of["road_access"][road] & bit:
                kph = min(int(of["road_kph"][road]) or kmh, kmh) if mode is Mode.CAR else kmh
                leading[node].append((int(of["road_from"][road]), int(of["road_m"][road]) / (kph / 3.6)))
    best: dict[int, float] = {}
    waiting = [(behind_s, come_from) for come_from, behind_s in door_roads]
    heapq.heapify(waiting)
    while waiting:
        seconds, node = heapq.heappop(waiting)
        if node not in best:
            best[node] = seconds
            for before, takes_s in leading[node]:
                heapq.heappush(waiting, (seconds + takes_s, before))
    return best


@pytest.mark.parametrize("mode", Mode)
def test_it_is_what_a_plain_search_of_the_whole_network_finds(mode: Mode) -> None:
    rng = np.random.default_rng([SEED, list(Mode).index(mode)])
    engine = engine_of("jinan")
    network, compared = network_of(engine), 0
    for half_m in (1_500.0, 6_000.0, 200_000.0):
        door = door_among("jinan", rng)
        ends = engine._door(door, mode).ends
        if ends is None:
            continue
        right = by_plain_search(network, mode, list(zip(ends[3].astype(int).tolist(), ends[4].tolist(), strict=True)))
        kmh = MODES[mode].speed_kmh
        back = network.ways_back(door, ends, COSTING[mode], top_kmh=kmh, half_m=half_m)
        nodes = rng.integers(len(network._of["node_roads"]) - 1, size=400)
        found = back.nodes_s[back.numbers.local(nodes)]
        wanted = np.minimum([right.get(node, np.inf) for node in nodes.tolist()], back.cut_s)
        # Roads of no length count for a ten-thousandth of a second.
        assert found == pytest.approx(wanted, abs=0.1), f"seed {SEED}, {half_m}"
        assert back.cut_s >= half_m / (kmh / 3.6), "a square is at least as large as it is said to be"
        compared += int((found < back.cut_s).sum())
    assert compared > 100


@pytest.mark.parametrize("mode", Mode)
def test_roads_are_as_valhalla_tells_of_them(mode: Mode) -> None:
    """``locate`` reads the same tiles by Valhalla's own code."""
    engine, compared = engine_of("shibuya"), 0
    network, ask = network_of(engine), engine._asker()
    lats, lons = places_along("shibuya", np.random.default_rng(SEED), 60)
    places = list(zip(lats.tolist(), lons.tolist(), strict=True))
    for place in ask("locate", locate_request(places, engine._costing[mode], 0)):
        for edge in place["edges"]:
            told, kmh = edge["edge"], MODES[mode].speed_kmh
            ends = network.ends(np.array([edge["edge_id"]["value"]]), np.array([0.25]), COSTING[mode], kmh)
            assert ends is not None
            speed = min(told["speeds"]["default"], kmh) if mode is Mode.CAR else kmh
            assert ends[2, 0] + ends[4, 0] == pytest.approx(told["geo_attributes"]["length"] * 3.6 / speed)
            assert ends[4, 0] * 3 == pytest.approx(ends[2, 0])
            compared += 1
    assert compared > 80


@pytest.mark.parametrize("name", CITIES)
@pytest.mark.parametrize("mode", Mode)
def test_roads_that_are_said_to_lead_far_do_by_valhalla_too(name: str, mode: Mode) -> None:
    engine = engine_of(name)
    ask, said, agreed = engine._asker(), 0, 0
    lats, lons = places_along(name, np.random.default_rng([SEED, CITIES.index(name)]), 200)
    places = list(zip(lats.tolist(), lons.tolist(), strict=True))
    met = engine._meet(ask, places, mode)
    blind, looked = (ask("locate", locate_request(places, engine._costing[mode], reach)) for reach in (0, LEADING))
    for at, without, place in zip(places, blind, looked, strict=True):
        if met[at].is_plain:
            own = {edge["edge_id"]["value"] for edge in without["edges"]}
            reached = [edge for edge in place["edges"] if edge["edge_id"]["value"] in own]
            far = [min(edge["outbound_reach"], edge["inbound_reach"]) >= LEADING for edge in reached]
            said += 1
            agreed += len(far) == len(own) and all(far)
    assert said > 120
    # Valhalla counts to 50 and no farther, along roads that are not always the ways out.
    assert agreed >= said - 1


def test_a_road_behind_a_gate_is_not_of_the_network() -> None:
    """In Monaco: cars may use it, but not its crossings; to begin there would be to find no way at all."""
    place, engine = (43.76899364378215, 7.464065459692578), engine_of("monaco")
    met = engine._meet(engine._asker(), [place], Mode.CAR)[place]
    assert not met.is_plain


def test_nothing_is_said_of_a_place_whose_ways_may_begin_at_other_roads() -> None:
    """Its nearest road leads nowhere; the way begins at one that ``locate`` leaves out, and beats all that it tells."""
    door = LatLon(lat=36.67942736913417, lon=116.89311665668427)
    place = np.array([36.68001694077761]), np.array([116.87822848357331])
    engine = engine_of("jinan")
    ways = engine.ways(lats=place[0], lons=place[1], destination=door, mode=Mode.EBIKE)
    assert ways.seconds == pytest.approx([357.7], abs=1)
    first = engine.approach(door, Mode.EBIKE)
    for approach in (first, engine.approach(door, Mode.EBIKE, first)):
        assert approach.least(*place)[0] <= ways.seconds


def test_a_route_that_jumps_is_not_believed() -> None:
    """From road to road by 900 m, in Valhalla 3.9.1; without its search from both ends it takes 1,313 s."""
    door = LatLon(lat=36.677319408501205, lon=117.01349716164577)
    place = np.array([36.67406276533673]), np.array([117.02803119087314])
    ways = engine_of("jinan").ways(lats=place[0], lons=place[1], destination=door, mode=Mode.FOOT)
    assert ways.seconds == pytest.approx([1313.7], abs=2)


def test_where_the_search_from_one_end_finds_no_way_there_is_none() -> None:
    engine = engine_of("jinan")
    met = engine._door(LatLon(lat=36.66, lon=117.02), Mode.FOOT)
    ends_at = (36.66, 117.02), (36.67, 117.03)

    def told(answer: object) -> float:
        return engine._otherwise(lambda _action, _request: answer, ends_at, (met, met), Mode.FOOT)

    assert np.isnan(told(None))
    assert np.isnan(told({"sources_to_targets": [[{"time": None}]]}))
    assert told({"sources_to_targets": [[{"time": 61}]]}) == 61
    with pytest.raises(EngineUnavailable, match="not what was asked for"):
        told({})


def test_nobody_is_met_on_a_ferry() -> None:
    """Its line is half a metre nearer than the footway; it makes 10 km/h, which nobody walks."""
    quay = LatLon(lat=43.73678561897168, lon=7.424917528310648)
    engine = engine_of("monaco")
    ask = engine._asker()
    [met] = ask("locate", locate_request([(quay.lat, quay.lon)], engine._costing[Mode.FOOT], 0))
    assert {edge["edge"]["classification"]["use"] for edge in met["edges"]} == {"footway"}


@pytest.mark.parametrize(("lat", "lon"), [(52.0, 179.99), (-17.0, -179.995), (70.0, 25.0), (0.0, 0.0)])
def test_it_is_the_same_at_the_date_line_and_in_the_far_north(tmp_path: Path, lat: float, lon: float) -> None:
    """A lattice of streets; whoever is not cut off by the square is as far as the streets say."""
    extract, side = tmp_path / "lattice.osm.pbf", 24
    step = 0.004
    lats = lat + step * (np.arange(side) - side // 2)
    lons = (lon + step * (np.arange(side) - side // 2) + 180) % 360 - 180
    with osmium.SimpleWriter(str(extract)) as writer:
        for row in range(side):
            for column in range(side):
                where = (float(lons[column]), float(lats[row]))
                writer.add_node(osmium.osm.mutable.Node(id=row * side + column + 1, version=1, location=where))
        tags = {"highway": "residential"}
        for number in range(side):
            for way, nodes in enumerate(
                ([number * side + at + 1 for at in range(side)], [at * side + number + 1 for at in range(side)])
            ):
                writer.add_way(osmium.osm.mutable.Way(id=2 * number + way + 1, version=1, nodes=nodes, tags=tags))
    engine = Valhalla(road_tiles(extract, tmp_path / "tiles"), MODES)
    bare = Valhalla(Path(engine.config["mjolnir"]["tile_dir"]), MODES)
    bare._network = None
    door = LatLon(lat=float(lats[3]), lon=float(lons[side // 2]))
    # Between two crossings: who is on the door's own road, and before it, need not go to its end.
    along = np.array([0.3, 0.5, 0.8]) * step
    on_it = np.full(3, door.lat), door.lon + along
    for here in range(3):
        between = LatLon(lat=float(on_it[0][here]), lon=float((on_it[1][here] + 180) % 360 - 180))
        others = np.arange(3) != here
        at_lons = (on_it[1][others] + 180) % 360 - 180
        ways = bare.ways(lats=on_it[0][others], lons=at_lons, destination=between, mode=Mode.FOOT)
        engine.meet(on_it[0][others], at_lons, Mode.FOOT)
        least_s, _ = engine.approach(between, Mode.FOOT).least(on_it[0][others], at_lons)
        assert (ways.seconds >= least_s - 0.5).all()
        assert least_s == pytest.approx(ways.seconds, abs=1)
    # Roads over the date line go around the earth for Valhalla: its routes are not what this is held against.
    network, ends = network_of(engine), engine._door(door, Mode.FOOT).ends
    assert ends is not None
    back = network.ways_back(door, ends, COSTING[Mode.FOOT], top_kmh=MODES[Mode.FOOT].speed_kmh, half_m=1_500.0)
    right = by_plain_search(network, Mode.FOOT, list(zip(ends[3].astype(int).tolist(), ends[4].tolist(), strict=True)))
    everywhere = np.arange(len(network._of["node_roads"]) - 1, dtype=np.int64)
    found, wanted = (
        back.nodes_s[back.numbers.local(everywhere)],
        np.array([right.get(node, np.inf) for node in everywhere.tolist()]),
    )
    assert found == pytest.approx(np.minimum(wanted, back.cut_s), abs=0.1)
    assert 20 < (wanted < back.cut_s).sum() < len(everywhere)


def test_what_is_not_laid_out_as_is_known_is_not_read(tmp_path: Path) -> None:
    tiles = tmp_path / "tiles"
    source = next(Path(valhalla_of("shibuya").config["mjolnir"]["tile_dir"]).rglob("2/**/*.gph"))
    tiles.mkdir()
    content = bytearray(source.read_bytes())
    content[16:21] = b"9.9.9"
    (tiles / "one.gph").write_bytes(content)
    assert not build_network(tiles, tmp_path / NETWORK)
    assert not (tmp_path / NETWORK).exists()


def test_an_engine_without_a_network_has_legs_alone(tmp_path: Path) -> None:
    tiles = Path(valhalla_of("shibuya").config["mjolnir"]["tile_dir"])
    bare = shutil.copytree(tiles, tmp_path / "bare", ignore=shutil.ignore_patterns(NETWORK))
    engine, door = Valhalla(bare, MODES), LatLon(lat=35.6580, lon=139.7016)
    lats, lons = np.array([35.6595]), np.array([139.7005])
    ways = engine.ways(lats=lats, lons=lons, destination=door, mode=Mode.FOOT)
    least_s, legs_m = engine.approach(door, Mode.FOOT).least(lats, lons)
    assert least_s.tolist() == [0.0]
    assert 0 < legs_m[0] <= ways.place_leg_m[0] + 1e-6
    assert ways.seconds == pytest.approx(
        valhalla_of("shibuya").ways(lats=lats, lons=lons, destination=door, mode=Mode.FOOT).seconds
    )


def test_a_network_is_whole_or_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"\.npy"):
        Network(tmp_path)
    for name in NAMES:
        (tmp_path / f"{name}.npy").write_bytes(b"")
    with pytest.raises((ValueError, EOFError, OSError)):
        Network(tmp_path)


def test_cells_are_numbered_around_the_earth() -> None:
    lats, lons = np.array([0.0, 0.0, 0.0, 90.0]), np.array([180.0, -180.0, 179.999, 0.0])
    cells = cells_of(lats=lats, lons=lons)
    assert cells[0] == cells[1]
    assert cells[2] == cells[1] + 35_999
    assert cells[3] == 18_000 * 36_000 + 18_000
