"""What is asked of an import, and a first look at it that tells at once what is wrong with the request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from dispatch.domain.errors import InvalidInput
from dispatch.domain.stores import DEFAULT_PARTNER
from dispatch.ingest.formats.recognition import Format, format_of
from dispatch.ingest.formats.sources import is_packed
from dispatch.ingest.items import ItemOptions, read_items
from dispatch.ingest.opening import OpenOptions, open_table
from dispatch.ingest.problems import FileProblem, RowProblem
from dispatch.ingest.profiles import choose_profile
from dispatch.ingest.stock import StockOptions, read_stock
from dispatch.ingest.stores import StoreOptions, read_stores
from dispatch.ingest.tables import RawRow, RowIgnored, Table
from geo.datums import Datum

# How the reading of files names the place of a fault that is no fault of the file.
_PARAMETER: Final = "parameter "
# A feed of so many bytes is read through in a tenth of a second or two; gzip takes it for some times as many.
_SMALL_BYTES: Final = 1_000_000
_UNPACKED: Final = 20
_ASKED: Final = ("timezone", "country", "currency", "encoding", "sheet", "profile", "force")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What is asked of an import. ``as_of`` ``now`` is resolved by the caller. ``mode`` None: the kind's default.

    ``profile`` is the name of one, or the text of a profile file.
    """

    kind: str
    path: Path
    now: datetime
    filename: str | None = None
    partner: str = DEFAULT_PARTNER
    mode: str | None = None
    dry_run: bool = False
    datum: Datum | None = None
    as_of: datetime | None = None
    timezone: str | None = None
    country: str | None = None
    currency: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    profile: str | None = None
    force: bool = False
    id_from: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    def named(self, filename: str | None) -> "ImportRequest":
        """The same request, of a file with this name."""
        return replace(self, filename=filename)

    @property
    def effective_mode(self) -> str:
        """The mode, or the harmless one of the kind. Raises InvalidInput for one that the kind does not have."""
        modes = ("partial", "snapshot") if self.kind == "stock" else ("merge", "replace")
        if self.mode is not None and self.mode not in modes:
            raise InvalidInput([("/query/mode", f"an import of {self.kind} has the modes {' and '.join(modes)}")])
        return self.mode or modes[0]


@dataclass(frozen=True, slots=True)
class _Header:
    """A table of no rows, whose columns are all that its kind must have."""

    columns: tuple[str, ...]
    decimal_comma: bool = False
    delimiter: str = ","
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[RawRow | RowProblem | RowIgnored]:
        return iter(())


_HEADERS: Final = {
    "stores": _Header(("store_id", "lat", "lon")),
    "stock": _Header(("store_id", "sku", "on_hand", "as_of")),
    "items": _Header(("partner_code", "sku")),
}


def look_over(request: ImportRequest) -> None:
    """Look into the file, to tell at once what is wrong with the request; what is wrong with the file the import tells.

    The columns of a feed (JSON, XML, PBF) are known once it is read to its end. Of one that is not small only the
    parameters are judged that no column can be looked up for; of the others the import tells.
    Raises InvalidInput when a parameter is wrong or lacks (``as_of_required``), with the parameter's pointer.
    """
    small = _reads_in_a_moment(request)
    for look in (_look_at_rows,) if small else (_look_at_profile, _look_at_parameters):
        try:
            look(request)
        except FileProblem as problem:
            _tell_of_parameters(problem)


def _reads_in_a_moment(request: ImportRequest) -> bool:
    """Whether the file is small, or its columns stand at its beginning."""
    with request.path.open("rb") as file:
        packed = is_packed(file)
    if request.path.stat().st_size * (_UNPACKED if packed else 1) <= _SMALL_BYTES:
        return True
    try:
        return format_of(request.path, encoding=request.encoding) in (Format.DELIMITED, Format.XLSX)
    except FileProblem:
        return False


def _look_at_rows(request: ImportRequest) -> None:
    _open_rows(open_table(request.path, open_options(request)), request)


def _look_at_profile(request: ImportRequest) -> None:
    if request.profile is not None:
        choose_profile(_HEADERS[request.kind].columns, kind=request.kind, asked=request.profile)


def _look_at_parameters(request: ImportRequest) -> None:
    _open_rows(_HEADERS[request.kind], replace(request, mapping={}, id_from=()))


def _open_rows(table: Table, request: ImportRequest) -> None:
    if request.kind == "stores":
        read_stores(table, options=store_options(request))
    elif request.kind == "items":
        read_items(table, options=item_options(request))
    else:
        read_stock(table, options=stock_options(request), stores={})


def _tell_of_parameters(problem: FileProblem) -> None:
    """Raises InvalidInput if a parameter is what is wrong."""
    errors = [
        (f"/query/{place.removeprefix(_PARAMETER)}", detail)
        for place, detail in problem.errors
        if place.startswith(_PARAMETER)
    ]
    if errors:
        raise InvalidInput(errors, code=problem.code) from problem


def asked_of(request: ImportRequest) -> dict[str, Any]:
    """The request in JSON's types, without what the record has in columns of its own, nor the file's path."""
    asked: dict[str, Any] = {name: getattr(request, name) for name in _ASKED}
    asked["datum"] = None if request.datum is None else request.datum.value
    asked["as_of"] = None if request.as_of is None else request.as_of.isoformat()
    asked["now"] = request.now.isoformat()
    return asked | {"id_from": list(request.id_from), "mapping": dict(request.mapping)}


def request_of(
    asked: Mapping[str, Any], *, kind: str, path: Path, partner: str, mode: str, filename: str | None
) -> ImportRequest:
    """The request again that ``asked_of`` has told, to be applied."""
    return ImportRequest(
        kind=kind,
        path=path,
        now=datetime.fromisoformat(asked["now"]),
        filename=filename,
        partner=partner,
        mode=mode,
        datum=None if asked["datum"] is None else Datum(asked["datum"]),
        as_of=None if asked["as_of"] is None else datetime.fromisoformat(asked["as_of"]),
        id_from=tuple(asked["id_from"]),
        mapping=dict(asked["mapping"]),
        **{name: asked[name] for name in _ASKED},
    )


def open_options(request: ImportRequest) -> OpenOptions:
    return OpenOptions(
        kind=request.kind,
        encoding=request.encoding,
        sheet=request.sheet,
        profile=request.profile,
        now=request.now,
    )


def store_options(request: ImportRequest) -> StoreOptions:
    return StoreOptions(
        partner=request.partner,
        datum=request.datum,
        timezone=request.timezone,
        country=request.country,
        force=request.force,
        id_from=request.id_from,
        mapping=request.mapping,
    )


def item_options(request: ImportRequest) -> ItemOptions:
    return ItemOptions(mapping=request.mapping)


def stock_options(request: ImportRequest) -> StockOptions:
    return StockOptions(
        now=request.now,
        as_of=request.as_of,
        currency=request.currency,
        partner=request.partner,
        timezone=request.timezone,
        mapping=request.mapping,
    )
