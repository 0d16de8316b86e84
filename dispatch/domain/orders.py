"""What may become of an order, and what that means for its goods and its store. Pure: a decision, nothing is done.

held → confirmed → accepted → ready → picked_up → delivered
held → expired        held | confirmed | accepted | ready → cancelled
confirmed | accepted | ready → (decline) → confirmed at another store, attempt + 1 | unfulfillable
picked_up → failed → returned
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dispatch.domain.errors import DispatchError


class Status(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    READY = "ready"
    PICKED_UP = "picked_up"
    DELIVERED = "delivered"
    FAILED = "failed"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNFULFILLABLE = "unfulfillable"


class Action(StrEnum):
    """What can be asked of an order; the last three only by the service itself or on behalf of a store's owner."""

    CONFIRM = "confirm"
    CANCEL = "cancel"
    ACCEPT = "accept"
    DECLINE = "decline"
    READY = "ready"
    PICK_UP = "pick-up"
    DELIVER = "deliver"
    FAIL = "fail"
    RETURN = "return"
    REASSIGN = "reassign"
    EXPIRE = "expire"
    MISS = "miss"  # nobody has accepted it in time


class DeclineReason(StrEnum):
    OUT_OF_STOCK = "out_of_stock"
    CLOSED = "closed"
    TOO_BUSY = "too_busy"
    OTHER = "other"


class GoodsLeave(StrEnum):
    """When the goods of an order are no longer on the shelf that is counted; a partner's setting."""

    READY = "ready"
    PICKED_UP = "picked_up"


class Goods(StrEnum):
    """What becomes of an order's goods at the store it is at."""

    KEEP = "keep"
    RELEASE = "release"  # nothing has left: only the reservation ends
    LEAVE = "leave"
    PUT_BACK = "put_back"  # the reservation ends, and what has left comes back
    TOLD_SHORT = "told_short"  # they stay, though a count has left too few of them, which is told now


class Search(StrEnum):
    """What has to be found before the change can be made."""

    NOTHING = "nothing"
    ETA = "eta"  # the store's own promise anew; another store if it can no longer keep it
    OTHER_STORE = "other_store"


COUNTS_AS_OPEN: Final = frozenset({Status.HELD, Status.CONFIRMED, Status.ACCEPTED})
MOVABLE: Final = (Status.CONFIRMED, Status.ACCEPTED, Status.READY)

# Where each action leads, and from where.
_STEPS: Final[dict[Action, tuple[Status, tuple[Status, ...]]]] = {
    Action.CONFIRM: (Status.CONFIRMED, (Status.HELD,)),
    Action.CANCEL: (Status.CANCELLED, (Status.HELD, *MOVABLE)),
    Action.ACCEPT: (Status.ACCEPTED, (Status.CONFIRMED,)),
    Action.READY: (Status.READY, (Status.ACCEPTED,)),
    Action.PICK_UP: (Status.PICKED_UP, (Status.READY,)),
    Action.DELIVER: (Status.DELIVERED, (Status.PICKED_UP,)),
    Action.FAIL: (Status.FAILED, (Status.PICKED_UP,)),
    Action.RETURN: (Status.RETURNED, (Status.FAILED,)),
    Action.EXPIRE: (Status.EXPIRED, (Status.HELD,)),
    Action.DECLINE: (Status.CONFIRMED, MOVABLE),
    Action.MISS: (Status.CONFIRMED, (Status.CONFIRMED,)),
    Action.REASSIGN: (Status.CONFIRMED, (Status.HELD, *MOVABLE)),
}
# A step that lies behind an order was taken: asking for it again, late, changes nothing and is no fault.
_BEHIND: Final[dict[Action, frozenset[Status]]] = {
    # A confirmation that no store could keep any more ended the order; asked again, it is told the same.
    Action.CONFIRM: frozenset(
        {Status.CONFIRMED, Status.ACCEPTED, Status.READY, Status.PICKED_UP, Status.DELIVERED, Status.FAILED,
         Status.RETURNED, Status.UNFULFILLABLE}
    ),
    Action.CANCEL: frozenset({Status.CANCELLED}),
    Action.ACCEPT: frozenset(
        {Status.ACCEPTED, Status.READY, Status.PICKED_UP, Status.DELIVERED, Status.FAILED, Status.RETURNED}
    ),
    Action.READY: frozenset({Status.READY, Status.PICKED_UP, Status.DELIVERED, Status.FAILED, Status.RETURNED}),
    Action.PICK_UP: frozenset({Status.PICKED_UP, Status.DELIVERED, Status.FAILED, Status.RETURNED}),
    Action.DELIVER: frozenset({Status.DELIVERED}),
    Action.FAIL: frozenset({Status.FAILED, Status.RETURNED}),
    Action.RETURN: frozenset({Status.RETURNED}),
    Action.EXPIRE: frozenset({Status.EXPIRED}),
    Action.DECLINE: frozenset({Status.UNFULFILLABLE}),
    Action.MISS: frozenset({Status.UNFULFILLABLE}),
    Action.REASSIGN: frozenset(),
}  # fmt: skip
# What a client or store may ask; the others are the service's own.
ASKED: Final = tuple(action for action in Action if action not in (Action.EXPIRE, Action.MISS))
WITH_ATTEMPT: Final = frozenset(ASKED) - {Action.CONFIRM, Action.CANCEL}


