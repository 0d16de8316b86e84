"""The bench's peers on a small world: all answers are those of brute force, and who is wrong is told."""

import contextlib
import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyproj import Geod

from dispatch.replica.replica import Replica
from tests.bench import plots, tables
from tests.bench.__main__ import run_peers
from tests.bench.in_process import NOW_S, build
from tests.bench.peers import installing
from tests.bench.peers.asking import Asked, Ours, System, all_open, prepared
from tests.bench.peers.comparing import Judge, Verdict
from tests.bench.peers.geo_redis import Redis
from tests.bench.peers.measuring import measure
from tests.bench.peers.naive import Naive
from tests.bench.peers.postgis import PLANNING, Postgis
from tests.bench.quotes import MIXES, MORE_THAN_ANY, questions
from tests.bench.world import World

type Shelves = dict[int, dict[int, int]]
type Capture = pytest.CaptureFixture[str]

WORLD = World(300, skus=60, per_store=30)
QUESTIONS = 25
SEED = 20261128
EARTH = Geod(ellps="WGS84")
# An e-bike in a world without terms of its own: 3.6 / 20 km/h, and 1.3 times the geodesic.
SECONDS_A_METRE = 0.234

needs_peers = pytest.mark.skipif(
    bool(installing.missing()), reason=f"not installed: {', '.join(installing.missing())} (make bench installs them)"
)


@pytest.fixture(scope="module")
def replica() -> Replica:
    return build(WORLD)


@pytest.fixture(scope="module")
def shelves() -> Shelves:
    """By sku: what each store has."""
    return {
        number: dict(zip(stores.tolist(), on_hand.tolist(), strict=True)) for number, stores, on_hand, _ in WORLD.rows()
    }


def away_m(asked: Asked, store: int) -> float:
    place = asked.question.destination
    return float(EARTH.inv(place.lon, place.lat, WORLD.lons[store], WORLD.lats[store])[2])


def has_all(asked: Asked, store: int, shelves: Shelves) -> bool:
    return all(shelves[WORLD.sku_number(line.sku)].get(store, 0) >= line.quantity for line in asked.question.lines)


def right(asked: Asked, shelves: Shelves) -> list[tuple[float, int]]:
    """(metres, store) of all that can, nearest first, by looking at every store."""
    travel_s = 3600 - (300 + 30 * len(asked.question.lines) + 60 + 120)
    found = [(away_m(asked, store), store) for store in range(WORLD.stores) if has_all(asked, store, shelves)]
    return sorted((metres, store) for metres, store in found if math.ceil(metres * SECONDS_A_METRE) <= travel_s)


def asked_of(replica: Replica, mix: str, count: int = QUESTIONS) -> list[Asked]:
    return prepared(replica, WORLD, questions(WORLD, mix, count, now_s=NOW_S, seed=SEED))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Unlike pytest's own: short enough for a socket, and where the user of PostgreSQL may walk to."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        yield Path(name)


@needs_peers
async def test_every_system_answers_as_looking_at_every_store_does(
    replica: Replica, shelves: Shelves, folder: Path
) -> None:
    postgres, redis = installing.postgres_programs(), installing.redis_program()
    assert postgres is not None
    assert redis is not None
    met = none = 0
    async with contextlib.AsyncExitStack() as stack:
        postgis = await stack.enter_async_context(Postgis.loaded(WORLD, postgres, folder, lambda _: None))
        geo_redis = await stack.enter_async_context(Redis.loaded(WORLD, redis, folder, lambda _: None))
        peers: list[System] = [postgis, geo_redis, Naive(WORLD)]
        for mix in MIXES:
            for asked in asked_of(replica, mix):
                best = right(asked, shelves)
                met, none = met + bool(best), none + (not best)
                told = f"{mix}, seed {SEED}: instead of {best[:2]} for {asked}"
                assert await Ours(replica, WORLD).answer(asked) == (best[0][1] if best else None), told
                for peer in peers:
                    assert is_right_on_a_sphere(await peer.answer(asked), asked, best, shelves), f"{peer.name}, {told}"
    assert met > 40
    assert none > 40


def is_right_on_a_sphere(answer: int | None, asked: Asked, best: list[tuple[float, int]], shelves: Shelves) -> bool:
    """Whether it has all, and is hardly farther than the nearest, or hardly beyond reach if there is none."""
    if answer is None:
        return not best
    limit_m = best[0][0] * 1.01 + 3 if best else asked.reach_m * 1.015
    return has_all(asked, answer, shelves) and away_m(asked, answer) <= limit_m


def test_what_differs_is_explained_by_a_sphere_alone(replica: Replica, shelves: Shelves) -> None:
    judge = Judge(WORLD, Naive(WORLD))
    asked, best = next(
        (asked, best)
        for asked in asked_of(replica, "dense city", 200)
        if len(best := right(asked, shelves)) > 1 and best[1][0] > 1.1 * best[0][0] + 100
    )
    nearest, second = best[0][1], best[1][1]
    lacking = next(store for store in range(WORLD.stores) if not has_all(asked, store, shelves))
    beyond = next(
        store
        for store in range(WORLD.stores)
        if has_all(asked, store, shelves) and away_m(asked, store) > 2 * asked.reach_m
    )
    for ours, theirs, verdict in (
        (nearest, nearest, Verdict.SAME),
        (None, None, Verdict.SAME),
        (None, beyond, Verdict.SAME),
        (second, nearest, Verdict.OURS_FARTHER),
        (None, nearest, Verdict.OURS_NONE),
        (lacking, nearest, Verdict.OURS_LACKS),
        (nearest, None, Verdict.THEIRS_NONE),
        (nearest, lacking, Verdict.THEIRS_LACKS),
        (nearest, second, Verdict.THEIRS_BEYOND),
        (beyond, None, Verdict.THEIRS_NONE),
    ):
        assert judge.judged(asked, ours, theirs) == (verdict, 0.0), (ours, theirs)


