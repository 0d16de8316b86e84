"""GET /v1/replica: the checksums of a worker are those of the database."""

import asyncio
import os

import pytest

from dispatch.replica.replica import Replica
from dispatch.services.checksums import cell_checksums
from dispatch.storage.feed import reading
from tests.api.client import Api, assert_problem


async def test_a_worker_tells_the_checksums_of_the_database(app_client: Api) -> None:
    await app_client.put_store("a", 25.03, 121.56)
    await app_client.put_store("far", 52.5, 13.4)
    await app_client.put_stock("a", tea=3, milk=1_000_000_000)
    told = (await app_client.get("/v1/replica")).json()
    assert told["worker"] == os.getpid()
    assert 0 <= told["replica_lag_s"] < 5
    async with reading(app_client.app.state.service.database) as reader:
        heads = await reader.heads()
        of_database = [(f"{cell:x}", heads[cell], *await reader.checksum(cell)) for cell in sorted(heads)]
    assert [(c["cell"], c["seq"], c["rows"], int(c["checksum"])) for c in told["cells"]] == of_database
    assert [c["rows"] for c in told["cells"]] in ([0, 2], [2, 0])

    one = told["cells"][0]
    assert (await app_client.get(f"/v1/replica?cell={one['cell']}")).json()["cells"] == [one]
    assert (await app_client.get("/v1/replica?cell=0")).json()["cells"] == []
    assert_problem(await app_client.send("GET", "/v1/replica?cell=xyz"), 422, "invalid_input")


async def test_a_change_while_the_sum_is_made_is_noticed(app_client: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await app_client.put_store("a", 25.03, 121.56)
    await app_client.put_stock("a", tea=3, milk=4)
    assert (await app_client.get("/v1/replica")).status_code == 200, "it has seen the stock"
    follower = app_client.app.state.service.follower
    monkeypatch.setattr("dispatch.replica.pauses.STRETCH_S", 0.0)
    (cell,) = follower.replica.cursors
    tries = 0
    parts = Replica.checksum_parts

    def changing(replica: Replica, of: int):  # type: ignore[no-untyped-def]  # as what it stands in for
        nonlocal tries
        tries += 1
        yield from parts(replica, of)
        if tries <= 2:
            replica.cursors[of] += 1000

    monkeypatch.setattr(Replica, "checksum_parts", changing)
    before = follower.replica.cursors[cell]
    monkeypatch.setattr(follower, "step", lambda: asyncio.sleep(0))  # nothing else touches the cursors
    (told,) = await cell_checksums(follower, [cell])
    assert tries == 3
    assert (told.seq, told.rows) == (before + 2000, 2)

    monkeypatch.setattr(follower, "_is_mixed", True)
    (told,) = await cell_checksums(follower, [cell])
    assert told.total is None, "a step was being written all the time"
