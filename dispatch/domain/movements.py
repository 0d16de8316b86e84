"""What a till reports between two counts, and what it makes of the shelf.

``on_hand = what was counted at as_of + the movements since``, in whatever order they arrive. A movement that names an
order is that order's pick-up or return, counted once, whether the till tells of it first or the store.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from dispatch.domain.stores import MAX_ON_HAND

# Whatever says that it was earlier has its date wrong. A row that has never been counted was at 0 then.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
# How long a store is believed that says it does not have what the book says it has.
WITHHELD_FOR: Final = timedelta(hours=24)
MAX_DELTA: Final = 1_000_000_000
# Movements that the service itself writes: of orders' goods, and of what stays behind when a store moves.
OWN_PREFIXES: Final = ("order:", "moved:")


class MovementStatus(StrEnum):
    """What became of a movement."""

    APPLIED = "applied"
    REPEATED = "repeated"  # it was sent before, and nothing is changed
    COUNTED_ALREADY = "counted_already"  # recorded; a count, or its order's pick-up, has it in it
    REFUSED = "refused"  # not recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """So many pieces came (``delta`` above 0) or went. ``at_said`` is False where ``at`` is only when it was sent."""

    movement_id: str
    sku: str
    delta: int
    at: datetime
    at_said: bool = True
    reason: str | None = None
    order_id: str | None = None

    @property
    def told_reason(self) -> str:
        return self.reason or ("receipt" if self.delta > 0 else "sale")


@dataclass(frozen=True, slots=True)
class MovementResult:
    """``on_hand``: what the shelf row has now, where the movement was not refused."""

    movement_id: str
    status: MovementStatus
    on_hand: int | None = None
    code: str | None = None
    detail: str | None = None


def refused(movement_id: str, code: str, detail: str) -> MovementResult:
    return MovementResult(movement_id, MovementStatus.REFUSED, code=code, detail=detail)


@dataclass(slots=True)
class ShelfFigures:
    """One shelf row, as far as movements change it."""

    on_hand: int
    reserved: int
    as_of: datetime
    moved_at: datetime | None = None
    withheld: int = 0
    withheld_until: datetime | None = None

    @property
    def short(self) -> int:
        return max(0, self.reserved - max(0, self.on_hand))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A movement as it is written down: ``reported`` is what the till said, ``delta`` what it came to."""

    movement_id: str
    sku_no: int
    delta: int
    reported: int | None
    at: datetime
    reason: str
    client: str | None = None
    order_id: str | None = None


@dataclass(slots=True)
class OrderPieces:
    """Pieces of one order and sku: what has gone and come back on the shelf, and what the till has told of."""

    gone: int = 0
    back: int = 0
    sold: int = 0
    returned: int = 0

    def count(self, reported: int) -> int:
        """What is still to be counted of a movement of so many pieces; remembers it."""
        if reported < 0:
            self.sold -= reported
            effective = -min(-reported, max(0, self.sold - self.gone))
            self.gone -= effective
        else:
            self.returned += reported
            effective = min(reported, max(0, min(self.returned - self.back, self.gone - self.back)))
            self.back += effective
        return effective


@dataclass(slots=True)
class OrderAtStore:
    """An order of which the store holds, or held, goods: ``reserved`` is by order's cell and sku."""

    reserved: dict[tuple[int, int], int] = field(default_factory=dict)
    pieces: dict[int, OrderPieces] = field(default_factory=dict)

    @property
    def is_two(self) -> bool:
        """Whether one client has placed two orders of this id."""
        return len({order_cell for order_cell, _ in self.reserved}) > 1

    def is_of(self, sku_no: int) -> bool:
        """Whether any of that sku was held for it; what is rung up beside it comes back by the till alone."""
        return sku_no in self.pieces or any(of == sku_no for _, of in self.reserved)


