"""The open orders of a store that goes out of service."""

import asyncio
from typing import Final

from dispatch.domain.errors import NoStoreCanFulfil, OrderIdAmbiguous, PriceChanged
from dispatch.domain.orders import Action, InvalidTransition, Status
from dispatch.domain.versions import Version
from dispatch.services.orders.acting import Asked, act_on
from dispatch.services.orders.ordering import Ordering
from dispatch.storage.orders import StoredOrder, open_orders_of_store
from dispatch.storage.stores import find_store

# Those not yet ready can still be prepared elsewhere.
_CAN_MOVE: Final = frozenset({Status.HELD, Status.CONFIRMED, Status.ACCEPTED})
_AT_ONCE: Final = 32


async def leave_store(ordering: Ordering, store_id: str, *, reassign: bool) -> tuple[list[StoredOrder], Version]:
    """What is still open at a store, oldest first, and the version of what was moved from it.

    ``reassign`` moves what is not yet ready to other stores. What no other store can fulfil stays, and what was changed
    meanwhile while another order has its id. To do it again moves what is left. Raises StoreNotFound; Busy,
    DatabaseUnavailable and OutcomeUnknown, when some may have been moved and some not.
    """
    async with ordering.database.connection() as connection:
        key = await find_store(connection, store_id)
    version = Version()
    if reassign:
        turn = asyncio.Semaphore(_AT_ONCE)
        open_there = await open_orders_of_store(ordering.database, key.store_no)
        movable = [order for order in open_there if order.status in _CAN_MOVE]
        for moved in await asyncio.gather(*(_move(ordering, order, turn) for order in movable)):
            version.merge(moved)
    left = await open_orders_of_store(ordering.database, key.store_no)
    # A hold that has run out is open no more, whether that is written down or not.
    return [order for order in left if order.status is not Status.EXPIRED], version


async def _move(ordering: Ordering, order: StoredOrder, turn: asyncio.Semaphore) -> Version:
    async with turn:
        try:
            acted = await act_on(ordering, order, Asked(action=Action.REASSIGN, attempt=order.attempt))
        except (NoStoreCanFulfil, PriceChanged, InvalidTransition, OrderIdAmbiguous):
            # Ambiguous is only what has changed since it was listed; it is listed again as it is now.
            return Version()
    return acted.version
