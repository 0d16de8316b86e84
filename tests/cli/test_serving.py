"""dispatch serve as a person runs it: the first run with the demo, a second with workers, and how each ends."""

import json
import os
import re
import shlex
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.conftest import Run
from tests.geo.roads import times_by
from tests.serving import END_S, READY_S, Server, ask, end_database, page_of, processes_of, serving, until, workers_of


@pytest.fixture(scope="module")
def data_dir(short_tmp: Path) -> Iterator[Path]:
    path = short_tmp / "served"
    yield path
    end_database(path)
    shutil.rmtree(path, ignore_errors=True)


def test_the_first_run_prints_what_answers_and_ctrl_c_leaves_nothing_behind(data_dir: Path, run: Run) -> None:
    with serving(data_dir, "--demo") as server:
        server.until("Ctrl-C stops it.")
        said = server.said
        assert "synthetic" in said
        assert f"{server.address}/docs" in said

        nearby = re.search(r"Stores nearby +(http\S+)", said)
        assert nearby is not None
        status, body = ask(server.address, nearby[1].removeprefix(server.address))
        assert status == 200
        assert body["stores"]

        pages = re.findall(rf"{re.escape(server.address)}(/|/ops|/store/\S+)$", said, re.MULTILINE)
        assert len(pages) == 3
        assert all(page_of(server.address, path).startswith("<!doctype html>") for path in pages)

        command = next(shlex.split(line) for line in said.splitlines() if line.strip().startswith("curl "))
        assert command[2] == f"{server.address}/v1/quotes"
        assert command[command.index("-H") + 1] == "Content-Type: application/json"
        status, body = ask(server.address, "/v1/quotes", command[command.index("-d") + 1])
        assert status == 200
        assert body["outcome"] == "fulfillable" or "just now no store can" in said
        assert "Travel times by road on demo-city.osm.pbf" in said
        assert _travel_source_of(body) == times_by()

        _the_others_get_along_with_it(run, server, command[command.index("-d") + 1])
        assert server.end() == 0
        assert server.said.endswith("Stopped.\n")
    assert processes_of(data_dir) == []
    assert "roads: none configured" in run("check", "--data-dir", str(data_dir)).out


def _the_others_get_along_with_it(run: Run, server: Server, quote: str) -> None:
    """A second server is refused, an import beside it is seen, and all is well."""
    second = run("serve", "--port", "0", "--data-dir", str(server.data_dir))
    assert second.code == 1
    assert f"already running: pid {server.process.pid} serves {server.address};" in second.error_line

    port = server.address.rpartition(":")[2]
    other = run("serve", "--port", port, "--data-dir", str(server.data_dir) + "-other")
    assert other.code == 1
    assert f"port {port} of 127.0.0.1 is in use" in other.error_line

    asked = json.loads(quote)
    place, [line, *_] = asked["destination"], asked["lines"]
    stores = server.data_dir.with_name("beside.csv")
    stores.write_text(f"store_id,lat,lon,datum\nbeside,{place['lat']},{place['lon']},wgs84\n")
    imported = run("import", "stores", str(stores), "--data-dir", str(server.data_dir))
    assert imported.code == 0, imported.err
    until(lambda: ask(server.address, "/v1/stores/beside")[0] == 200, 5.0)

    checked = run("check", "--data-dir", str(server.data_dir))
    assert checked.code == 0, checked.out
    assert "81 stores" in checked.out
    assert re.search(r"roads: demo-city.osm.pbf, [\d.]+ MiB of tiles\n", checked.out)
    told_by = r"roads: travel times by OSRM, [\d.]+ MiB of networks\n" if times_by() == "osrm" else "Valhalla tells"
    assert re.search(told_by, checked.out)
    at = (str(place["lat"]), str(place["lon"]))
    quoted = run("quote", *at, line["sku"], "--json", "--data-dir", str(server.data_dir))
    assert _travel_source_of(json.loads(quoted.out)) == times_by(), "as the server answers"
    assert re.search(rf"worker {server.process.pid}: \S+ s behind, equals the database in \d+ cells\n", checked.out)


