"""What is answered of imports; for the OpenAPI document alone."""

from typing import Annotated, Any, Literal, NotRequired, Required

from pydantic import Field, RootModel
from typing_extensions import TypedDict

from dispatch.api.answers import CLOSED, Count, Instant, Metres, Point, Told
from dispatch.api.reach_answers import Position
from dispatch.services.import_changes import MOST_CHANGES
from geo.datums import Datum


class RowNote(Told):
    row: Count
    column: str | None
    code: str
    message: str


class PlaceNote(Told):
    place: str
    detail: str


class ChangedNote(Told):
    """What an undo has left as it is, since it was changed after the import.

    ``sku`` null: the store itself; ``store_id`` null: the item of the partner's code ``sku``.
    """

    store_id: str | None
    sku: str | None


class UndoNote(TypedDict, total=False):
    """What an undo has put back and what it has kept, stores or shelf rows; ``code`` where it stopped in the middle."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    restored: Required[Count]
    kept: Required[Count]
    samples: Required[list[ChangedNote]]
    code: str
    message: str


class ImportReport(TypedDict, total=False):
    """Samples and counts of what was wrong or odd; ``code`` and ``message`` when the import as a whole failed."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    file: Annotated[dict[str, Any], Field(description="What the file was found to be: ``format``, ``encoding``")]
    errors: list[RowNote | PlaceNote]
    errors_by_code: dict[str, Count]
    ignored_by_code: dict[str, Count]
    warnings: list[RowNote]
    warnings_by_code: dict[str, Count]
    not_removed: str
    not_zeroed: str
    read_as_part: str
    undo: UndoNote
    code: str
    message: str


class ImportAnswer(Told):
    """``rows = created + updated + unchanged + failed + ignored`` once it is done."""

    import_id: str
    kind: Literal["stores", "stock", "items"]
    partner: str
    status: Literal["running", "done", "failed", "undone"]
    dry_run: bool
    mode: Literal["merge", "replace", "snapshot", "partial"]
    filename: str | None
    applies: str | None
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
    progress: Annotated[float, Field(ge=0, le=1)]
    report: ImportReport


class ImportsAnswer(Told):
    imports: list[ImportAnswer]
    next_cursor: str | None


ChangeProperties = TypedDict(
    "ChangeProperties",
    {
        "store_id": str,
        "name": str | None,
        "change": Literal["created", "updated", "removed", "counted"],
        "fields": Annotated[list[str], Field(description="Of an updated store: those that are others")],
        "from": Annotated[Position | None, Field(description="Where it was, if it moved")],
        "moved_m": Metres | None,
        "rows": Annotated[Count | None, Field(description="Of stock: how many shelf rows are counted")],
    },
)
ChangeProperties.__pydantic_config__ = CLOSED  # type: ignore[attr-defined]  # as above; `from` is a word of the language


class ChangeFeature(Told):
    type: Literal["Feature"]
    id: str
    geometry: Point
    properties: ChangeProperties


class ChangesByKind(Told):
    created: Count
    updated: Count
    removed: Count
    counted: Count


class ImportChangeFeatures(TypedDict):
    """RFC 7946; with another datum than WGS84 it says so."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # pydantic's documented way to configure a TypedDict

    type: Literal["FeatureCollection"]
    features: Annotated[list[ChangeFeature], Field(max_length=MOST_CHANGES, description="By store id")]
    total: Annotated[Count, Field(description="Of all stores, also those that are not told")]
    by_change: ChangesByKind
    datum: NotRequired[Datum]


class ImportChangesAnswer(RootModel[ImportChangeFeatures]):
    """The stores that an import changes, or would."""
