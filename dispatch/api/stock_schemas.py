"""What may be sent of movements, of what is withheld, of closures, and of partners."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from dispatch.api.schemas import Label, Moment, OrderId, Sent, Sku, StoreId, Text, plain
from dispatch.domain.movements import MAX_DELTA
from dispatch.domain.orders import GoodsLeave

MAX_MOVEMENTS: Final = 1_000
MAX_SKUS_RELEASED: Final = 1_000
MAX_STALE_AFTER_S: Final = 31_536_000


def _not_zero(delta: int) -> int:
    if delta == 0:
        raise ValueError("is 0; a movement is of at least one piece")
    return delta


class MovementIn(Sent):
    """So many pieces came (``delta`` above 0) or went; ``order_id``: for that order."""

    movement_id: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(plain)]
    store_id: StoreId
    sku: Sku
    delta: Annotated[int, Field(ge=-MAX_DELTA, le=MAX_DELTA, description="Not 0"), AfterValidator(_not_zero)]
    at: Moment | None = Field(None, description="When it was; default now")
    reason: Label | None = Field(None, description="Default sale or receipt")
    order_id: OrderId | None = None


class MovementsIn(Sent):
    """Up to 1,000 movements, each taken or refused on its own."""

    movements: list[MovementIn] = Field(max_length=MAX_MOVEMENTS)


class ReleaseIn(Sent):
    """Which skus are there after all; none named: all that the store withholds."""

    skus: list[Sku] = Field(default=[], max_length=MAX_SKUS_RELEASED)


class ClosureIn(Sent):
    """From ``from`` until ``to``, which is no longer part of it, the store is closed."""

    from_: Moment = Field(alias="from")
    to: Moment = Field(description="Later than from, by at most 366 days; not past, and at most five years ahead")
    reason: Text | None = Field(None, description="For people")


class PartnerIn(Sent):
    """The whole terms of a partner; what is absent is the default."""

    stock_stale_after_s: int | None = Field(None, ge=1, le=MAX_STALE_AFTER_S, description="null: the setting's default")
    goods_leave_at: GoodsLeave = Field(
        GoodsLeave.PICKED_UP, description="When an order's goods are no longer among those that are counted"
    )
    till_reports_orders: bool = Field(
        False, description="The till sends sales of orders without naming them, so that a pick-up moves nothing"
    )
    stock_due_at: Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = Field(
        None,
        description="By when each store is to be counted every day, such as 06:00 in its time zone; null: at no time",
    )
