"""Orders as a load: each client places one after the other, and asks again by the same id until it is answered."""

import itertools
from typing import Any, Final

import httpx

from tests.faults.load import Load

_PLACE: Final = {"lat": 25.04, "lon": 121.55}
_SKUS: Final = ("ordered-tea", "ordered-rice")
_STORES: Final = 4
_PLENTY: Final = 1_000_000
_QUICK: Final = {"prepare_s": 60, "queue_per_order_s": 0}


class OrderLoad(Load):
    """PUT /v1/orders/{order_id}, of two lines."""

    def __init__(self, clients: int) -> None:
        self._numbers = [itertools.count(1) for _ in range(clients)]
        # By client: the id that is not acknowledged yet.
        self._pending: dict[int, str] = {}
        self._acknowledged: dict[str, bytes] = {}
        self._refused: list[str] = []

    async def prepare(self, http: httpx.AsyncClient) -> None:
        for i in range(_STORES):
            (await http.put(f"/v1/stores/{_store_id(i)}", json=_PLACE | _QUICK)).raise_for_status()
            items = [{"sku": sku, "on_hand": _PLENTY} for sku in _SKUS]
            (await http.put(f"/v1/stores/{_store_id(i)}/stock", json={"items": items})).raise_for_status()

    async def write(self, http: httpx.AsyncClient, client: int) -> None:
        if client not in self._pending:
            self._pending[client] = f"kill-{client}-{next(self._numbers[client])}"
        order_id = self._pending[client]
        answer = await http.put(f"/v1/orders/{order_id}", json=_wanted(client))
        if 400 <= answer.status_code < 500:
            self._refused.append(f"{order_id} was answered {answer.status_code} {answer.text[:200]}")
        answer.raise_for_status()
        self._acknowledged[order_id] = answer.content
        del self._pending[client]

    async def problems(self, http: httpx.AsyncClient) -> list[str]:
        found = self._refused[:]
        there = 0
        for order_id, told in self._acknowledged.items():
            answer = await http.get(f"/v1/orders/{order_id}")
            there += answer.status_code == 200
            if answer.content != told:
                found.append(f"{order_id} was acknowledged as {told!r} and is {answer.status_code} {answer.content!r}")
            elif [e["event"] for e in (await http.get(f"/v1/orders/{order_id}/events")).json()["events"]] != ["held"]:
                found.append(f"{order_id} has other events than that it is held")
        for order_id in self._pending.values():
            there += (await http.get(f"/v1/orders/{order_id}")).status_code == 200
        reserved = dict.fromkeys(_SKUS, 0)
        for i in range(_STORES):
            rows: list[dict[str, Any]] = (await http.get(f"/v1/stores/{_store_id(i)}/stock")).json()["stock"]
            for row in rows:
                reserved[row["sku"]] += row["reserved"]
        expected = {sku: there * pieces for pieces, sku in enumerate(_SKUS, 1)}
        if reserved != expected:
            found.append(f"{there} orders are there, which is {expected}; reserved are {reserved}")
        return found


def _wanted(client: int) -> dict[str, Any]:
    place = {"lat": _PLACE["lat"] + client * 1e-3, "lon": _PLACE["lon"]}
    lines = [{"sku": sku, "quantity": pieces} for pieces, sku in enumerate(_SKUS, 1)]
    return {"destination": place, "lines": lines, "promise_minutes": 240, "hold_s": 3600}


def _store_id(i: int) -> str:
    return f"kill-{i}"
