"""What may become of an order: every action in every status, against the diagram of API.md written out by hand."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain.orders import (
    ASKED,
    COUNTS_AS_OPEN,
    WITH_ATTEMPT,
    Action,
    Change,
    DeclineReason,
    Goods,
    GoodsLeave,
    InvalidTransition,
    Search,
    Status,
    WrongAttempt,
    allowed_in,
    decide,
    declined_skus,
    elsewhere,
)

# A row for each status, a column for each action: where it leads; "=" it is so, or was, already; "." it is forbidden.
# A step that lies behind an order may be asked for again. "*": to another store first.
TABLE = """
              confirm     cancel     accept    decline     ready  pick-up    deliver    fail    return    reassign
held          confirmed   cancelled  .         .           .      .          .          .       .         held*
confirmed     =           cancelled  accepted  confirmed*  .      .          .          .       .         confirmed*
accepted      =           cancelled  =         confirmed*  ready  .          .          .       .         confirmed*
ready         =           cancelled  =         confirmed*  =      picked_up  .          .       .         confirmed*
picked_up     =           .          =         .           =      =          delivered  failed  .         .
delivered     =           .          =         .           =      =          =          .       .         .
failed        =           .          =         .           =      =          .          =       returned  .
returned      =           .          =         .           =      =          .          =       =         .
cancelled     .           =          .         .           .      .          .          .       .         .
expired       .           .          .         .           .      .          .          .       .         .
unfulfillable =           .          .         =           .      .          .          .       .         .
"""
HEADER, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], action, cell) for row in ROWS for action, cell in zip(HEADER, row[1:], strict=True)]


def decided(
    status: Status,
    action: Action,
    *,
    attempt: int = 1,
    asked_attempt: int | None = None,
    goods_leave: GoodsLeave = GoodsLeave.PICKED_UP,
    till: bool = False,
) -> Change | None:
    return decide(
        status, attempt, action, asked_attempt=asked_attempt, goods_leave=goods_leave, till_reports_orders=till
    )


def test_the_table_has_every_status_and_everything_that_can_be_asked() -> None:
    assert {row[0] for row in ROWS} == set(Status)
    assert set(HEADER) == set(ASKED) == set(Action) - {Action.EXPIRE, Action.MISS}
    assert len(CELLS) == 110


@pytest.mark.parametrize(("status", "action", "cell"), CELLS)
def test_each_action_in_each_status_leads_where_the_table_says(status: str, action: str, cell: str) -> None:
    if cell == ".":
        with pytest.raises(InvalidTransition) as raised:
            decided(Status(status), Action(action))
        assert raised.value.status == status
        assert raised.value.allowed == [a for s, a, to in CELLS if s == status and to not in ("=", ".")]
        return
    change = decided(Status(status), Action(action))
    if cell == "=":
        assert change is None
        return
    assert change is not None
    assert (change.action, change.status) == (action, cell.rstrip("*"))
    assert (change.search is Search.OTHER_STORE) == cell.endswith("*")
    assert (change.search is Search.ETA) == (action == "confirm")


@pytest.mark.parametrize("status", Status)
def test_only_a_hold_expires_and_only_what_is_confirmed_can_fail_to_be_accepted(status: Status) -> None:
    for action, from_status, to, already, goods in (
        (Action.EXPIRE, Status.HELD, Status.EXPIRED, Status.EXPIRED, Goods.RELEASE),
        (Action.MISS, Status.CONFIRMED, Status.CONFIRMED, Status.UNFULFILLABLE, Goods.PUT_BACK),
    ):
        if status is already:
            assert decided(status, action) is None
        elif status is from_status:
            change = decided(status, action)
            assert change is not None
            assert (change.status, change.closes_one, change.goods) == (to, True, goods)
            assert (change.search is Search.OTHER_STORE) == (action is Action.MISS)
        else:
            with pytest.raises(InvalidTransition):
                decided(status, action)


def test_what_is_allowed_is_told_in_the_order_of_an_orders_life() -> None:
    assert allowed_in(Status.HELD) == ["confirm", "cancel", "reassign"]
    assert allowed_in(Status.READY) == ["cancel", "decline", "pick-up", "reassign"]
    assert allowed_in(Status.PICKED_UP) == ["deliver", "fail"]
    for status in (Status.DELIVERED, Status.RETURNED, Status.CANCELLED, Status.EXPIRED, Status.UNFULFILLABLE):
        assert allowed_in(status) == []
        with pytest.raises(InvalidTransition, match="it can nothing more"):
            decided(status, Action.READY if status is Status.CANCELLED else Action.REASSIGN)


def test_what_stores_and_ops_ask_names_its_attempt() -> None:
    assert {Action.CONFIRM, Action.CANCEL} | WITH_ATTEMPT == set(ASKED)
    assert not {Action.CONFIRM, Action.CANCEL} & WITH_ATTEMPT


# ── attempts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.sampled_from(Status), st.sampled_from(ASKED), st.integers(1, 9), st.integers(1, 9))
def test_only_the_attempt_that_is_now_is_acted_on(status: Status, action: Action, attempt: int, asked: int) -> None:
    if asked > attempt:
        with pytest.raises(WrongAttempt):
            decided(status, action, attempt=attempt, asked_attempt=asked)
    elif asked < attempt:
        assert decided(status, action, attempt=attempt, asked_attempt=asked) is None
    else:
        outcomes: list[object] = []
        for named in (asked, None):
            try:
                outcomes.append(decided(status, action, attempt=attempt, asked_attempt=named))
            except InvalidTransition as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


# ── goods and places ───────────────────────────────────────────────────────────────────────────────────────────────

# Where the goods leave at pick-up; where they leave with ready; where the till counts the sale itself.
EFFECTS = {
    (Action.CONFIRM, Status.HELD): (Goods.KEEP, Goods.KEEP, Goods.KEEP),
    (Action.CANCEL, Status.HELD): (Goods.RELEASE, Goods.RELEASE, Goods.RELEASE),
    (Action.CANCEL, Status.CONFIRMED): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
    (Action.CANCEL, Status.ACCEPTED): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
    (Action.CANCEL, Status.READY): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
    (Action.ACCEPT, Status.CONFIRMED): (Goods.KEEP, Goods.KEEP, Goods.KEEP),
    (Action.DECLINE, Status.CONFIRMED): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
    (Action.DECLINE, Status.ACCEPTED): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
    (Action.DECLINE, Status.READY): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
    (Action.READY, Status.ACCEPTED): (Goods.KEEP, Goods.LEAVE, Goods.KEEP),
    (Action.PICK_UP, Status.READY): (Goods.LEAVE, Goods.LEAVE, Goods.RELEASE),
    (Action.DELIVER, Status.PICKED_UP): (Goods.KEEP, Goods.KEEP, Goods.KEEP),
    (Action.FAIL, Status.PICKED_UP): (Goods.KEEP, Goods.KEEP, Goods.KEEP),
    (Action.RETURN, Status.FAILED): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
    (Action.REASSIGN, Status.HELD): (Goods.RELEASE, Goods.RELEASE, Goods.RELEASE),
    (Action.REASSIGN, Status.READY): (Goods.PUT_BACK, Goods.PUT_BACK, Goods.PUT_BACK),
}


@pytest.mark.parametrize(("action", "status"), EFFECTS)
def test_what_becomes_of_the_goods(action: Action, status: Status) -> None:
    changes = (
        decided(status, action),
        decided(status, action, goods_leave=GoodsLeave.READY),
        decided(status, action, till=True),
    )
    assert tuple(change and change.goods for change in changes) == EFFECTS[action, status]


def test_a_till_that_counts_sales_itself_ends_the_reservation_when_the_goods_leave() -> None:
    ready = decided(Status.ACCEPTED, Action.READY, goods_leave=GoodsLeave.READY, till=True)
    assert ready is not None
    assert ready.goods is Goods.RELEASE


@pytest.mark.parametrize(("status", "action"), list(itertools.product(Status, Action)))
def test_a_place_is_given_back_once_and_only_by_what_ends_or_moves_an_open_order(
    status: Status, action: Action
) -> None:
    try:
        change = decided(status, action)
    except InvalidTransition:
        return
    if change is None:
        return
    was_open = status in {Status.HELD, Status.CONFIRMED, Status.ACCEPTED}
    leaves = change.search is Search.OTHER_STORE
    remains_open = change.status in {Status.HELD, Status.CONFIRMED, Status.ACCEPTED} and not leaves
    assert change.closes_one == (was_open and not remains_open)


@pytest.mark.parametrize("status", [Status.HELD, Status.CONFIRMED, Status.ACCEPTED])
def test_an_order_whose_own_store_cannot_keep_it_leaves_it_as_if_declined(status: Status) -> None:
    confirm = Change(Action.CONFIRM, Status.CONFIRMED, Goods.KEEP, False, Search.ETA)
    moved = elsewhere(confirm, status)
    assert (moved.action, moved.status, moved.search) == (Action.CONFIRM, Status.CONFIRMED, Search.OTHER_STORE)
    assert moved.closes_one
    assert moved.goods is (Goods.PUT_BACK if status is not Status.HELD else Goods.RELEASE)


# ── walks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.sampled_from(Action), max_size=40),
    st.sampled_from(GoodsLeave),
    st.booleans(),
    st.booleans(),
)
def test_on_every_way_goods_leave_at_most_once_and_each_place_taken_is_given_back(
    actions: list[Action], goods_leave: GoodsLeave, till: bool, others: bool
) -> None:
    """``others``: whether there always is another store."""
    status, attempt = Status.HELD, 1
    holds = reserved = 1
    out = 0
    for action in actions:
        try:
            change = decided(status, action, attempt=attempt, goods_leave=goods_leave, till=till)
        except InvalidTransition:
            continue
        if change is None:
            continue
        moves = change.search is Search.OTHER_STORE
        if moves and not others and action is Action.REASSIGN:
            continue
        holds -= change.closes_one
        match change.goods:
            case Goods.RELEASE:
                reserved = 0
            case Goods.LEAVE:
                out, reserved = out + reserved, 0
            case Goods.PUT_BACK:
                out, reserved = 0, 0
        status = change.status
        if moves and others:
            attempt, holds, reserved = attempt + 1, holds + 1, 1
        elif moves:
            status = Status.UNFULFILLABLE
        assert holds == (status in COUNTS_AS_OPEN)
        assert out in (0, 1)
        assert reserved + out <= 1
    if status in (Status.CANCELLED, Status.EXPIRED, Status.UNFULFILLABLE, Status.RETURNED):
        assert (reserved, out) == (0, 0)
    if status in (Status.DELIVERED, Status.PICKED_UP, Status.FAILED):
        assert (reserved, out) == (0, 0 if till else 1)


# ── declines ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reason", "named", "lacks"),
    [
        ("out_of_stock", ["tea"], ["tea"]),
        ("out_of_stock", [], ["tea", "rice"]),
        ("closed", [], []),
        ("closed", ["tea"], []),
        ("too_busy", [], []),
        ("other", ["tea"], []),
    ],
)
def test_only_out_of_stock_says_that_skus_are_lacking_and_without_names_it_is_all(
    reason: str, named: list[str], lacks: list[str]
) -> None:
    assert declined_skus(DeclineReason(reason), named, ["tea", "rice"]) == lacks
