"""Orders and what has happened to them, as they go out. The same row is told in the same bytes, always."""

from datetime import datetime
from typing import Any

import msgspec

from dispatch.api.places import told
from dispatch.api.rendering import QuoteAnswer
from dispatch.services.orders.placing import Refusal
from dispatch.storage.order_events import OrderEvent
from dispatch.storage.orders import StoredOrder
from geo.coordinates import LatLon
from geo.datums import Datum


def order_told(order: StoredOrder, datum: Datum) -> dict[str, Any]:
    """An order; what was told of its store, promise and prices is told again as it was."""
    return {
        "order_id": order.order_id,
        "status": order.status,
        "attempt": order.attempt,
        "store": _store_told(order.store, datum),
        "eta": None if order.eta is None else msgspec.Raw(order.eta.encode()),
        "lines": msgspec.Raw(order.lines.encode()),
        "hold_expires_at": _moment(order.hold_expires_at),
        "promised_by": _moment(order.promised_by),
        "created_at": order.created_at.isoformat(),
        "updated_at": order.updated_at.isoformat(),
        "channel": order.channel,
        "campaign": order.campaign,
    }


def _store_told(store: str | None, datum: Datum) -> Any:
    if store is None:
        return None
    if datum is Datum.WGS84:
        return msgspec.Raw(store.encode())
    members = msgspec.json.decode(store)
    return members | told(LatLon(lat=members["lat"], lon=members["lon"]), datum)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def event_told(event: OrderEvent) -> dict[str, Any]:
    return {
        "order_id": event.order_id,
        "seq": event.seq,
        "at": event.at.isoformat(),
        "event": event.event,
        "status": event.status,
        "attempt": event.attempt,
        "store_id": event.store_id,
        "detail": None if event.detail is None else msgspec.Raw(event.detail.encode()),
    }


def refusal_told(refusal: Refusal, datum: Datum) -> dict[str, Any]:
    """What a quote would say now; its ``detail`` goes by another name, for a problem's own is a sentence."""
    body = QuoteAnswer(refusal.replica, refusal.found.question, datum=datum, lag_s=refusal.lag_s).body(
        refusal.found.selection
    )
    body["reason_detail"] = body.pop("detail")
    return body
