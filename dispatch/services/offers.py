"""What a store offers, told in plain values: for quotes, and for orders, which keep it as it was told."""

from collections.abc import Sequence
from typing import Any

from dispatch.domain.moments import moment
from dispatch.domain.promise import Eta
from dispatch.domain.question import Line
from dispatch.replica.prices import Price
from dispatch.replica.replica import Replica
from dispatch.replica.stock import Terms


def eta_told(eta: Eta, timezone: str) -> dict[str, Any]:
    """A promise in its parts, its moments in the store's time zone."""
    return {
        "prepare_s": eta.prepare_s,
        "queue_s": eta.queue_s,
        "courier_s": eta.courier_s,
        "travel_s": eta.travel_s,
        "handover_s": eta.handover_s,
        "total_s": eta.total_s,
        "pickup_by": moment(eta.pickup_by, timezone),
        "deliver_by": moment(eta.deliver_by, timezone),
        "travel_source": eta.travel_source,
    }


def lines_told(replica: Replica, lines: Sequence[Line], slot: int) -> list[dict[str, Any]]:
    """Lines, of skus that are known, and what each costs at a store: in minor units, None where no price is known."""
    return [line_told(line, price) for line, (price, _) in zip(lines, terms_of(replica, lines, slot), strict=True)]


def terms_of(replica: Replica, lines: Sequence[Line], slot: int) -> list[Terms]:
    """The terms of each line at a store; its sku must be known."""
    return replica.stock.terms(replica.stock.numbers(lines), [slot] * len(lines))


def line_told(line: Line, price: Price | None) -> dict[str, Any]:
    """A line, and what it costs."""
    minor, currency = price or (None, None)
    return {"sku": line.sku, "quantity": line.quantity, "price": minor, "currency": currency}
