"""Addresses to try first, made of what is really there, and tried before they are shown."""

import asyncio
import http.client
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

_SKUS_WANTED: Final = 2
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Examples:
    """``quote_says`` is what the quote answered just now."""

    store_path: str
    nearby_path: str
    quote_command: str
    quote_says: str


async def find_examples(address: str, store_ids: Sequence[str]) -> Examples | None:
    """A search and a quote around one of these stores, one that some store can fulfil now if any is found.

    None without stores, or if the service does not answer.
    """
    return await asyncio.to_thread(_find, address, store_ids)


def _find(address: str, store_ids: Sequence[str]) -> Examples | None:
    second_best: Examples | None = None
    service = _Service(address)
    try:
        for store_id in store_ids:
            example, fulfilled = _around(service, address, store_id)
            if fulfilled:
                return example
            second_best = second_best or example
    except (OSError, http.client.HTTPException, ValueError):
        return second_best
    finally:
        service.close()
    return second_best


def _around(service: "_Service", address: str, store_id: str) -> tuple[Examples | None, bool]:
    """An example around a store, and whether its quote found one that can."""
    store = service.ask(f"/v1/stores/{quote(store_id, safe='')}")
    shelf = service.ask(f"/v1/stores/{quote(store_id, safe='')}/stock")
    if store is None or shelf is None:
        return None, False
    rows = sorted(shelf["stock"], key=lambda row: (-row["available"], row["sku"]))[:_SKUS_WANTED]
    # Some tens of metres off: a door, not the store itself.
    lat, lon = round(store["lat"], 3), round(store["lon"], 3)
    if not rows or (lat, lon) == (0, 0):
        return None, False
    lines = [{"sku": row["sku"], "quantity": number} for number, row in enumerate(rows, 1)]
    body = json.dumps({"destination": {"lat": lat, "lon": lon}, "lines": lines}, ensure_ascii=False)
    answer = service.ask("/v1/quotes", body)
    if answer is None:
        return None, False
    command = f"curl -s {address}/v1/quotes -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    nearby_path = f"/v1/stores/nearby?{urlencode({'lat': lat, 'lon': lon, 'limit': 5})}"
    store_path = f"/store/{quote(store_id, safe='')}"
    return Examples(store_path, nearby_path, command, _said(answer)), answer["outcome"] == "fulfillable"


def _said(answer: dict[str, Any]) -> str:
    if answer["outcome"] != "fulfillable":
        return f"(just now no store can: {answer['reason']})"
    store, eta = answer["store"], answer["eta"]
    return (
        f"(just now: store {store['store_id']}, {store['distance_m']:,.0f} m away,"
        f" at the door by {eta['deliver_by'][11:16]} its time)"
    )


class _Service:
    """The running service, as a client sees it; past any proxy of the environment."""

    def __init__(self, address: str) -> None:
        place = urlsplit(address)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_TIMEOUT_S)

    def ask(self, path: str, body: str | None = None) -> dict[str, Any] | None:
        """The answer to a GET, or with ``body`` to a POST; None unless it is 200. Raises OSError, HTTPException."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        sent = None if body is None else body.encode()
        self._connection.request("GET" if body is None else "POST", path, sent, headers)
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            return None
        found: dict[str, Any] = json.loads(told)
        return found

    def close(self) -> None:
        self._connection.close()