@dataclass(slots=True)
class StoreBook:
    """What a batch of movements must know of one store, and what it makes of it. Nobody else changes it meanwhile.

    ``shelf`` by number of sku, ``recorded`` by movement id, ``orders`` by order id and client. ``new``: what is to be
    written down.
    """

    counted_whole_at: datetime | None = None
    shelf: dict[int, ShelfFigures] = field(default_factory=dict)
    recorded: dict[str, Recorded] = field(default_factory=dict)
    orders: dict[str, dict[str, OrderAtStore]] = field(default_factory=dict)
    new: list[Recorded] = field(default_factory=list)

    def enter(self, movement: Movement, sku_no: int) -> MovementResult:
        """Take one movement in, or say why not."""
        if (known := self.recorded.get(movement.movement_id)) is not None:
            return self._again(movement, sku_no, known)
        orders = self.orders.get(movement.order_id or "", {})
        if len(orders) > 1 or any(order.is_two for order in orders.values()):
            detail = f"there are two orders {movement.order_id} at this store; send it without order_id"
            return refused(movement.movement_id, "order_id_ambiguous", detail)
        row = self._row(sku_no)
        counted = movement.at <= row.as_of
        [(client, order)] = orders.items() or [(None, None)]
        if order is not None and not order.is_of(sku_no):
            client, order = None, None
        pieces = OrderPieces() if order is None else replace(order.pieces.get(sku_no, OrderPieces()))
        effective = movement.delta if order is None else pieces.count(movement.delta)
        if not counted and abs(row.on_hand + effective) > MAX_ON_HAND:
            detail = f"on hand would be {row.on_hand + effective}; it is within ±{MAX_ON_HAND}"
            return refused(movement.movement_id, "on_hand_out_of_range", detail)
        self.shelf[sku_no] = row
        if order is not None:
            order.pieces[sku_no] = pieces
            row.reserved -= _taken_over(order, sku_no, -effective)
        if not counted and effective != 0:
            _move(row, effective, movement.at)
        self._record(movement, sku_no, effective, client)
        detail_of_order = None if movement.order_id is None else _told_of_order(movement, effective, order)
        if counted:
            detail = f"the count of {row.as_of.isoformat()} has it in it"
            return MovementResult(
                movement.movement_id, MovementStatus.COUNTED_ALREADY, max(0, row.on_hand), detail=detail
            )
        status = MovementStatus.APPLIED if effective else MovementStatus.COUNTED_ALREADY
        return MovementResult(movement.movement_id, status, max(0, row.on_hand), detail=detail_of_order)

    def _row(self, sku_no: int) -> ShelfFigures:
        """The row; a new one where there is none, which was at 0 when the whole shelf was last counted, or ever."""
        row = self.shelf.get(sku_no)
        if row is None:
            return ShelfFigures(0, 0, self.counted_whole_at or EARLIEST)
        # A whole count leaves a row at 0 that it does not name as it is, for an hour: it was counted all the same.
        if row.on_hand == 0 and self.counted_whole_at is not None and row.as_of < self.counted_whole_at:
            row.as_of = self.counted_whole_at
        return row

    def _again(self, movement: Movement, sku_no: int, known: Recorded) -> MovementResult:
        said = (sku_no, movement.delta, movement.told_reason, movement.order_id)
        same = said == (known.sku_no, known.reported, known.reason, known.order_id)
        if not same or (movement.at_said and movement.at != known.at):
            detail = "another movement of this store has this id; nothing of this one was taken over"
            return refused(movement.movement_id, "movement_id_reused", detail)
        on_hand = max(0, self.shelf[sku_no].on_hand) if sku_no in self.shelf else 0
        return MovementResult(movement.movement_id, MovementStatus.REPEATED, on_hand)

    def _record(self, movement: Movement, sku_no: int, effective: int, client: str | None) -> None:
        recorded = Recorded(
            movement_id=movement.movement_id,
            sku_no=sku_no,
            delta=effective,
            reported=movement.delta,
            at=movement.at,
            reason=movement.told_reason,
            client=client,
            order_id=movement.order_id,
        )
        self.recorded[movement.movement_id] = recorded
        self.new.append(recorded)


def _move(row: ShelfFigures, effective: int, at: datetime) -> None:
    row.on_hand += effective
    row.moved_at = at if row.moved_at is None else max(row.moved_at, at)
    if effective <= 0 or row.withheld_until is None:
        return
    if at > row.withheld_until - WITHHELD_FOR:
        # What a store has said it does not have has come.
        row.withheld, row.withheld_until = 0, None
    else:
        # It had come before the store said so.
        row.withheld += effective


def _taken_over(order: OrderAtStore, sku_no: int, pieces: int) -> int:
    """End the order's reservation of so many pieces, as far as there is one; how many that were."""
    taken = 0
    for key, quantity in order.reserved.items():
        if key[1] == sku_no and pieces > 0:
            taken = min(quantity, pieces)
            order.reserved[key] = quantity - taken
    return taken


def _told_of_order(movement: Movement, effective: int, order: OrderAtStore | None) -> str | None:
    if order is None:
        return f"this store holds none of it for an order {movement.order_id}; counted as a movement of its own"
    what = "pick-up" if movement.delta < 0 else "return"
    if effective == 0:
        return f"the order's {what} has it in it"
    if effective != movement.delta:
        return f"{abs(effective)} of {abs(movement.delta)}; the order's {what} has the rest in it"
    return None
