"""What is answered of orders; for the OpenAPI document alone."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, RootModel

from dispatch.api.answers import (
    CLOSED,
    Certificate,
    Count,
    Eta,
    Instant,
    Metres,
    NearestMiss,
    PassedOver,
    PricedLine,
    Problem,
    ReasonText,
    Told,
    UnfulfillableReason,
)
from dispatch.domain.orders import Status


class OrderStore(Told):
    """The store as it was when the order came to it."""

    store_id: str
    name: str | None
    address: str | None
    lat: float
    lon: float
    distance_m: Metres


class OrderAnswer(Told):
    """``store`` and ``eta`` are null once no store can fulfil it; prices are those of the placing."""

    order_id: str
    status: Status
    attempt: Annotated[int, Field(ge=1)]
    store: OrderStore | None
    eta: Eta | None
    lines: list[PricedLine]
    hold_expires_at: Instant | None
    promised_by: Instant | None
    created_at: Instant
    updated_at: Instant
    channel: str | None
    campaign: str | None


class OrdersAnswer(Told):
    orders: list[OrderAnswer]
    next_cursor: str | None


class _Refusal(Problem):
    __pydantic_config__ = CLOSED  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    outcome: NotRequired[Literal["unfulfillable"]]
    reason: NotRequired[UnfulfillableReason]
    reason_detail: NotRequired[dict[str, Any]]
    nearest_miss: NotRequired[NearestMiss | None]
    certificate: NotRequired[Certificate]
    passed_over: NotRequired[Annotated[list[PassedOver], Field(max_length=200, description="With explain")]]
    passed_over_total: NotRequired[Count]
    passed_over_reasons: NotRequired[dict[ReasonText, Count]]
    order_status: NotRequired[Annotated[Status, Field(description="With invalid_transition: the order's status")]]
    allowed: NotRequired[Annotated[list[str], Field(description="With invalid_transition: the actions it allows")]]


class RefusalAnswer(RootModel[_Refusal]):
    """RFC 9457, with what a quote says where no store can, and what is allowed where the state forbids it."""


class OneOrder(Told):
    status: int
    body: OrderAnswer | _Refusal


class OrdersPlacedAnswer(Told):
    orders: list[OneOrder]


class OrderEvent(Told):
    order_id: str
    seq: Annotated[int, Field(ge=1, description="Counts from 1 by order, without gaps")]
    at: Instant
    event: str
    status: Status
    attempt: Annotated[int, Field(ge=1)]
    store_id: str | None
    detail: dict[str, Any] | None


class OrderEventsAnswer(Told):
    events: list[OrderEvent]


class EventsAnswer(Told):
    events: list[OrderEvent]
    after: Annotated[str, Field(description="Send it to get what comes behind these")]


class TicketAnswer(Told):
    ticket: Annotated[str, Field(description="Good for one stream, with any worker")]
    expires_at: Instant
