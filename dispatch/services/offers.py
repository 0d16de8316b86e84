"""What a store offers, told in plain values: for quotes, and for orders, which keep it as it was told."""

from typing import Any

from dispatch.domain.moments import moment
from dispatch.domain.promise import Eta
from dispatch.domain.question import Line
from dispatch.replica.replica import Replica


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


def line_told(replica: Replica, line: Line, slot: int) -> dict[str, Any]:
    """A line and what it costs at a store, in minor units; None where no price is known."""
    number = replica.stock.number(line.sku)
    price = None if number is None else replica.stock.price(number, slot)
    minor, currency = price or (None, None)
    return {"sku": line.sku, "quantity": line.quantity, "price": minor, "currency": currency}