class WrongAttempt(DispatchError):
    """The attempt named has never been."""

    code = "wrong_attempt"


class InvalidTransition(DispatchError):
    """The order's status forbids it; ``allowed`` are the actions that it allows."""

    code = "invalid_transition"

    def __init__(self, what: str, status: Status) -> None:
        self.status = status
        self.allowed = allowed_in(status)
        can = ", ".join(self.allowed) or "nothing more"
        super().__init__(f"an order that is {status} cannot {what}; it can {can}")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an order, decided but not made.

    ``closes_one``: it no longer counts among its store's open orders. ``status`` is what it comes to if what
    ``search`` asks for is found.
    """

    action: Action
    status: Status
    goods: Goods
    closes_one: bool
    search: Search = Search.NOTHING


def allowed_in(status: Status) -> list[str]:
    """What a client or store may ask of an order in this status, in the order of its life."""
    return [action.value for action in ASKED if status in _STEPS[action][1]]


def decide(
    status: Status,
    attempt: int,
    action: Action,
    *,
    asked_attempt: int | None,
    goods_leave: GoodsLeave,
    till_reports_orders: bool,
) -> Change | None:
    """The change that ``action`` makes; None if it is so already, or the attempt that is meant has been left.

    Raises WrongAttempt for an attempt that never was, InvalidTransition for what the status forbids.
    """
    if asked_attempt is not None and asked_attempt != attempt:
        if asked_attempt > attempt:
            raise WrongAttempt(f"there is no attempt {asked_attempt}; the order is at attempt {attempt}")
        return None
    if status in _BEHIND[action]:
        return None
    to, froms = _STEPS[action]
    if status not in froms:
        raise InvalidTransition(action, status)
    closes_one = status in COUNTS_AS_OPEN and to not in COUNTS_AS_OPEN
    match action:
        case Action.CONFIRM:
            return Change(action, to, Goods.KEEP, False, Search.ETA)
        case Action.DECLINE | Action.MISS | Action.REASSIGN:
            # An order that is still held stays so at the other store.
            to = Status.HELD if status is Status.HELD else to
            return Change(action, to, _given_up(status), status in COUNTS_AS_OPEN, Search.OTHER_STORE)
        case Action.CANCEL | Action.EXPIRE:
            return Change(action, to, _given_up(status), closes_one)
        case Action.RETURN:
            return Change(action, to, Goods.PUT_BACK, closes_one)
        case Action.PICK_UP:
            return Change(action, to, _leaving(till_reports_orders), closes_one)
        case Action.READY if goods_leave is GoodsLeave.READY:
            return Change(action, to, _leaving(till_reports_orders), closes_one)
        case _:
            return Change(action, to, Goods.KEEP, closes_one)


def elsewhere(change: Change, status: Status) -> Change:
    """The same change of an order in this status, made at another store since its own can no longer keep it."""
    return Change(change.action, change.status, _given_up(status), status in COUNTS_AS_OPEN, Search.OTHER_STORE)


def _given_up(status: Status) -> Goods:
    """Nobody knows of a hold but who has it; of what is confirmed a till may have rung up some already."""
    return Goods.RELEASE if status is Status.HELD else Goods.PUT_BACK


def _leaving(till_reports_orders: bool) -> Goods:
    """Where the till counts the sale itself, only the reservation ends."""
    return Goods.RELEASE if till_reports_orders else Goods.LEAVE


def declined_skus(reason: DeclineReason, named: Sequence[str], ordered: Sequence[str]) -> list[str]:
    """What a declining store says it has not: the skus named, or all lines; nothing for another reason."""
    if reason is not DeclineReason.OUT_OF_STOCK:
        return []
    return list(named) or list(ordered)
