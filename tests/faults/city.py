"""Stores near each other, and shoppers among them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.faults.wire import Wires

CENTRE: Final = (25.0330, 121.5654)
# About 1.5 km: everybody can be reached within every promise.
_SPREAD_DEG: Final = 0.014
# Nothing but stock and capacity shall decide.
_QUICK: Final = {"prepare_s": 60, "prepare_line_s": 0, "queue_per_order_s": 0, "courier_s": 0, "handover_s": 0}


def place(rng: random.Random) -> dict[str, float]:
    """Somewhere in the city."""
    lat, lon = (round(middle + rng.uniform(-_SPREAD_DEG, _SPREAD_DEG), 6) for middle in CENTRE)
    return {"lat": lat, "lon": lon}


@dataclass(frozen=True, slots=True)
class City:
    """Through the front door: what is built is built over HTTP."""

    wires: Wires
    rng: random.Random

    async def open_store(self, store_id: str, stock: Mapping[str, int], **fields: Any) -> None:
        """A store with a whole shelf, where no worker refuses an order for it any more."""
        body = place(self.rng) | _QUICK | fields
        answer = await self.wires.send("PUT", f"/v1/stores/{store_id}", body)
        assert answer.status in (200, 201), answer
        await self.count(store_id, stock)

    async def count(self, store_id: str, stock: Mapping[str, int]) -> None:
        items = [{"sku": sku, "on_hand": on_hand} for sku, on_hand in stock.items()]
        answer = await self.wires.send("PUT", f"/v1/stores/{store_id}/stock", {"items": items})
        assert answer.status == 200, answer

    def wanted(self, lines: Mapping[str, int], **fields: Any) -> dict[str, Any]:
        """The body of an order from somewhere in the city."""
        wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
        return {"destination": place(self.rng), "lines": wanted, "promise_minutes": 240, "hold_s": 3600} | fields


def shares(total: int, count: int, rng: random.Random) -> list[int]:
    """So many pieces in so many parts, none empty."""
    cuts = sorted(rng.sample(range(1, total), count - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]
