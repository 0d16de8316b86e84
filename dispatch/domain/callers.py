"""Who is asking, and whose orders are theirs. Pure: nothing is read, and the time is an argument elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from dispatch.domain.errors import LinkLeft
from dispatch.domain.orders import InvalidTransition, Status, WrongAttempt


class Role(StrEnum):
    ADMIN = "admin"
    SHOPPER = "shopper"
    COURIER = "courier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever sends a request. ``client``: whose orders they are.

    A shopper has the orders whose id begins with ``order_id_prefix``; a courier has ``order_id``, for as long as the
    order is at ``attempt``.
    """

    role: Role
    client: str | None = None
    order_id_prefix: str | None = None
    order_id: str | None = None
    attempt: int | None = None
    expires_at: datetime | None = None

    def has_order(self, order_id: str) -> bool:
        """Whether an order of this id is theirs, if there is one."""
        match self.role:
            case Role.ADMIN:
                return True
            case Role.SHOPPER:
                return self.order_id_prefix is not None and order_id.startswith(self.order_id_prefix)
            case Role.COURIER:
                return self.order_id is not None and order_id == self.order_id


ADMIN: Final = Caller(role=Role.ADMIN)
# A page that somebody else's server sent, without a token: a shopper who has no orders.
STRANGER: Final = Caller(role=Role.SHOPPER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How far somebody may hear what they follow: of an order up to ``attempt``, and as long as ``until``."""

    attempt: int | None = None
    until: datetime | None = None

    def has_ended(self, now: datetime) -> bool:
        return self.until is not None and now >= self.until

    def is_left_by(self, status: Status, attempt: int) -> bool:
        """Whether with an event of this status and attempt the order has left whoever hears it."""
        return self.attempt is not None and (attempt > self.attempt or status in _CALLED_OFF)


UNLIMITED: Final = Hearing()

# What a courier comes for.
CARRIED: Final = frozenset({Status.CONFIRMED, Status.ACCEPTED, Status.READY, Status.PICKED_UP})
# Until the link ends its courier may look up how it went; of what was called off there is nothing left to be told.
_TOLD_TO_ITS_COURIER: Final = CARRIED | {Status.DELIVERED, Status.FAILED, Status.RETURNED}
# What it was before there was a link is history.
_CALLED_OFF: Final = frozenset(Status) - _TOLD_TO_ITS_COURIER - {Status.HELD}


def may_follow(caller: Caller, store_id: str | None = None, order_id: str | None = None) -> bool:
    """Whether they may hear what happens to this order, at this store, or, with neither, everywhere.

    Shoppers and couriers hear of one order of theirs and no more.
    """
    if caller.role is Role.ADMIN:
        return True
    return store_id is None and order_id is not None and caller.has_order(order_id)


def check_can_be_carried(status: Status, attempt: int, asked_attempt: int) -> None:
    """Raise WrongAttempt, or InvalidTransition, where there is nothing that a courier could be sent for."""
    if asked_attempt != attempt:
        raise WrongAttempt(
            f"there is no attempt {asked_attempt}; the order is at attempt {attempt}"
            if asked_attempt > attempt
            else f"the order has left attempt {asked_attempt}; it is at attempt {attempt}"
        )
    if status not in CARRIED:
        raise InvalidTransition("be given to a courier", status)


def check_still_theirs(caller: Caller, status: Status, attempt: int) -> None:
    """Raise LinkLeft for a courier whose order, as it is now, is no longer theirs to know of."""
    if caller.role is Role.COURIER:
        check_still_heard(hearing_of(caller), status, attempt)


def hearing_of(caller: Caller) -> Hearing:
    """How far they may hear of what they may follow."""
    return Hearing(attempt=caller.attempt, until=caller.expires_at)


def check_still_heard(hearing: Hearing, status: Status, attempt: int) -> None:
    """Raise LinkLeft if the order, as it is now, is one that may no longer be heard of."""
    if hearing.attempt is not None and (attempt != hearing.attempt or status not in _TOLD_TO_ITS_COURIER):
        raise LinkLeft("this link is over: the order has gone another way, or was called off; ask the store")
