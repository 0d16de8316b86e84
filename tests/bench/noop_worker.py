"""A worker whose PUT /v1/orders/{order_id} reads its body, answers an order, and does nothing: LISTENER_FD."""

import socket
import sys
from typing import Annotated

import msgspec
import uvicorn
from fastapi import Depends, FastAPI
from starlette.responses import Response

from dispatch.api.bodies import body_of
from dispatch.api.envelope import Envelope
from dispatch.api.problems import answer_with_problems
from dispatch.api.schemas import OrderId, OrderIn
from dispatch.commands.server import config_of, settle_memory


class _Limits:
    max_body_bytes = 1 << 20


class _Service:
    limits = _Limits()


_STORE = {"store_id": "S-0001", "name": "a store", "address": None, "lat": 37.87, "lon": 112.55, "distance_m": 412.7}
_ETA = {
    "prepare_s": 390, "queue_s": 0, "courier_s": 60, "travel_s": 240, "handover_s": 120, "total_s": 810,
    "pickup_by": "2026-11-20T10:07:30+08:00", "deliver_by": "2026-11-20T10:13:30+08:00", "travel_source": "estimate",
}  # fmt: skip
_MOMENT = "2026-11-20T02:00:00.123456+00:00"


def app() -> FastAPI:
    """The same body, checked by the same schema; an answer of the same shape."""
    made = FastAPI()
    made.state.service = _Service()
    answer_with_problems(made)

    @made.put("/v1/orders/{order_id}")
    async def put_order(order_id: OrderId, sent: Annotated[OrderIn, Depends(body_of(OrderIn))]) -> Response:
        lines = [{"sku": line.sku, "quantity": line.quantity, "price": 650, "currency": "CNY"} for line in sent.lines]
        body = {
            "order_id": order_id, "status": "held", "attempt": 1, "store": _STORE, "eta": _ETA, "lines": lines,
            "hold_expires_at": _MOMENT, "promised_by": None, "created_at": _MOMENT, "updated_at": _MOMENT,
            "channel": sent.channel, "campaign": sent.campaign,
        }  # fmt: skip
        headers = {"Dispatch-Version": "v1.CDS6D_____8AAAAAAAAADA"}
        return Response(msgspec.json.encode(body), status_code=201, media_type="application/json", headers=headers)

    made.add_middleware(Envelope)
    return made


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        settle_memory()
        uvicorn.Server(config_of(app(), "warning")).run([listener])


if __name__ == "__main__":
    main()
