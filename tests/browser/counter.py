"""Stores and orders that tests of a store's screen and of a courier's page make for themselves."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from tests.browser.chromium import Visit
from tests.browser.service import Service

HTML: Final = '<img src=x onerror="window.intruder=1">'
TEA, RICE = "tea", "rice"
_STEPS: Final = {"confirmed": (), "accepted": ("accept",), "ready": ("accept", "ready")}
_APART_DEG: Final = 0.2


@dataclass(frozen=True)
class Counter:
    """A store of a visit's own, far from everybody else's, that is always open and has tea and rice."""

    service: Service
    store_id: str
    lat: float
    lon: float

    def order(self, status: str = "confirmed", **fields: Any) -> str:
        """The id of an order that is placed at this store and brought to a status."""
        order_id = f"{self.store_id}-{uuid4().hex[:6]}"
        body: dict[str, Any] = {
            "destination": {"lat": self.lat + 0.004, "lon": self.lon + 0.004},
            "lines": [{"sku": TEA, "quantity": 2}, {"sku": RICE, "quantity": 1}],
            "customer": {"name": "Lin", "phone": "0351 555 0100", "address": "5F, 7 Willow Lane", "note": "Call first"},
            "hold_s": 0,
        }
        told = self.service.ask("PUT", f"/v1/orders/{order_id}", json=body | fields)
        assert told["store"]["store_id"] == self.store_id
        for action in (*_STEPS.get(status, ("accept", "ready", "pick-up")),):
            self.act(order_id, action)
        assert self.now(order_id)["status"] == status
        return order_id

    def act(self, order_id: str, action: str, **more: Any) -> dict[str, Any]:
        told: dict[str, Any] = self.service.ask("POST", f"/v1/orders/{order_id}/{action}", json={"attempt": 1} | more)
        return told

    def now(self, order_id: str) -> dict[str, Any]:
        """The order as the service tells it."""
        told: dict[str, Any] = self.service.ask("GET", f"/v1/orders/{order_id}")
        return told


def open_counter(service: Service, visit: Visit, place: int, *, beside: Counter | None = None, **terms: Any) -> Counter:
    """A new store. ``place`` keeps a test's stores from those of others; ``beside``: some 200 m from another."""
    store_id = f"{visit.size[0]}{visit.language[0]}-{uuid4().hex[:8]}"
    row = ["phone-en", "phone-zh", "desk-en", "desk-zh"].index(f"{visit.size}-{visit.language}")
    lat, lon = (34.0 + row * _APART_DEG, 108.0 + place * _APART_DEG)
    if beside is not None:
        lat, lon = beside.lat - 0.002, beside.lon
    body = {"lat": lat, "lon": lon, "name": "Willow corner", "opening_hours": "24/7", "address": "1 Willow Road",
            "phone": "0351 555 0199"}  # fmt: skip
    service.ask("PUT", f"/v1/stores/{store_id}", json=body | terms)
    shelf = [{"sku": sku, "on_hand": 500, "price": 350, "currency": "CNY"} for sku in (TEA, RICE)]
    service.ask("PATCH", f"/v1/stores/{store_id}/stock", json={"items": shelf})
    return Counter(service, store_id, lat, lon)
