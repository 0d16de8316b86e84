"""What falls due by itself: holds that run out, orders that nobody accepts, shortages to be told, goods withheld."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
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
    """Sweep until cancelled. Every worker does: whoever comes second finds it done.

    Missed orders look for another store, which takes its time; no hold may wait for that.
    """
    await asyncio.gather(_keep(ordering, sweep_holds), _keep(ordering, sweep_missed))


async def _keep(ordering: Ordering, sweep_some: Callable[[Ordering], Awaitable[bool]]) -> None:
    while True:
        # Not all workers at the same moment.
        await asyncio.sleep(EVERY_S * random.uniform(0.5, 1.0))
        try:
            while await sweep_some(ordering):
                pass
        except DispatchError as error:
            _log.info("sweep_postponed", reason=str(error))
        except Exception as error:
            # Whatever it was, the next round tries again: nothing else would ever free those goods.
            _log.warning("sweep_failed", exc_info=error)


async def sweep(ordering: Ordering) -> None:
    """One round of all."""
    await sweep_holds(ordering)
    await sweep_missed(ordering)


async def sweep_holds(ordering: Ordering) -> bool:
    """End a small batch of holds that have run out, tell shortages, release what was withheld; whether to go on."""
    due = await due_orders(ordering.database, Status.HELD, _MOST_AT_ONCE)
    ended = await _all(_run_out(ordering, order) for order in due)
    short = await short_orders(ordering.database, _MOST_AT_ONCE)
    told = await _all(tell_shortage(ordering, order) for order in short)
    released = [
        await release_withheld(ordering.database, cell, most=_MOST_AT_ONCE)
        for cell in await withheld_due(ordering.database)
    ]
    return ended and told and max(len(due), len(short), *released, 0) >= _MOST_AT_ONCE


async def sweep_missed(ordering: Ordering) -> bool:
    """Move on a small batch of the orders that nobody has accepted in time; whether to go on at once."""
    due = await due_orders(ordering.database, Status.CONFIRMED, _MOST_AT_ONCE)
    return await _all(_miss(ordering, order) for order in due) and len(due) >= _MOST_AT_ONCE


async def _all(works: Iterable[Awaitable[object]]) -> bool:
    """Do all, and tell whether all was done; one that fails leaves the others alone, and waits for the next round."""
    done = True
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, DispatchError):
            _log.info("sweep_left_one", reason=str(result))
        elif isinstance(result, BaseException):
            _log.warning("sweep_left_one", exc_info=result)
        done = done and not isinstance(result, BaseException)
    return done


async def _run_out(ordering: Ordering, order: StoredOrder) -> None:
    await expire(ordering, order, time.monotonic() + ordering.wait_s)


async def _miss(ordering: Ordering, order: StoredOrder) -> None:
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