def test_workers_end_with_the_one_that_started_them_even_if_it_is_killed(data_dir: Path, run: Run) -> None:
    assert (data_dir / "postgres").is_dir(), "the first run has made it"
    roads = data_dir / "demo" / "demo-city.osm.pbf"
    with serving(data_dir, "--workers", "2", "--roads", str(roads)) as server:
        server.until("Ctrl-C stops it.")
        assert "81 stores, 2 workers" in server.said
        workers = workers_of(data_dir)
        assert len(workers) == 2
        assert {ask(server.address, "/readyz")[0] for _ in range(8)} == {200}
        assert {_travel_source(server) for _ in range(8)} == {times_by()}

        counted = _quotes_that_any_worker_tells_of(server)
        os.kill(workers[0], signal.SIGKILL)
        server.until("worker_ended")
        until(lambda: len(workers_of(data_dir)) == 2, READY_S)
        assert _metrics(server)["lifecircle_quotes_total"] >= counted, "no total falls when a worker ends"
        gauges = list((data_dir / "metrics").glob("gauge_live*"))
        assert not [path for path in gauges if str(workers[0]) in path.name], "what it was is no more"

        server.process.kill()
        server.process.wait()
        until(lambda: not workers_of(data_dir), END_S)
    # Its database goes on; whoever comes next finds it, and stops it in the end.
    assert any("postgres" in line for line in processes_of(data_dir))
    assert run("check", "--data-dir", str(data_dir)).code == 0
    assert processes_of(data_dir) == []


def _quotes_that_any_worker_tells_of(server: Server) -> int:
    """Ask for some quotes, and see that every scrape counts all of them, whichever worker it reaches; how many."""
    quote = '{"destination": {"lat": 37.87, "lon": 112.55}, "lines": [{"sku": "no such thing", "quantity": 1}]}'
    before = _metrics(server)["lifecircle_quotes_total"]
    for _ in range(16):
        assert ask(server.address, "/v1/quotes", quote)[0] == 200
    for _ in range(8):
        found = _metrics(server)
        assert found["lifecircle_quotes_total"] == before + 16
        assert 0 <= found["lifecircle_replica_lag_seconds"] < 30
    return int(before) + 16


def _metrics(server: Server) -> dict[str, float]:
    """The sum over the labels of each metric, from whichever worker answers."""
    with urlopen(f"{server.address}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found: defaultdict[str, float] = defaultdict(float)
    for family in families:
        for sample in family.samples:
            found[sample.name] += sample.value
    return found


def test_the_demo_beside_other_stores_travels_by_estimates(data_dir: Path) -> None:
    with serving(data_dir, "--demo") as server:
        server.until("Ctrl-C stops it.")
        assert "There are stores beside those of the demo: travel times are estimates" in server.said
        assert "Travel times by road" not in server.said
        assert _travel_source(server) == "estimate"
        assert server.end() == 0


def _travel_source(server: Server) -> str:
    """Of a quote at a store of the demo for what it has."""
    status, store = ask(server.address, "/v1/stores/WB-0001")
    assert status == 200
    shelf = ask(server.address, "/v1/stores/WB-0001/stock")[1]["stock"]
    sku = max(shelf, key=lambda row: row["available"])["sku"]
    place = {"lat": store["lat"] + 1e-3, "lon": store["lon"]}
    asked = {"destination": place, "lines": [{"sku": sku, "quantity": 1}], "only_stores": ["WB-0001"]}
    return _travel_source_of(ask(server.address, "/v1/quotes", json.dumps(asked))[1])


def _travel_source_of(quote: dict[str, Any]) -> str:
    told = quote["eta"] if quote["outcome"] == "fulfillable" else quote["nearest_miss"]["eta"]
    return str(told["travel_source"])


def test_an_end_that_comes_while_it_starts_leaves_nothing_behind(short_tmp: Path) -> None:
    data_dir = short_tmp / "ended-early"
    with serving(data_dir, "--demo") as server:
        server.until("Loading the demo city")
        assert server.end(signal.SIGTERM) == 0
        assert "Ctrl-C stops it" not in server.said
        assert "Traceback" not in server.said
    assert processes_of(data_dir) == []
    shutil.rmtree(data_dir)
