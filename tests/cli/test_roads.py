"""Roads on the command line: quotes by a routing server, and what dispatch check says of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.geo.road_servers import RoutingProcess, free_port, never_answering, osrm_routed, valhalla_service

SHIBUYA = "store_id,lat,lon\nA,35.6595,139.7005\nB,35.6610,139.6980\nC,35.6580,139.7016\n"
TAIPEI = "store_id,lat,lon\nA,25.0330,121.5654\nB,25.0340,121.5660\n"


@pytest.fixture(scope="module")
def osrm_process() -> Iterator[RoutingProcess]:
    with osrm_routed("shibuya", "bicycle") as server:
        yield server


@pytest.fixture
def stocked(run_here: Run) -> Run:
    """The command line on a database with three stores in Shibuya that have milk."""
    stores_of(run_here, SHIBUYA)
    return run_here


def stores_of(run: Run, stores: str) -> None:
    Path("stores.csv").write_text(stores)
    Path("stock.csv").write_text("store_id,sku,on_hand\nA,milk,9\nB,milk,9\n")
    assert run("import", "stores", "stores.csv").code == 0
    assert run("import", "stock", "stock.csv", "--as-of", "now").code == 0


def roads_at(monkeypatch: pytest.MonkeyPatch, url: str, engine: str = "osrm") -> None:
    monkeypatch.setenv("DISPATCH_ROADS_URL", url)
    monkeypatch.setenv("DISPATCH_ROADS_ENGINE", engine)
    monkeypatch.setenv("DISPATCH_ROADS_PATIENCE_S", "10")


def test_a_quote_goes_by_the_server_and_check_tries_ways_by_every_mode(
    stocked: Run, osrm_process: RoutingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    roads_at(monkeypatch, osrm_process.url)
    quote = json.loads(stocked("quote", "35.6580", "139.7016", "milk", "--json").out)
    assert quote["eta"]["travel_source"] == "osrm"
    ran = stocked("check")
    assert ran.code == 0, ran.out
    assert "roads: the osrm server answers, 6 ways in" in ran.out
    assert "take equally long, for osrm-routed serves one profile a process" in ran.out


def test_servers_of_their_own_for_modes_take_their_own_time(
    stocked: Run, osrm_process: RoutingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with osrm_routed("shibuya", "car") as by_car:
        roads_at(monkeypatch, osrm_process.url)
        monkeypatch.setenv("DISPATCH_CAR_ROADS_URL", by_car.url)
        ran = stocked("check")
        assert ran.code == 0, ran.out
        assert "6 ways in" in ran.out
        assert "equally long" not in ran.out
        door = ("quote", "35.6580", "139.7016", "milk", "--json", "--mode")
        travel_s = [json.loads(stocked(*door, mode).out)["eta"]["travel_s"] for mode in ("ebike", "car")]
        assert travel_s[0] != travel_s[1]


def test_check_of_valhalla_as_a_server(stocked: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with valhalla_service("shibuya") as server:
        roads_at(monkeypatch, server.url, "valhalla")
        ran = stocked("check")
        assert ran.code == 0, ran.out
        assert "roads: the valhalla server answers, 6 ways in" in ran.out
        assert "equally long" not in ran.out


def test_check_tells_why_a_server_does_not_do_and_what_to_do(
    run_here: Run, osrm_process: RoutingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    roads_at(monkeypatch, osrm_process.url)
    ran = run_here("check")
    assert ran.code == 0, ran.out
    assert "roads: the osrm server answers; there are no two stores yet" in ran.out
    stores_of(run_here, TAIPEI)
    ran = run_here("check")
    assert ran.code == 1
    assert "knows no way to 25.03" in ran.out
    assert "is its extract of another place?" in ran.out
    roads_at(monkeypatch, osrm_process.url, "valhalla")
    ran = run_here("check")
    assert ran.code == 1
    assert "correct DISPATCH_ROADS_URL and DISPATCH_ROADS_ENGINE" in ran.out
    url = f"http://127.0.0.1:{free_port()}"
    roads_at(monkeypatch, url)
    ran = run_here("check")
    assert ran.code == 1
    assert f"problem  roads by foot: {url} cannot be reached" in ran.out
    with never_answering() as hanging:
        roads_at(monkeypatch, hanging)
        monkeypatch.setenv("DISPATCH_ROADS_PATIENCE_S", "0.3")
        ran = run_here("check")
        assert ran.code == 1
        assert f"{hanging} has not answered within 0.3 s" in ran.out


def test_both_an_extract_and_a_server_are_refused_and_an_address_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    roads_at(monkeypatch, "http://me:secret@127.0.0.1:9")
    assert "take one of them away" in run("serve", "--roads", "x.osm.pbf").error_line
    listed = run("settings").out
    assert "DISPATCH_ROADS_URL=    (now set (not shown))" in listed
    assert "secret" not in listed
