"""What is answered of movements, of what is withheld, of closures, and of partners; for the OpenAPI document alone."""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from dispatch.api.answers import Count, Instant, Told
from dispatch.domain.movements import MovementStatus
from dispatch.domain.orders import GoodsLeave

type DueAt = Annotated[str, Field(description="HH:MM, local time of each store")]


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
    stock_due_at: DueAt | None


# ── Whose upload is late ───────────────────────────────────────────────────────────────────────────────────────────


class CountTold(Told):
    counted_at: Instant
    age_s: Count


class LastImport(Told):
    """The newest import of its kind that was no dry run."""

    import_id: str
    status: Literal["running", "done", "failed", "undone"]
    mode: Literal["merge", "replace", "snapshot", "partial"]
    filename: str | None
    created_at: Instant
    ended_at: Instant | None
    rows: Count
    created: Count
    updated: Count
    unchanged: Count
    removed: Count
    failed: Count
    ignored: Count
    warnings: Count


class UploadsOfPartner(Told):
    partner: str
    late: Annotated[bool, Field(description="Whether any of its stores is")]
    stock_due_at: DueAt | None
    stores: Annotated[int, Field(ge=0, description="In service and active; all counts are of these")]
    stores_late: Count
    stores_never_counted: Count
    newest_count: CountTold | None
    oldest_count: Annotated[CountTold | None, Field(description="Of the store whose newest count is the oldest")]
    last_stores_import: LastImport | None
    last_stock_import: LastImport | None


class UploadsAnswer(Told):
    uploads: Annotated[list[UploadsOfPartner], Field(max_length=500)]
    next_cursor: str | None


class LateStoreTold(Told):
    store_id: str
    name: str | None
    due_at: Annotated[Instant, Field(description="Today, in the store's time zone")]
    counted_at: Annotated[Instant | None, Field(description="Its newest count; null: never")]
    age_s: Count | None


class LateStoresAnswer(Told):
    partner: str
    stock_due_at: DueAt | None
    late_stores: Annotated[list[LateStoreTold], Field(max_length=1_000)]
    next_cursor: str | None