def test_a_store_that_is_a_little_farther_is_told_with_its_metres(replica: Replica, shelves: Shelves) -> None:
    judge = Judge(WORLD, Naive(WORLD))
    asked, best = next(
        (asked, best)
        for asked in asked_of(replica, "dense city", 2_000)
        if len(best := right(asked, shelves)) > 1 and best[1][0] < 1.005 * best[0][0]
    )
    verdict, lost_m = judge.judged(asked, best[0][1], best[1][1])
    assert verdict is Verdict.SPHERE
    assert lost_m == pytest.approx(best[1][0] - best[0][0], abs=1e-6)
    assert judge.judged(asked, best[1][1], best[0][1])[0] is Verdict.OURS_FARTHER


@needs_peers
def test_the_figures_are_told_of_all_and_no_answer_is_unexplained(folder: Path) -> None:
    figures = json.loads(json.dumps(measure(WORLD, folder, lambda _: None, rounds=2, count=8)))
    assert figures["unexplained"] == 0
    assert figures["shelf_rows"] == sum(len(stores) for _, stores, _, _ in WORLD.rows())
    assert [of["mix"] for of in figures["mixes"]] == list(MIXES)
    for of in figures["mixes"]:
        assert set(of["peers"]) == {"PostGIS", "Redis", "numpy scan"}
        assert of["postgis_plans_by"] in PLANNING
        for entry in of["peers"].values():
            assert sum(entry["answers"]["verdicts"].values()) == 16
            low, high = entry["ratio_spread"]
            assert 0 < low <= entry["ratio"] <= high
    shares = {of["mix"]: of["none"] for of in figures["mixes"]}
    assert shares["desert"] == shares["none has so much"] == shares["none has all"] == 1
    assert shares["dense city"] < 1


@needs_peers
def test_an_unexplained_answer_is_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(_self: Ours, _asked: Asked) -> None:
        return None

    monkeypatch.setattr(Ours, "answer", nobody)
    figures = measure(WORLD, folder, lambda _: None, rounds=1, count=8)
    verdicts = [entry["answers"]["verdicts"] for of in figures["mixes"] for entry in of["peers"].values()]
    missed = sum(of.get(Verdict.OURS_NONE.value, 0) for of in verdicts)
    assert figures["unexplained"] == missed > 0


def test_a_run_without_peers_says_so_and_does_not_count(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(installing, "missing", lambda: [installing.REDIS_PACKAGE])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("who is not root installs nothing"))
    figures = run_peers(WORLD)
    assert figures["counts"] is False
    tables.show_peers(figures)
    said = " ".join(capsys.readouterr().out.split())
    assert "without its peers this part does not count" in said
    assert installing.REDIS_PACKAGE in said


def test_what_is_missing_is_installed_by_root_and_what_fails_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "missing", lambda: [installing.REDIS_PACKAGE])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    ran: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[str]:
        ran.append(tuple(command))
        refused = "install" in command
        assert not refused or options["env"]["DEBIAN_FRONTEND"] == "noninteractive"
        return subprocess.CompletedProcess(command, int(refused), stdout="no such package")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(installing.CannotInstall, match="no such package"):
        installing.install()
    assert ran == [
        ("apt-get", "update"),
        ("apt-get", "install", "-y", "--no-install-recommends", installing.REDIS_PACKAGE),
    ]


def test_the_mixes_are_what_they_are_called(replica: Replica) -> None:
    doors = set()
    for mix in MIXES:
        for asked in asked_of(replica, mix):
            doors.add((asked.lat, asked.lon))
            skus = [number for number, _ in asked.lines]
            assert len(set(skus)) == len(skus)
            assert [quantity for _, quantity in asked.lines].count(MORE_THAN_ANY) == (mix == "none has so much")
            if mix == "all rare":
                assert min(skus) >= 0.9 * WORLD.skus
            if mix == "desert":
                assert 30_000 < min(away_m(asked, store) for store in range(WORLD.stores)) < 301_000
    assert len(doors) == QUESTIONS * len(MIXES)


def test_stores_that_close_are_noticed(replica: Replica) -> None:
    assert all_open(replica, NOW_S, 3600)
    assert not all_open(replica, NOW_S + 10 * 3600, 3600)  # 22:53


def test_the_same_figures_are_drawn_the_same(tmp_path: Path) -> None:
    entry = {"p50_us": 100.0, "p99_us": 900.0}
    mixes = [{"mix": mix, "ours": entry, "peers": {"PostGIS": entry, "Redis": entry}} for mix in MIXES]
    figures = {
        "peers": {"counts": True, "stores": 300, "shelf_rows": 6_000, "mixes": mixes},
        "sizes": {
            "sizes": [{"stores": stores, "per_store": 400} for stores in (10_000, 1_000_000)],
            "mixes": [{"mix": mix, "by_size": [entry, entry]} for mix in MIXES],
        },
    }
    drawn = [plots.draw(figures, tmp_path / name) for name in ("once", "again")]
    assert [path.name for path in drawn[0]] == ["peers.svg", "sizes.svg"]
    for once, again in zip(*drawn, strict=True):
        assert once.read_bytes() == again.read_bytes()
        assert ">5 common</text>" in once.read_text()
    assert plots.draw({"peers": {"counts": False}}, tmp_path / "none") == []
