"""What is told of a hold at the moment it runs out, while somebody who came in time is still ending it."""

import asyncio

import asyncpg
import httpx
import pytest

from tests.api.client import Api, Clock, assert_problem
from tests.api.shop import act, clock_of_now, order_now, order_of, placed, put_order, with_shops

CANCELLED_IN_TIME = """
    UPDATE orders SET status = 'cancelled', revision = 2, due_at = NULL, hold_expires_at = NULL WHERE order_id = 'o-1'
"""


@pytest.fixture
def clock() -> Clock:
    return clock_of_now()


async def test_nobody_is_told_that_a_hold_has_expired_while_it_is_being_cancelled(
    app_client: Api, database_url: str
) -> None:
    """A commit that began just before the end lands just after it; whoever reads in between waits for it."""
    await with_shops(app_client, 2)
    await placed(app_client, "o-1", order_of(hold_s=1))
    connection = await asyncpg.connect(database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(CANCELLED_IN_TIME)
    await asyncio.sleep(1.1)

    async def confirm() -> httpx.Response:
        return await act(app_client, "o-1", "confirm")

    told = asyncio.gather(order_now(app_client, "o-1"), confirm(), put_order(app_client, "o-1", order_of(hold_s=1)))
    await asyncio.sleep(0.3)
    await transaction.commit()
    await connection.close()
    now, refused, again = await told
    assert now["status"] == "cancelled"
    assert assert_problem(refused, 409, "invalid_transition")["order_status"] == "cancelled"
    assert again.json()["status"] == "cancelled"
