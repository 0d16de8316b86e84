"""What is answered of movements, of what is withheld, of closures, and of partners; for the OpenAPI document alone."""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from dispatch.api.answers import Count, Instant, Told
from dispatch.domain.movements import MovementStatus
from dispatch.domain.orders import GoodsLeave


class MovementAnswer(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    movement_id: str
    status: MovementStatus
    on_hand: Annotated[int | None, Field(ge=0, description="What the shelf row has now; null: refused")]
    code: NotRequired[Annotated[str, Field(description="Why it is refused; snake case, stable")]]
    detail: NotRequired[str]


class MovementsAnswer(Told):
    movements: Annotated[list[MovementAnswer], Field(max_length=1_000, description="In the order sent")]


class ReleasedAnswer(Told):
    store_id: str
    released: Annotated[int, Field(ge=0, description="Shelf rows that were withheld")]


class ResumedAnswer(Told):
    store_id: str


class ClosureAnswer(Told):
    """From ``from`` until ``to``, which is no longer part of it, the store is closed; in its own time zone."""

    closure_id: str
    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    reason: str | None


class ClosuresAnswer(Told):
    closures: list[ClosureAnswer]


class ReopenedAnswer(Told):
    store_id: str
    closure_id: str
    removed: Annotated[bool, Field(description="false: there was none any more")]


class PartnerAnswer(Told):
    partner: str
    stock_stale_after_s: Count | None
    goods_leave_at: GoodsLeave
    till_reports_orders: bool
