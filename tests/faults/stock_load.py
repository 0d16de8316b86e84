"""Counts of stock as a load: each client counts one shelf row upwards."""

from collections import defaultdict
from typing import Final

import httpx

from tests.faults.load import Load

_PLACE: Final = {"lat": 25.04, "lon": 121.55}
_SKU: Final = "counted"


class StockLoad(Load):
    """PATCH /v1/stores/{store_id}/stock, a store a client."""

    def __init__(self, clients: int) -> None:
        self._clients = clients
        self._next: dict[int, int] = defaultdict(int)
        # By client: what may be on hand, the last that was acknowledged and all that was sent after it.
        self._possible: dict[int, list[int]] = defaultdict(lambda: [0])

    async def prepare(self, http: httpx.AsyncClient) -> None:
        for client in range(self._clients):
            (await http.put(f"/v1/stores/{_store_id(client)}", json=_PLACE)).raise_for_status()

    async def write(self, http: httpx.AsyncClient, client: int) -> None:
        self._next[client] += 1
        on_hand = self._next[client]
        self._possible[client].append(on_hand)
        body = {"items": [{"sku": _SKU, "on_hand": on_hand}]}
        (await http.patch(f"/v1/stores/{_store_id(client)}/stock", json=body)).raise_for_status()
        self._possible[client] = [on_hand]

    async def problems(self, http: httpx.AsyncClient) -> list[str]:
        found = []
        for client in range(self._clients):
            answer = await http.get(f"/v1/stores/{_store_id(client)}/stock")
            answer.raise_for_status()
            on_hand = [row["on_hand"] for row in answer.json()["stock"]]
            possible = self._possible[client]
            if len(on_hand) != 1 or on_hand[0] not in possible:
                told = f"acknowledged {possible[0]}, sent {possible[1:]}"
                found.append(f"{_store_id(client)} has {on_hand} on hand; {told}")
        return found


def _store_id(client: int) -> str:
    return f"load-{client}"
