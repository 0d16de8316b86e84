"""Routing servers over HTTP: real ones, and what servers do that are none or not well."""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.request import urlopen

import numpy as np
import pytest

from geo.coordinates import LatLon
from geo.geodesy import distances_m
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable, RoadEngine
from geo.travel.osrm import Osrm, OsrmMode
from geo.travel.roads import LONGEST_LEG_M, WALKING_MPS
from geo.travel.valhalla_server import ValhallaServer
from tests.geo.road_servers import RoutingProcess, free_port, never_answering, osrm_routed, valhalla_service
from tests.geo.roads import MODES, places_along, valhalla_of

SEED = 20261125
DOOR = LatLon(lat=35.6580, lon=139.7016)
NEAR = np.array([35.6595, 35.6610]), np.array([139.7005, 139.6980])
NOWHERE = LatLon(lat=10.0, lon=20.0)
TOP_KMH = {Mode.FOOT: 20.0, Mode.EBIKE: 60.0, Mode.CAR: 150.0}


@pytest.fixture(scope="module")
def osrm_process() -> Iterator[RoutingProcess]:
    with osrm_routed("shibuya", "bicycle") as server:
        yield server


@pytest.fixture(scope="module")
def valhalla_process() -> Iterator[RoutingProcess]:
    with valhalla_service("shibuya") as server:
        yield server


def osrm_at(url: str, *, patience_s: float = 5.0) -> Osrm:
    return Osrm({mode: OsrmMode(url, "bicycle", TOP_KMH[mode]) for mode in Mode}, patience_s=patience_s)


def valhalla_at(url: str, *, patience_s: float = 10.0) -> ValhallaServer:
    return ValhallaServer(url, MODES, TOP_KMH, patience_s=patience_s)


@pytest.fixture(params=["osrm", "valhalla"])
def engine(request: pytest.FixtureRequest) -> RoadEngine:
    if request.param == "osrm":
        return osrm_at(request.getfixturevalue("osrm_process").url)
    return valhalla_at(request.getfixturevalue("valhalla_process").url)


def a_door_and_places(rng: np.random.Generator, count: int) -> tuple[LatLon, np.ndarray, np.ndarray]:
    lat, lon = places_along("shibuya", rng, 1)
    return LatLon(lat=float(lat[0]), lon=float(lon[0])), *places_along("shibuya", rng, count)


