"""Whose orders are whose, what may be followed, and when a courier's link is over."""

import pytest

from dispatch.domain.callers import (
    ADMIN,
    Caller,
    Role,
    check_can_be_carried,
    check_still_theirs,
    may_follow,
)
from dispatch.domain.errors import LinkLeft
from dispatch.domain.orders import InvalidTransition, Status, WrongAttempt

SHOPPER = Caller(role=Role.SHOPPER, client="c", order_id_prefix="w-01-")
COURIER = Caller(role=Role.COURIER, client="c", order_id="w-01-1", attempt=2)


def test_a_shopper_has_the_orders_of_their_prefix_and_a_courier_one() -> None:
    ids = ("w-01-1", "w-01-", "w-01-11", "w-02-1", "W-01-1", "", "w-01")
    assert [SHOPPER.has_order(order_id) for order_id in ids] == [True, True, True, False, False, False, False]
    assert [COURIER.has_order(order_id) for order_id in ids] == [True, False, False, False, False, False, False]
    assert all(ADMIN.has_order(order_id) for order_id in ids)


@pytest.mark.parametrize("role", [Role.SHOPPER, Role.COURIER])
def test_a_token_that_names_no_order_has_none(role: Role) -> None:
    assert not Caller(role=role).has_order("")
    assert not Caller(role=role).has_order("x")


def test_shoppers_and_couriers_follow_one_order_of_theirs_and_nothing_else() -> None:
    assert may_follow(ADMIN)
    assert may_follow(ADMIN, store_id="a", order_id="x")
    for caller in (SHOPPER, COURIER):
        assert may_follow(caller, order_id="w-01-1")
        assert not may_follow(caller)
        assert not may_follow(caller, order_id="w-02-1")
        assert not may_follow(caller, store_id="a")
        assert not may_follow(caller, "a", "w-01-1")


@pytest.mark.parametrize("status", Status)
def test_there_is_something_to_carry_from_the_confirmation_until_the_door(status: Status) -> None:
    if status in ("confirmed", "accepted", "ready", "picked_up"):
        check_can_be_carried(status, 2, 2)
        return
    with pytest.raises(InvalidTransition) as refused:
        check_can_be_carried(status, 2, 2)
    assert refused.value.status == status
    assert f"that is {status} cannot be given to a courier" in str(refused.value)


@pytest.mark.parametrize(("asked", "said"), [(1, "has left attempt 1; it is at"), (3, "there is no attempt 3; ")])
def test_only_the_attempt_that_is_now_is_carried(asked: int, said: str) -> None:
    with pytest.raises(WrongAttempt, match=said):
        check_can_be_carried(Status.READY, 2, asked)


@pytest.mark.parametrize("status", Status)
def test_what_is_carried_or_was_carried_is_told_to_its_courier_and_what_was_called_off_is_not(status: Status) -> None:
    check_still_theirs(ADMIN, status, 1)
    check_still_theirs(SHOPPER, status, 1)
    if status in ("confirmed", "accepted", "ready", "picked_up", "delivered", "failed", "returned"):
        check_still_theirs(COURIER, status, 2)
    else:
        assert status in ("held", "expired", "cancelled", "unfulfillable")
        with pytest.raises(LinkLeft):
            check_still_theirs(COURIER, status, 2)
    for attempt in (1, 3):
        with pytest.raises(LinkLeft):
            check_still_theirs(COURIER, status, attempt)
