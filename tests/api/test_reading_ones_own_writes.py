"""Dispatch-Version and Dispatch-Min-Version: a write through one worker is seen through another, if it is asked for."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatch.domain.versions import Version
from tests.api.client import Api, Clock, assert_problem, worker

HERE = (25.03, 121.56)
ROUNDS = 200


@pytest.fixture
async def workers(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[list[Api]]:
    """Two workers on one database, slow to look on their own: what is seen at once was asked for."""
    async with (
        worker(database_url, tmp_path, clock=clock, follow_every_s=2) as one,
        worker(database_url, tmp_path, clock=clock, follow_every_s=2) as other,
    ):
        yield [one, other]


async def test_what_one_worker_writes_the_other_reads(workers: list[Api]) -> None:
    await workers[0].put_store("a", *HERE)
    rng = random.Random(20)
    for i in range(ROUNDS):
        writer, reader = rng.sample(workers, 2)
        figure = rng.randrange(1, 99)
        items = [{"sku": f"sku-{i % 7}", "on_hand": figure, "price": i, "currency": "TWD"}]
        writing = rng.choice(["stock", "stock", "store"])
        if writing == "stock":
            answer = await writer.write("PATCH", "/v1/stores/a/stock", {"items": items})
        else:
            answer = await writer.write("PUT", "/v1/stores/a", {"lat": HERE[0], "lon": HERE[1], "name": f"name {i}"})
        reader.version = answer.headers["dispatch-version"]
        if writing == "store":
            assert (await reader.get("/v1/stores/a")).json()["name"] == f"name {i}"
            continue
        [store] = (await reader.get("/v1/stores/nearby", lat=HERE[0], lon=HERE[1], sku=f"sku-{i % 7}")).json()["stores"]
        assert store["stock"] == {f"sku-{i % 7}": figure}
        assert (await reader.quote(*HERE, f"sku-{i % 7}"))["lines"][0]["price"] == i


async def test_a_finished_import_tells_the_version_that_has_all_of_it(workers: list[Api]) -> None:
    one, other = workers
    rows = "".join(f"s{i},{lat},121.56\n" for i, lat in enumerate((25.03, 35.6, -33.9, 60.0)))
    await one.import_file("stores", "store_id,lat,lon,\n" + rows)
    other.version = one.version
    for i in range(4):
        assert (await other.get(f"/v1/stores/s{i}")).status_code == 200
    stock = "store_id,sku,on_hand\n" + "".join(f"s{i},tea,{i + 1}\n" for i in range(4))
    await other.import_file("stock", stock, as_of="now")
    one.version = other.version
    for i, lat in enumerate((25.03, 35.6, -33.9, 60.0)):
        assert (await one.quote(lat, 121.56, "tea"))["store"]["store_id"] == f"s{i}"


async def test_a_deletion_and_a_move_are_seen_too(workers: list[Api]) -> None:
    one, other = workers
    await one.put_store("a", *HERE)
    await one.put_stock("a", tea=1)
    await one.put_store("a", 35.6, 139.7)
    other.version = one.version
    assert (await other.quote(35.6, 139.7, "tea"))["store"]["store_id"] == "a"
    await other.write("DELETE", "/v1/stores/a", None)
    one.version = other.version
    assert_problem(await one.get("/v1/stores/a"), 404)


async def test_a_version_from_the_future_is_503_after_a_second_and_says_when_to_come_again(app_client: Api) -> None:
    await app_client.put_store("a", *HERE)
    assert app_client.version is not None
    version = Version.decode(app_client.version)
    future = {"Dispatch-Min-Version": Version({cell: seq + 1 for cell, seq in version.items()}).encode()}
    quote = {"destination": {"lat": HERE[0], "lon": HERE[1]}, "lines": [{"sku": "tea", "quantity": 1}]}
    other_cell = {"Dispatch-Min-Version": Version({min(version) + 1: 1}).encode()}
    began = time.monotonic()
    answers = await asyncio.gather(
        app_client.send("GET", "/v1/stores/a", headers=other_cell),
        app_client.send("GET", "/v1/stores/a", headers=future),
        app_client.send("GET", f"/v1/stores/nearby?lat={HERE[0]}&lon={HERE[1]}", headers=future),
        app_client.send("POST", "/v1/quotes", json=quote, headers=future),
        app_client.send("POST", "/v1/quotes/batch", json={"quotes": [quote]}, headers=future),
    )
    assert 0.9 < time.monotonic() - began < 2.5
    for answer in answers:
        assert_problem(answer, 503, "replica_behind")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_version_that_is_none_is_400_on_every_read(app_client: Api) -> None:
    quote = {"destination": {"lat": HERE[0], "lon": HERE[1]}, "lines": [{"sku": "tea", "quantity": 1}]}
    reads: list[tuple[str, str, object]] = [
        ("GET", "/v1/stores/a", None),
        ("GET", "/v1/stores/a/stock", None),
        ("GET", f"/v1/stores/nearby?lat={HERE[0]}&lon={HERE[1]}", None),
        ("POST", "/v1/quotes", quote),
        ("POST", "/v1/quotes/batch", {"quotes": []}),
    ]
    for text in ("x", "", "v1", "v1.!", "v1.AAAA", "v2.", "v1." + "A" * 70_000, "v1.\xe9", "null", "1"):
        for method, url, body in reads:
            headers = [(b"Dispatch-Min-Version", text.encode("latin-1"))]
            answer = await app_client.send(method, url, json=body, headers=headers)
            assert_problem(answer, 400, "malformed_version")


async def test_a_write_that_changes_nothing_still_tells_a_version(app_client: Api) -> None:
    body = {"lat": HERE[0], "lon": HERE[1]}
    versions = [(await app_client.write("PUT", "/v1/stores/a", body)).headers["dispatch-version"] for _ in range(2)]
    assert versions[0] == versions[1]
    for _ in range(2):
        answer = await app_client.write("PATCH", "/v1/stores/a/stock", {"items": []})
        Version.decode(answer.headers["dispatch-version"])