# ── real ones ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", Mode)
def test_valhalla_as_a_server_answers_as_it_does_in_this_process(valhalla_process: RoutingProcess, mode: Mode) -> None:
    rng = np.random.default_rng([SEED, list(Mode).index(mode)])
    here, there = valhalla_of("shibuya"), valhalla_at(valhalla_process.url)
    for count in (1, 3, 24, 32):
        door, lats, lons = a_door_and_places(rng, count)
        lats[count // 2] += 0.3 * (count == 24)  # one that no road is near
        ours = here.ways(lats=lats, lons=lons, destination=door, mode=mode)
        theirs = there.ways(lats=lats, lons=lons, destination=door, mode=mode)
        assert np.array_equal(ours.seconds, theirs.seconds, equal_nan=True), f"seed {SEED}"
        there_is = np.isfinite(ours.seconds)
        for name in ("place_leg_m", "door_leg_m"):
            # Where the server says more roads of a place, its leg is read off a line, which is cut to decimetres.
            assert getattr(ours, name)[there_is] == pytest.approx(getattr(theirs, name)[there_is], abs=0.5)
        assert np.array_equal(np.isinf(ours.place_leg_m), np.isinf(theirs.place_leg_m)), f"seed {SEED}"
        assert np.isfinite(theirs.seconds).any()


def test_a_way_is_the_same_whoever_is_asked_with_it_and_is_never_faster_than_the_bound(engine: RoadEngine) -> None:
    rng = np.random.default_rng(SEED)
    for _ in range(3):
        door, lats, lons = a_door_and_places(rng, 24)
        together = engine.ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
        parts = [
            engine.ways(lats=lats[part], lons=lons[part], destination=door, mode=Mode.EBIKE)
            for part in (slice(0, 1), slice(1, 9), slice(9, None))
        ]
        assert np.array_equal(together.seconds, np.concatenate([p.seconds for p in parts]), equal_nan=True)
        near = (together.place_leg_m <= LONGEST_LEG_M) & (together.door_leg_m <= LONGEST_LEG_M)
        known = near & ~np.isnan(together.seconds)
        assert known.sum() > 12
        legs_s = (together.place_leg_m + together.door_leg_m) / WALKING_MPS
        least_s = distances_m(door, lats, lons) / engine.top_speed_mps(Mode.EBIKE) - 1
        assert (together.seconds + legs_s >= least_s)[known].all(), f"seed {SEED}"


def test_osrm_tells_the_time_and_the_legs_of_its_own_route(osrm_process: RoutingProcess) -> None:
    rng = np.random.default_rng(SEED)
    door, lats, lons = a_door_and_places(rng, 20)
    ways = osrm_at(osrm_process.url).ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
    asked = 0
    for lat, lon, seconds, place_leg_m, door_leg_m in zip(
        lats, lons, ways.seconds, ways.place_leg_m, ways.door_leg_m, strict=True
    ):
        where = f"{lon:.7f},{lat:.7f};{door.lon:.7f},{door.lat:.7f}"
        with urlopen(f"{osrm_process.url}/route/v1/bicycle/{where}?overview=false", timeout=10) as answer:
            route = json.load(answer)
        assert route["routes"][0]["duration"] == pytest.approx(seconds, abs=0.11)
        # Their distances are on a sphere, and between places of 6 decimals.
        legs_m = [waypoint["distance"] for waypoint in route["waypoints"]]
        assert legs_m == pytest.approx([place_leg_m, door_leg_m], rel=0.01, abs=0.2)
        asked += 1
    assert asked == 20


def test_osrm_answers_about_as_valhalla_does_on_the_same_streets(osrm_process: RoutingProcess) -> None:
    # Two engines, two ideas of how fast one cycles (15 and 25 km/h) and of what a crossing costs.
    rng, ratios, legs_m = np.random.default_rng(SEED), [], []
    for _ in range(4):
        door, lats, lons = a_door_and_places(rng, 32)
        by_osrm = osrm_at(osrm_process.url).ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
        by_valhalla = valhalla_of("shibuya").ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
        both = (by_osrm.seconds > 30) & (by_valhalla.seconds > 30)
        ratios += (by_osrm.seconds[both] / by_valhalla.seconds[both]).tolist()
        legs_m += np.abs(by_osrm.place_leg_m - by_valhalla.place_leg_m).tolist()
    assert len(ratios) > 60
    assert 1.0 < np.median(ratios) < 4.0
    assert np.median(legs_m) < 5.0


def test_places_without_a_road_have_no_way_and_leave_the_others_alone(engine: RoadEngine) -> None:
    lats, lons = np.array([35.6595, 10.0, 35.6610, 35.7]), np.array([139.7005, 20.0, 139.6980, 139.9])
    ways = engine.ways(lats=lats, lons=lons, destination=DOOR, mode=Mode.EBIKE)
    usable = ~np.isnan(ways.seconds) & (ways.place_leg_m <= LONGEST_LEG_M)
    assert usable.tolist() == [True, False, True, False]
    nowhere = engine.ways(lats=lats, lons=lons, destination=NOWHERE, mode=Mode.EBIKE)
    assert (nowhere.door_leg_m > LONGEST_LEG_M).all(), "it is the door that is to blame"
    assert np.isfinite(nowhere.place_leg_m).any(), "and not the places"
    assert len(engine.ways(lats=lats[:0], lons=lons[:0], destination=DOOR, mode=Mode.CAR).seconds) == 0


def test_an_osrm_that_finds_no_segment_far_away_says_so_of_that_place_alone() -> None:
    lats, lons = np.array([35.6595, 10.0, 35.6610, 35.7]), np.array([139.7005, 20.0, 139.6980, 139.9])
    with osrm_routed("shibuya", "bicycle", "--default-radius", "300") as server:
        engine = osrm_at(server.url)
        ways = engine.ways(lats=lats, lons=lons, destination=DOOR, mode=Mode.EBIKE)
        nowhere = engine.ways(lats=lats, lons=lons, destination=NOWHERE, mode=Mode.EBIKE)
    assert np.isnan(ways.seconds).tolist() == [False, True, False, True]
    assert np.isinf(ways.place_leg_m).tolist() == [False, True, False, True]
    assert np.isnan(nowhere.seconds).all()
    assert np.isinf(nowhere.door_leg_m).all()
    assert np.isfinite(nowhere.place_leg_m).all(), "it is the door that is to blame"


def test_more_places_than_the_server_takes_are_asked_for_in_parts(osrm_process: RoutingProcess) -> None:
    rng = np.random.default_rng(SEED)
    door, lats, lons = a_door_and_places(rng, 40)
    with (
        osrm_routed("shibuya", "bicycle", "--max-table-size", "3") as small,
        osrm_routed("shibuya", "bicycle") as large,
    ):
        in_parts = osrm_at(small.url).ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
        at_once = osrm_at(large.url).ways(lats=lats, lons=lons, destination=door, mode=Mode.EBIKE)
    assert np.array_equal(in_parts.seconds, at_once.seconds, equal_nan=True)


def test_it_is_asked_from_several_threads_at_once(engine: RoadEngine) -> None:
    wanted = engine.ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE).seconds.tolist()
    found: list[list[float]] = []

    def ask() -> None:
        for _ in range(5):
            ways = engine.ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
            found.append(ways.seconds.tolist())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 30


