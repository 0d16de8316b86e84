"""Place an order: choose, promise and hold in one transaction; the same request again changes nothing."""

import time
from dataclasses import dataclass

from dispatch.domain.errors import OrderIdReused
from dispatch.domain.orders import Status
from dispatch.domain.question import Question
from dispatch.domain.versions import Version
from dispatch.replica.replica import Replica
from dispatch.services.orders.options import Found
from dispatch.services.orders.ordering import Hunt, Ordering, refusal
from dispatch.services.orders.wishes import Wish, wish_text
from dispatch.storage.order_writes import NewEvent, NewOrder, OrderWrite
from dispatch.storage.orders import StoredOrder
from geo.cells import cell_of

__all__ = ["OrderRequest", "Placed", "Refusal", "place_order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One request. ``fingerprint`` is the same for requests of the same content; ``customer`` is JSON."""

    client: str
    order_id: str
    fingerprint: bytes
    wish: Wish
    channel: str | None = None
    campaign: str | None = None
    customer: str | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """``created``: by this request; else it was there, and is told as it is now, which ``version`` shows."""

    order: StoredOrder
    created: bool
    version: Version


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no store can, by the replica that said so."""

    found: Found
    replica: Replica
    lag_s: float


async def place_order(ordering: Ordering, request: OrderRequest) -> Placed:
    """Place it, or find it placed.

    Raises OrderIdReused, OrderIdAmbiguous, NoStoreCanFulfil, PriceChanged; Busy and DatabaseUnavailable when nothing is
    held, OutcomeUnknown when it may be.
    """
    wish, deadline = request.wish, time.monotonic() + ordering.wait_s
    hunt = Hunt(ordering, wish.most_prices, deadline)

    def ask(_replica: Replica) -> Question:
        # It may be confirmed as late as its hold allows.
        return wish.question(now_s=ordering.now_s(), hold_s=wish.hold_s, explain=request.explain)

    while True:
        found = await hunt.options(ask)
        assert found is not None, "there is always something to ask"
        if not found.options:
            there = await ordering.find(request.client, request.order_id, fingerprint=request.fingerprint)
            if there is not None:
                return await _again(ordering, there, request)
            raise refusal(found, Refusal(found, ordering.follower.replica, ordering.follower.lag_s))
        written = await ordering.write(_write(ordering, request, found), deadline)
        if written.outcome == "written" and written.order is not None:
            return Placed(written.order, True, written.version)
        if written.outcome == "exists" and written.order is not None:
            return await _again(ordering, await ordering.settled(written.order), request)
        await hunt.lost(written, found)


def _write(ordering: Ordering, request: OrderRequest, found: Found) -> OrderWrite:
    status = Status.HELD if request.wish.hold_s else Status.CONFIRMED
    return OrderWrite(
        cell=cell_of(request.wish.destination),
        client=request.client,
        order_id=request.order_id,
        revision=0,
        status=status,
        attempt=1,
        events=(NewEvent(status.value, status, 1),),
        options=found.options,
        takes=True,
        due_s=request.wish.hold_s or ordering.accept_s,
        new=NewOrder(request.fingerprint, request.channel, request.campaign, wish_text(request.wish), request.customer),
    )


async def _again(ordering: Ordering, order: StoredOrder, request: OrderRequest) -> Placed:
    if order.fingerprint != request.fingerprint:
        raise OrderIdReused(
            f"there is an order {order.order_id}, and it was another request; choose a new id for a new order"
        )
    return Placed(order, False, await ordering.version_of(order))
