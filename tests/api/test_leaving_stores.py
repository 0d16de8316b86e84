"""DELETE /v1/stores/{store_id}: what becomes of the orders that are still open there."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from dispatch.domain.versions import Version
from dispatch.services.orders import leaving
from dispatch.storage.orders import StoredOrder, open_orders_of_store
from dispatch.storage.pool import Database
from tests.api.client import Api, Clock, assert_problem, worker
from tests.api.shop import (
    acted,
    clock_of_now,
    events_of,
    open_orders,
    order_now,
    order_of,
    placed,
    reserved,
    with_shops,
)

STEPS = ("confirm", "accept", "ready", "pick-up")


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


async def at_near(api: Api, order_id: str, steps: int = 0, **fields: Any) -> dict[str, Any]:
    """An order at the nearest shop, so many steps on from a hold."""
    order = await placed(api, order_id, order_of(**fields))
    for action in STEPS[:steps]:
        order = await acted(api, order_id, action, **({} if action == "confirm" else {"attempt": 1}))
    assert order["store"]["store_id"] == "near"
    return order


async def delete(api: Api, store_id: str = "near", *, reassign: bool = False) -> httpx.Response:
    return await api.write("DELETE", f"/v1/stores/{store_id}" + ("?reassign=true" if reassign else ""), None)


async def left_at(api: Api, store_id: str = "near", *, reassign: bool = False) -> list[str]:
    """What a deletion that is known to be good lists."""
    answer = await delete(api, store_id, reassign=reassign)
    assert answer.status_code == 200, answer.text
    assert answer.json()["store_id"] == store_id
    listed: list[str] = answer.json()["open_orders"]
    return listed


async def where(api: Api, *order_ids: str) -> list[tuple[str, str, int]]:
    """Store, status and attempt of each."""
    orders = [await order_now(api, order_id) for order_id in order_ids]
    return [(order["store"]["store_id"], order["status"], order["attempt"]) for order in orders]


# ── what is open there ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_open_orders_are_listed_oldest_first_and_stay(app_client: Api) -> None:
    await with_shops(app_client, 9, 9)
    for order_id, steps in (("c", 0), ("a", 1), ("gone", 4), ("d", 3), ("b", 2)):
        await at_near(app_client, order_id, steps)
    await at_near(app_client, "cancelled")
    await acted(app_client, "cancelled", "cancel")
    before = [await order_now(app_client, order_id) for order_id in "cadb"]
    assert await left_at(app_client) == ["c", "a", "d", "b"]
    assert [await order_now(app_client, order_id) for order_id in "cadb"] == before
    assert (await reserved_by_database(app_client), await reserved(app_client, "middle")) == (4, 0)
    # They can still be brought to their end there.
    for order_id in "ca":
        await acted(app_client, order_id, "cancel")
    await acted(app_client, "d", "pick-up", attempt=1)
    assert await left_at(app_client) == ["b"]


async def reserved_by_database(api: Api) -> int:
    """What is reserved at the nearest shop, whose shelf no route shows once it is out of service."""
    async with api.app.state.service.database.connection() as connection:
        return int(
            await connection.fetchval(
                "SELECT coalesce(sum(reserved), 0) FROM shelves JOIN store_directory d USING (cell, store_no)"
                " WHERE d.store_id = 'near'"
            )
        )


async def test_what_is_not_ready_yet_moves_to_other_stores_that_can_and_the_rest_is_listed(app_client: Api) -> None:
    await with_shops(app_client, 9, 4, 1)
    await at_near(app_client, "held")
    await at_near(app_client, "too-much", 1, quantity=5)
    await at_near(app_client, "confirmed", 1)
    await at_near(app_client, "ready", 3)
    await at_near(app_client, "accepted", 2)
    confirmed, accepted = [await order_now(app_client, order_id) for order_id in ("confirmed", "accepted")]
    assert await left_at(app_client, reassign=True) == ["too-much", "ready"]
    assert await where(app_client, "held", "confirmed", "accepted") == [
        ("middle", "held", 2),
        ("middle", "confirmed", 2),
        ("middle", "confirmed", 2),
    ]
    assert await where(app_client, "too-much", "ready") == [("near", "confirmed", 1), ("near", "ready", 1)]
    for before in (confirmed, accepted):
        assert (await order_now(app_client, before["order_id"]))["promised_by"] == before["promised_by"]
    last = (await events_of(app_client, "accepted"))[-1]
    assert (last["event"], last["detail"]) == ("reassigned", {"from_store_id": "near"})
    assert (await reserved_by_database(app_client), await reserved(app_client, "middle")) == (6, 3)
    assert await open_orders(app_client, "middle") == 3


# ── the same again ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_whoever_has_deleted_a_store_may_still_have_its_orders_moved(app_client: Api) -> None:
    await with_shops(app_client, 9, 9)
    await at_near(app_client, "o-1")
    await at_near(app_client, "o-2", 3)
    assert await left_at(app_client) == ["o-1", "o-2"]
    assert await left_at(app_client) == ["o-1", "o-2"]
    assert await left_at(app_client, reassign=True) == ["o-2"]
    assert await left_at(app_client, reassign=True) == ["o-2"]
    assert await where(app_client, "o-1", "o-2") == [("middle", "held", 2), ("near", "ready", 1)]


async def test_a_deletion_that_could_not_move_every_order_is_finished_by_the_next(
    database_url: str, tmp_path: Path
) -> None:
    async with worker(database_url, tmp_path, clock=clock_of_now(), write_wait_s=0.3) as api:
        await with_shops(api, 9, 9)
        await at_near(api, "o-1", 1)
        async with api.app.state.service.database.transaction() as holder:
            await holder.execute("SELECT FROM stores WHERE store_id = 'middle' FOR UPDATE")
            assert_problem(await delete(api, reassign=True), 503)
        assert await left_at(api, reassign=True) == []
        assert await where(api, "o-1") == [("middle", "confirmed", 2)]


async def test_every_deletion_tells_a_version_that_shows_the_removal(app_client: Api) -> None:
    await with_shops(app_client, 9, 9)
    first, second = await delete(app_client), await delete(app_client)
    assert second.json() == first.json()
    versions = [Version.decode(answer.headers["dispatch-version"]) for answer in (first, second)]
    assert versions[0]
    assert versions[0].reached_by(versions[1])
    assert_problem(await app_client.get("/v1/stores/near"), 404, "store_not_found")


async def test_only_what_never_was_a_store_is_not_found(app_client: Api) -> None:
    await with_shops(app_client, 9)
    for reassign in (False, True):
        assert_problem(await delete(app_client, "none", reassign=reassign), 404, "store_not_found")
    await app_client.put_store("near", 35.01, 135.77)
    assert await left_at(app_client) == []
    assert await left_at(app_client, reassign=True) == []
    # A deletion that comes again too late is one of the store that has come back.
    await app_client.put_store("near", 35.01, 135.77)
    assert await left_at(app_client) == []
    assert_problem(await app_client.get("/v1/stores/near"), 404, "store_not_found")


# ── when it does not go well ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_deletion_that_never_gets_its_turn_is_busy(app_client: Api) -> None:
    await with_shops(app_client, 9)
    async with app_client.app.state.service.database.connection() as connection:
        await connection.execute(
            """
            CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40P01'; END $$;
            CREATE TRIGGER lose BEFORE UPDATE ON cell_heads FOR EACH STATEMENT EXECUTE FUNCTION lose()
            """
        )
        answer = await delete(app_client)
        await connection.execute("DROP TRIGGER lose ON cell_heads")
    assert_problem(answer, 503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    assert (await app_client.get("/v1/stores/near")).status_code == 200
    assert await left_at(app_client) == []


async def test_an_order_whose_id_is_ambiguous_stays_listed_and_the_others_move(
    app_client: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has changed since it was read, and by its id nobody can tell any more which of the two it was."""
    await with_shops(app_client, 9, 9)
    await at_near(app_client, "twice", 1)
    await at_near(app_client, "once")
    looks = 0

    async def changed_meanwhile(database: Database, store_no: int) -> list[StoredOrder]:
        nonlocal looks
        looks += 1
        found = await open_orders_of_store(database, store_no)
        if looks == 1:
            await acted(app_client, "twice", "accept", attempt=1)
            await double(app_client, "twice")
        return found

    monkeypatch.setattr(leaving, "open_orders_of_store", changed_meanwhile)
    assert await left_at(app_client, reassign=True) == ["twice", "twice"]
    assert looks == 2
    assert await where(app_client, "once") == [("middle", "held", 2)]


async def double(api: Api, order_id: str) -> None:
    """As two first requests at the same moment, to places far apart, may both stand."""
    columns = (
        "client, order_id, revision, status, attempt, store_cell, store_no, due_at, hold_expires_at, promised_by,"
        " created_at, updated_at, fingerprint, request, store, eta, lines"
    )
    async with api.app.state.service.database.connection() as connection:
        done = await connection.execute(
            f"INSERT INTO orders (cell, {columns}) SELECT cell + 1, {columns} FROM orders WHERE order_id = $1", order_id
        )
        assert done == "INSERT 0 1"
