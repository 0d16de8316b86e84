"""A shopper at one door, and what can be asked of their orders: the requests that tests of orders have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from pyproj import Geod

from tests.api.client import Api, Clock

DOOR = (25.0330, 121.5654)
SHOPS = ("near", "middle", "far")
_GEOD = Geod(ellps="WGS84")


def clock_of_now() -> Clock:
    """The database's own clock decides when holds and pauses end, so that the app's must not tell another day."""
    return Clock(datetime.now(UTC).replace(microsecond=0))


def north(metres: float, door: tuple[float, float] = DOOR) -> tuple[float, float]:
    """A place so far north of the door, by the ellipsoid and not by the code under test."""
    lon, lat, _ = _GEOD.fwd(door[1], door[0], 0.0, metres)
    return float(lat), float(lon)


def order_of(sku: str = "tea", quantity: int = 1, *, door: tuple[float, float] = DOOR, **fields: Any) -> dict[str, Any]:
    """The body of an order, of one line if ``lines`` are not given."""
    lines = [{"sku": sku, "quantity": quantity}]
    return {"destination": {"lat": door[0], "lon": door[1]}, "lines": lines, **fields}


async def put_order(api: Api, order_id: str, body: dict[str, Any] | None = None) -> httpx.Response:
    return await api.write("PUT", f"/v1/orders/{order_id}", order_of() if body is None else body)


async def placed(api: Api, order_id: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """An order that is known to be good."""
    answer = await put_order(api, order_id, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def act(api: Api, order_id: str, action: str, **body: Any) -> httpx.Response:
    return await api.write("POST", f"/v1/orders/{order_id}/{action}", body)


async def acted(api: Api, order_id: str, action: str, **body: Any) -> dict[str, Any]:
    """The order after an action that is known to be good."""
    answer = await act(api, order_id, action, **body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def order_now(api: Api, order_id: str) -> dict[str, Any]:
    answer = await api.get(f"/v1/orders/{order_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def events_of(api: Api, order_id: str) -> list[dict[str, Any]]:
    answer = await api.get(f"/v1/orders/{order_id}/events")
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return events


async def reserved(api: Api, store_id: str, sku: str = "tea") -> int:
    return int((await api.shelf(store_id))[sku]["reserved"])


async def open_orders(api: Api, store_id: str) -> int:
    answer = await api.get(f"/v1/stores/{store_id}")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["open_orders"])


async def with_shops(api: Api, *on_hand: int, **fields: Any) -> None:
    """As many shops as counts of tea: near, middle, far."""
    for i, (store_id, count) in enumerate(zip(SHOPS, on_hand, strict=False)):
        await api.put_store(store_id, *north(100 + 200 * i), **fields)
        await api.put_stock(store_id, tea=count)


async def becomes(read: Callable[[], Awaitable[object]], value: object, *, within_s: float) -> None:
    """Wait until ``read`` says so; what it said last is told if it never does."""
    said = None
    try:
        async with asyncio.timeout(within_s):
            while (said := await read()) != value:
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"after {within_s} s it is {said!r}, not {value!r}") from None
