"""Act on an order: decide what the action means for it as it is, and have just that written.

Whoever came between has changed its revision: then it is read again, and decided again.
"""

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from msgspec import structs

from dispatch.domain.answer import Candidate
from dispatch.domain.errors import Busy, InvalidInput
from dispatch.domain.orders import (
    Action,
    Change,
    DeclineReason,
    Goods,
    Search,
    Status,
    decide,
    declined_skus,
    elsewhere,
)
from dispatch.domain.question import Question
from dispatch.domain.versions import Version
from dispatch.replica.replica import Replica
from dispatch.services.orders.options import Found, option_of, promise_kept_by, reopens_at_s, sku_nos_of
from dispatch.services.orders.ordering import Hunt, Ordering, refusal, skus_of, touched
from dispatch.services.orders.placing import Refusal
from dispatch.services.orders.wishes import text_of, wish_of, without
from dispatch.storage.order_writes import NewEvent, OrderWrite
from dispatch.storage.orders import OrderWritten, StoredOrder

# How long a store that is too busy gets no new orders.
TOO_BUSY_S: Final = 900
# Of an order that was written so lately a replica may not have heard yet.
_JUST_NOW_S: Final = 2.0

_EVENTS: Final = {
    Action.CONFIRM: "confirmed",
    Action.CANCEL: "cancelled",
    Action.ACCEPT: "accepted",
    Action.READY: "ready",
    Action.PICK_UP: "picked_up",
    Action.DELIVER: "delivered",
    Action.FAIL: "failed",
    Action.RETURN: "returned",
    Action.EXPIRE: "expired",
}
_LEAVING_EVENTS: Final = {Action.DECLINE: "declined", Action.MISS: "not_accepted", Action.CONFIRM: "promise_lost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of an order. ``reason`` and ``skus`` of a decline, ``store_id`` of a reassignment."""

    action: Action
    attempt: int | None = None
    reason: DeclineReason | None = None
    skus: tuple[str, ...] = ()
    store_id: str | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """The order as it is now, what a read must have seen to see it so, and whether this has changed it."""

    order: StoredOrder
    version: Version
    changed: bool


async def act(ordering: Ordering, client: str, order_id: str, asked: Asked) -> Acted:
    """Do it, or find it done.

    Raises OrderNotFound, OrderIdAmbiguous, WrongAttempt, InvalidTransition, InvalidInput for skus that are not the
    order's; of a reassignment NoStoreCanFulfil; Busy, DatabaseUnavailable, OutcomeUnknown.
    """
    return await act_on(ordering, await ordering.get(client, order_id), asked)


async def act_on(ordering: Ordering, order: StoredOrder, asked: Asked) -> Acted:
    """As ``act``, of an order that was read just now."""
    deadline = time.monotonic() + ordering.wait_s
    hunt = Hunt(ordering, wish_of(order.request).most_prices, deadline)
    await ordering.know_goods_of(skus_of(order), deadline)
    while True:
        written = await _Step(ordering, order, asked, hunt).taken(deadline)
        if written is None:
            return Acted(order, await ordering.version_of(order), False)
        if written.outcome == "written":
            assert written.order is not None, "an order that was changed is there"
            return Acted(written.order, written.version, True)
        if time.monotonic() > deadline:
            raise Busy("others keep changing this order, or taking the goods for it; nothing was changed")
        if written.outcome == "changed":
            order = await ordering.get(order.client, order.order_id)


class _Step:
    """One try: an order as it was read, and what is to become of it."""

    def __init__(self, ordering: Ordering, order: StoredOrder, asked: Asked, hunt: Hunt) -> None:
        self._ordering = ordering
        self._order = order
        self._asked = asked
        self._hunt = hunt

    async def taken(self, deadline: float) -> OrderWritten | None:
        """What came of it; None if there is nothing to do."""
        order, asked = self._order, self._asked
        # Only for writing it down is a hold that has run out still a hold.
        status = Status.HELD if order.lapsed and asked.action is Action.EXPIRE else order.status
        change = decide(
            status,
            order.attempt,
            asked.action,
            asked_attempt=asked.attempt,
            goods_leave=order.goods_leave,
            till_reports_orders=order.till_reports_orders,
        )
        if change is None:
            return None
        if change.search is Search.NOTHING:
            return await self._ordering.write(self._stay(change), deadline)
        if change.search is Search.ETA:
            kept = await self._kept()
            if kept is not None:
                return await self._ordering.write(self._confirmed(change, kept), deadline)
            change = elsewhere(change, status)
        found = await self._hunt.options(self._elsewhere)
        if found is None or not found.options:
            if found is not None and asked.action is Action.REASSIGN:
                follower = self._ordering.follower
                raise refusal(found, Refusal(found, follower.replica, follower.lag_s), moving=True)
            return await self._ordering.write(self._nowhere(change), deadline)
        written = await self._ordering.write(self._moved(change, found), deadline)
        if written.outcome == "lost":
            await self._hunt.lost(written, found)
        return written

    # ── who else ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _kept(self) -> tuple[Candidate, Replica, Question] | None:
        """The store's promise, made anew from now; None if it cannot keep it any more.

        A replica that is behind must not say so, nor take the order for one that the store has not yet.
        """
        if self._ordering.now_s() - self._order.updated_at.timestamp() < _JUST_NOW_S:
            await self._hunt.hear()
        kept = await self._promise_kept()
        if kept is None and await self._hunt.hear():
            kept = await self._promise_kept()
        return kept

    async def _promise_kept(self) -> tuple[Candidate, Replica, Question] | None:
        replica = self._ordering.follower.replica
        question = wish_of(self._order.request).question(now_s=self._ordering.now_s())
        # The store has the order, perhaps by the word of whoever moved it there.
        question = structs.replace(question, exclude_stores=frozenset(), only_stores=None)
        ask = partial(promise_kept_by, replica, question, self._order.store_id or "")
        promise = await self._ordering.roads.answer(question.destination, ask, otherwise=replica.travel)
        return (promise, replica, question) if isinstance(promise, Candidate) else None

    def _elsewhere(self, _replica: Replica) -> Question | None:
        """Who else can, within what is left of the promise; None once nothing is left."""
        order, now_s = self._order, self._ordering.now_s()
        here = frozenset({order.store_id or ""})
        question = wish_of(order.request).question(now_s=now_s)
        question = structs.replace(question, declined_by=frozenset(json.loads(order.declined_by)))
        left_s = None if order.promised_by is None else int(order.promised_by.timestamp()) - now_s
        if self._asked.action is Action.REASSIGN:
            return self._reassigned(without(question, here), left_s)
        if left_s is not None and left_s < 0:
            return None
        question = structs.replace(question, declined_by=question.declined_by | here)
        return question if left_s is None else structs.replace(question, promise_s=left_s)

    def _reassigned(self, question: Question, left_s: int | None) -> Question:
        """Whom ops may give it to: whoever they name, or whoever keeps the promise while anybody can."""
        order = self._order
        if order.status is Status.HELD and order.hold_expires_at is not None:
            # It may still be confirmed as late as its hold allows.
            question = structs.replace(question, hold_s=max(0, int(order.hold_expires_at.timestamp()) - question.now_s))
        if self._asked.store_id is not None:
            # Whoever names a store has asked it.
            return structs.replace(question, only_stores=frozenset({self._asked.store_id}), declined_by=frozenset())
        # Late is better than never: what was promised stays written down.
        return question if left_s is None or left_s < 0 else structs.replace(question, promise_s=left_s)

    # ── what is written ────────────────────────────────────────────────────────────────────────────────────────

    def _stay(self, change: Change) -> OrderWrite:
        """The order remains at its store, or ends there."""
        order = self._order
        return self._base(
            change,
            status=change.status,
            attempt=order.attempt,
            events=(NewEvent(_EVENTS[change.action], change.status, order.attempt, order.store_id),),
        )

    def _confirmed(self, change: Change, kept: tuple[Candidate, Replica, Question]) -> OrderWrite:
        candidate, replica, question = kept
        return replace(
            self._stay(change), options=(option_of(replica, question, candidate),), due_s=self._ordering.accept_s
        )

    def _moved(self, change: Change, found: Found) -> OrderWrite:
        order, attempt = self._order, self._order.attempt + 1
        if change.action is Action.REASSIGN:
            detail = text_of({"from_store_id": order.store_id})
            events: tuple[NewEvent, ...] = (NewEvent("reassigned", change.status, attempt, None, detail),)
        else:
            events = (self._left(), NewEvent("moved", change.status, attempt))
        return self._base(
            change,
            status=change.status,
            attempt=attempt,
            events=events,
            options=found.options,
            takes=True,
            due_s=self._ordering.accept_s,
        )

    def _nowhere(self, change: Change) -> OrderWrite:
        """Nobody else can: the order ends."""
        order = self._order
        end = NewEvent("unfulfillable", Status.UNFULFILLABLE, order.attempt)
        return self._base(
            change, status=Status.UNFULFILLABLE, attempt=order.attempt, events=(self._left(), end), takes=False
        )

    def _left(self) -> NewEvent:
        """Why its store no longer has it."""
        order, asked = self._order, self._asked
        detail: dict[str, Any] | None = None
        if asked.reason is not None:
            detail = {"reason": asked.reason.value, "skus": declined_skus(asked.reason, asked.skus, skus_of(order))}
        told = None if detail is None else text_of(detail)
        return NewEvent(_LEAVING_EVENTS[asked.action], order.status, order.attempt, order.store_id, told)

    def _base(self, change: Change, **fields: Any) -> OrderWrite:
        order, replica = self._order, self._ordering.follower.replica
        # A store that an order is taken from has not declined it.
        leaves = change.search is Search.OTHER_STORE and change.action is not Action.REASSIGN
        write = OrderWrite(
            cell=order.cell,
            client=order.client,
            order_id=order.order_id,
            revision=order.revision,
            when_due=change.action in (Action.EXPIRE, Action.MISS),
            at=order.at,
            goods=change.goods,
            closes_one=change.closes_one,
            touched_sku_nos=() if change.goods is Goods.KEEP else touched(replica, order),
            **fields,
        )
        if not leaves or order.store_id is None:
            return write
        declined_by = text_of(sorted({*json.loads(order.declined_by), order.store_id}))
        return replace(write, declined_by=declined_by, **self._of_the_store(replica, order.store_id))

    def _of_the_store(self, replica: Replica, store_id: str) -> dict[str, Any]:
        """What a declining store has said of itself, and is believed."""
        asked, order = self._asked, self._order
        match asked.reason:
            case DeclineReason.OUT_OF_STOCK:
                ordered = skus_of(order)
                strangers = [i for i, sku in enumerate(asked.skus) if sku not in ordered]
                if strangers:
                    raise InvalidInput([(f"/skus/{strangers[0]}", "is not a line of this order")])
                skus = declined_skus(asked.reason, asked.skus, ordered)
                return {"withheld_sku_nos": frozenset(sku_nos_of(replica, skus))}
            case DeclineReason.CLOSED:
                until_s = reopens_at_s(replica, store_id, self._ordering.now_s())
                return {"closed_until": datetime.fromtimestamp(until_s, UTC)}
            case DeclineReason.TOO_BUSY:
                return {"busy_s": TOO_BUSY_S}
            case _:
                return {}
