"""Orders as a load: each client places one after the other, and asks again by the same id until it is answered."""

import itertools
from typing import Any, Final

import httpx

from tests.faults.load import Load

# In the demo city, which some experiments serve by its roads.
_PLACE: Final = {"lat": 37.87, "lon": 112.55}
_SKUS: Final = ("ordered-tea", "ordered-rice")
_STORES: Final = 4
_PLENTY: Final = 1_000_000
_CONFIRM: Final = "/confirm"
# What says that nothing of an order is held.
_NOTHING_HELD: Final = ("busy", "database_unavailable", "replica_not_ready")
_QUICK: Final = {"prepare_s": 60, "queue_per_order_s": 0}


class OrderLoad(Load):
    """PUT /v1/orders/{order_id}, of two lines; every second one is then confirmed.

    An id of which it was said that nothing of it is held is never sent again, unless an earlier answer was lost.
    """

    def __init__(self, clients: int) -> None:
        self._numbers = [itertools.count(1) for _ in range(clients)]
        # By client: what is not acknowledged yet, a path of an order or of its confirmation.
        self._pending: dict[int, str] = {}
        self._in_doubt: set[str] = set()
        self._nothing_held: list[str] = []
        self._acknowledged: dict[str, bytes] = {}
        self._refused: list[str] = []

    async def prepare(self, http: httpx.AsyncClient) -> None:
        for i in range(_STORES):
            (await http.put(f"/v1/stores/{_store_id(i)}", json=_PLACE | _QUICK)).raise_for_status()
            items = [{"sku": sku, "on_hand": _PLENTY} for sku in _SKUS]
            (await http.put(f"/v1/stores/{_store_id(i)}/stock", json={"items": items})).raise_for_status()

    async def write(self, http: httpx.AsyncClient, client: int) -> None:
        if client not in self._pending:
            self._pending[client] = f"/v1/orders/kill-{client}-{next(self._numbers[client])}"
        path = self._pending[client]
        confirms = path.endswith(_CONFIRM)
        try:
            answer = await (http.post(path) if confirms else http.put(path, json=_wanted(client)))
        except httpx.HTTPError:
            self._in_doubt.add(path)
            raise
        if 400 <= answer.status_code < 500:
            self._refused.append(f"{path} was answered {answer.status_code} {answer.text[:200]}")
        if answer.status_code >= 500:
            self._note(client, path, answer.json()["code"])
        answer.raise_for_status()
        self._acknowledged[path.removesuffix(_CONFIRM)] = answer.content
        del self._pending[client]
        if not confirms and len(self._acknowledged) % 2:
            self._pending[client] = path + _CONFIRM

    def _note(self, client: int, path: str, code: str) -> None:
        if code not in _NOTHING_HELD:
            self._in_doubt.add(path)
        elif path not in self._in_doubt and not path.endswith(_CONFIRM):
            self._nothing_held.append(path)
            del self._pending[client]

    def remark(self) -> str:
        return f", {len(self._nothing_held)} of them said to hold nothing and given up"

    async def problems(self, http: httpx.AsyncClient) -> list[str]:
        found = self._refused[:]
        there = 0
        confirming = {path.removesuffix(_CONFIRM) for path in self._pending.values() if path.endswith(_CONFIRM)}
        for path, told in self._acknowledged.items():
            answer = await http.get(path)
            there += answer.status_code == 200
            events = [event["event"] for event in (await http.get(f"{path}/events")).json().get("events", [])]
            if path in confirming and events == ["held", "confirmed"]:
                continue
            if answer.content != told:
                found.append(f"{path} was acknowledged as {told!r} and is {answer.status_code} {answer.content!r}")
            elif events != ["held", "confirmed"][: 1 + (b'"status":"confirmed"' in told)]:
                found.append(f"{path} has the events {events}")
        for path in self._pending.values():
            if not path.endswith(_CONFIRM):
                there += (await http.get(path)).status_code == 200
        for path in self._nothing_held:
            if (await http.get(path)).status_code != 404:
                found.append(f"{path} is there, though it was said that nothing of it is held")
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