def test_a_server_that_was_started_again_is_asked_again() -> None:
    with osrm_routed("shibuya", "bicycle") as server:
        engine = osrm_at(server.url)
        before = engine.ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
        server.kill()
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            engine.ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
        server.start()
        after = engine.ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
    assert before.seconds.tolist() == after.seconds.tolist()


# ── what servers do that are none or not well ──────────────────────────────────────────────────────────────────────


class Script(BaseHTTPRequestHandler):
    """Answers everything with the same status and body; ``drip_s`` between its bytes.

    With ``hangs_up``, it ends each connection at the second question, without an answer.
    """

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b""
    drip_s: ClassVar[float] = 0.0
    hangs_up: ClassVar[bool] = False
    has_answered = False
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.has_answered and self.hangs_up:
            self.close_connection = True
            return
        self.has_answered = True
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        try:
            for at in range(0, len(self.body), 1 if self.drip_s else len(self.body)):
                self.wfile.write(self.body[at : at + (1 if self.drip_s else len(self.body))])
                time.sleep(self.drip_s)
        except OSError:
            self.close_connection = True

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def scripted(status: int, body: bytes, *, base: type[Script] = Script, **more: object) -> Iterator[str]:
    handler = type("Scripted", (base,), {"status": status, "body": body, **more})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


@pytest.mark.parametrize("make", [osrm_at, valhalla_at])
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (502, b"<html>Bad Gateway</html>", "status 502 and no JSON"),
        (200, b"[1, 2]", "not what was asked for"),
        (200, b"7", "no JSON"),
        (301, b"", "status 301"),
        (200, b'{"code": "Ok"}', "not what was asked for"),
        (200, b'{"code": "Ok", "durations": [[1], [2]], "sources": [{"location": [1, 2]}], "destinations": []}', "not"),
        (400, b'{"code": "InvalidUrl", "message": "URL string malformed"}', "InvalidUrl|error None"),
        (400, b'{"error_code": 107, "error": "Not Implemented"}', "error 107|no code"),
        (429, b'{"message": "Too Many Requests"}', "status 429"),
    ],
)
def test_what_is_no_answer_is_a_fault_of_the_engine(make, status: int, body: bytes, said: str) -> None:  # type: ignore[no-untyped-def]  # two makers
    with scripted(status, body) as url, pytest.raises(EngineUnavailable, match=said):
        make(url).ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)


@pytest.mark.parametrize("make", [osrm_at, valhalla_at])
def test_a_server_that_never_answers_is_waited_for_no_longer_than_the_patience(make) -> None:  # type: ignore[no-untyped-def]  # two makers
    began = time.monotonic()
    with never_answering() as url, pytest.raises(EngineUnavailable, match=r"not answered within 0\.3 s"):
        make(url, patience_s=0.3).ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
    assert time.monotonic() - began < 1.0


def test_an_answer_that_drips_is_given_up_when_the_patience_ends() -> None:
    began = time.monotonic()
    with (
        scripted(200, b'{"code": "Ok"}' + b" " * 500, drip_s=0.05) as url,
        pytest.raises(EngineUnavailable, match="not answered within"),
    ):
        osrm_at(url, patience_s=0.3).ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
    assert time.monotonic() - began < 1.5


def test_a_kept_connection_that_the_server_has_ended_is_no_fault() -> None:
    body = (
        b'{"code": "Ok", "durations": [[7]], "sources": [{"location": [1, 2]}], "destinations": [{"location": [1, 2]}]}'
    )
    lats, lons = np.array([2.0]), np.array([1.0])
    with scripted(200, body, hangs_up=True) as url:
        engine = osrm_at(url)
        for _ in range(4):
            ways = engine.ways(lats=lats, lons=lons, destination=LatLon(lat=2, lon=1), mode=Mode.EBIKE)
            assert ways.seconds.tolist() == [7.0]


def test_who_asks_is_told_to_the_server_and_to_nobody_else() -> None:
    url = f"http://me:secret@127.0.0.1:{free_port()}"
    with pytest.raises(EngineUnavailable, match=r"http://127\.0\.0\.1:\d+ cannot") as refused:
        osrm_at(url).ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
    assert "secret" not in str(refused.value)
    told: list[str] = []

    class Listening(Script):
        def do_GET(self) -> None:
            told.append(self.headers["Authorization"])
            super().do_GET()

    with scripted(429, b"{}", base=Listening) as heard, pytest.raises(EngineUnavailable):
        osrm_at(heard.replace("//", "//me:secret@")).ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
    assert told == [f"Basic {b64encode(b'me:secret').decode()}"]


def test_nobody_at_the_address_is_told_with_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(EngineUnavailable, match=f"{url} cannot be reached"):
        osrm_at(url).ways(lats=NEAR[0], lons=NEAR[1], destination=DOOR, mode=Mode.EBIKE)
