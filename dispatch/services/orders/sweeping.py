"""What falls due by itself: holds that run out, orders that nobody accepts, shortages to be told, goods withheld."""

import asyncio
import random
import time
from collections.abc import Awaitable, Iterable
from typing import Final

import structlog

from dispatch.domain.errors import DispatchError
from dispatch.domain.orders import Action, Goods, Status
from dispatch.services.orders.acting import Asked, act_on
from dispatch.services.orders.ordering import Ordering, expire, touched
from dispatch.services.orders.wishes import text_of
from dispatch.storage.order_writes import NewEvent, OrderWrite
from dispatch.storage.orders import StoredOrder, due_orders, short_lines, short_orders
from dispatch.storage.withholding import release_withheld, withheld_due

# Goods of a hold that has run out are free within 2 s.
EVERY_S: Final = 0.5
_MOST_AT_ONCE: Final = 64

_log = structlog.get_logger(__name__)


async def keep_sweeping(ordering: Ordering) -> None:
    """Sweep until cancelled. Every worker does: whoever comes second finds it done."""
    while True:
        # Not all workers at the same moment.
        await asyncio.sleep(EVERY_S * random.uniform(0.5, 1.0))
        try:
            while await sweep(ordering) >= _MOST_AT_ONCE:
                pass
        except DispatchError as error:
            _log.info("sweep_postponed", reason=str(error))
        except Exception as error:
            # Whatever it was, the next round tries again: nothing else would ever free those goods.
            _log.warning("sweep_failed", exc_info=error)


async def sweep(ordering: Ordering) -> int:
    """One round, a small batch; how much there was to do."""
    due = await due_orders(ordering.database, _MOST_AT_ONCE)
    await _all(_fall_due(ordering, order) for order in due)
    short = await short_orders(ordering.database, _MOST_AT_ONCE)
    await _all(tell_shortage(ordering, order) for order in short)
    released = [
        await release_withheld(ordering.database, cell, most=_MOST_AT_ONCE)
        for cell in await withheld_due(ordering.database)
    ]
    return max(len(due), len(short), *released, 0)


async def _all(works: Iterable[Awaitable[object]]) -> None:
    """Do all; one that fails leaves the others alone, and is tried again in the next round."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, DispatchError):
            _log.info("sweep_left_one", reason=str(result))
        elif isinstance(result, BaseException):
            _log.warning("sweep_left_one", exc_info=result)


async def _fall_due(ordering: Ordering, order: StoredOrder) -> None:
    if order.lapsed:
        await expire(ordering, order, time.monotonic() + ordering.wait_s)
    else:
        await act_on(ordering, order, Asked(action=Action.MISS, attempt=order.attempt))


async def tell_shortage(ordering: Ordering, order: StoredOrder) -> None:
    """Write into an order's history that its goods are no longer all there."""
    lines = await short_lines(ordering.database, order)
    if not lines:
        return
    detail = text_of({"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines]})
    # Of a hold that has run out by now the sweeper writes that first, and with it the reservation ends.
    status = Status.HELD if order.lapsed else order.status
    write = OrderWrite(
        cell=order.cell,
        client=order.client,
        order_id=order.order_id,
        revision=order.revision,
        status=status,
        attempt=order.attempt,
        events=(NewEvent("stock_short", status, order.attempt, order.store_id, detail),),
        at=order.at,
        goods=Goods.TOLD_SHORT,
        touched_sku_nos=touched(ordering.follower.replica, order),
    )
    await ordering.write(write, time.monotonic() + ordering.wait_s)
