"""Imports of files: begun, listed, told, applied after a dry run, undone, and their bad rows."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response, StreamingResponse

from dispatch.api.cursors import Cursors, between_moments, damaged_cursor, moment_of_us, us_of
from dispatch.api.documents import (
    ATTACHMENT,
    LOCATION,
    VERSION,
    Responses,
    answer,
    csv_content,
    file_request,
    responses_of,
    workbook_content,
)
from dispatch.api.files_sent import XLSX, made_file, sent_and_closed
from dispatch.api.import_answers import ImportAnswer, ImportsAnswer
from dispatch.api.places import split_commas
from dispatch.api.problems import Problem
from dispatch.api.rendering import import_told
from dispatch.api.schemas import ImportAsked, ImportsAsked, NothingAsked, plain
from dispatch.api.state import VERSION_HEADER, Service, TheService
from dispatch.api.uploads import forget, save_upload
from dispatch.domain.errors import CannotBeApplied, InvalidInput
from dispatch.services.housekeeping import KEPT
from dispatch.services.import_errors import bad_rows_workbook
from dispatch.services.import_requests import request_of
from dispatch.services.import_undo import changed_since, open_undo
from dispatch.services.imports import ImportRequest, bad_rows_csv, open_import
from dispatch.storage.imports import list_imports, read_import, take_back_import

router = APIRouter(prefix="/v1/imports")

_json = msgspec.json.Encoder().encode
type ImportId = Annotated[str, Path(min_length=1, max_length=64), AfterValidator(plain)]
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.{0,24}")
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


_BEGUN: Final[Responses] = responses_of({202: answer("It runs", ImportAnswer, headers=LOCATION)}, 400, 409, 413, 422)


@router.post(
    "/stores",
    summary="Import stores from a file",
    status_code=202,
    openapi_extra=file_request(),
    responses=_BEGUN,
)
async def post_stores(request: Request, asked: Annotated[ImportAsked, Query()], service: TheService) -> Response:
    """202 at once; follow ``Location`` for what became of every row."""
    return await _begin(request, "stores", asked, service)


@router.post(
    "/stock",
    summary="Import stock from a file",
    status_code=202,
    openapi_extra=file_request(),
    responses=_BEGUN,
)
async def post_stock(request: Request, asked: Annotated[ImportAsked, Query()], service: TheService) -> Response:
    """202 at once; follow ``Location``. A count older than what is known is kept out and counted as ignored."""
    return await _begin(request, "stock", asked, service)


@router.post(
    "/items",
    summary="Import a partner's own item codes from a file",
    status_code=202,
    openapi_extra=file_request(),
    responses=_BEGUN,
)
async def post_items(request: Request, asked: Annotated[ImportAsked, Query()], service: TheService) -> Response:
    """202 at once; follow ``Location``. The partner's stock is read by these codes from then on.

    Each stands for a sku, and for how many pieces of it are one of what the code counts. The parameters of places,
    moments and money mean nothing here.
    """
    return await _begin(request, "items", asked, service)


async def _begin(request: Request, kind: str, asked: ImportAsked, service: Service) -> Response:
    now = service.clock()
    path = service.uploads / f"{uuid4().hex}.upload"
    started = False
    try:
        wanted = ImportRequest(
            kind=kind,
            path=path,
            now=now,
            filename=asked.filename,
            partner=asked.partner,
            mode=asked.mode,
            dry_run=asked.dry_run,
            datum=asked.datum,
            as_of=_as_of(asked.as_of, now),
            timezone=asked.timezone,
            country=asked.country,
            currency=asked.currency,
            encoding=asked.encoding,
            sheet=asked.sheet,
            profile=asked.profile,
            force=asked.force,
            id_from=split_commas(asked.id_from),
            mapping=mapping_of(asked.map),
        )
        _check_mode(wanted)
        await service.imports.get_ready()
        filename = await save_upload(request, path, most_bytes=service.limits.max_file_bytes)
        wanted = wanted.named(asked.filename or filename)
        await service.imports.look(wanted)
        import_id = await open_import(service.database, wanted)
        if wanted.dry_run:
            # Kept under the import's id, so that it can be applied.
            kept = _kept_file(service, import_id)
            path.rename(kept)
            wanted = replace(wanted, path=kept)

        async def work() -> None:
            try:
                await service.imports.run(service.database, import_id, wanted)
            finally:
                # Only a dry run need be asked after: the service may stop just here, and then nothing is waited for.
                if not wanted.dry_run or (await read_import(service.database, import_id)).status != "done":
                    forget(wanted.path)

        service.background.start(work(), name=f"import {import_id}")
        started = True
    finally:
        if not started:
            forget(path)
    return await _told(service, import_id)


async def _told(service: Service, import_id: str) -> Response:
    """202 with the import as it stands, and where to ask for more."""
    record = await read_import(service.database, import_id)
    headers = {"Location": f"/v1/imports/{import_id}"}
    return Response(_json(import_told(record)), status_code=202, media_type="application/json", headers=headers)


def _kept_file(service: Service, import_id: str) -> FilePath:
    return service.uploads / f"{import_id}{KEPT}"


@router.post(
    "/{import_id}/apply",
    summary="Apply the file of a dry run",
    status_code=202,
    responses=responses_of({202: answer("It runs", ImportAnswer, headers=LOCATION)}, 400, 404, 409, 422),
)
async def post_apply(import_id: ImportId, _asked: Annotated[NothingAsked, Query()], service: TheService) -> Response:
    """The same file with the same parameters, as an import of its own. 409 if the stores or counts that it names have
    changed since; reservations do not count."""
    record = await read_import(service.database, import_id)
    path = _kept_file(service, import_id)
    if not record.dry_run or record.status != "done":
        what = f"is {record.status}" if record.dry_run else "was no dry run"
        raise CannotBeApplied(f"the import {import_id} {what}; only a dry run that is done can be applied")
    if not path.is_file():
        raise CannotBeApplied("the file of a dry run is kept for a day where it was sent; send it again")
    wanted = request_of(
        record.asked, kind=record.kind, path=path, partner=record.partner, mode=record.mode, filename=record.filename
    )
    applied_id = await open_import(service.database, wanted, applies=import_id)
    try:
        # Compared once it is this import's turn, so that no other import of the partner comes in between.
        changed = await changed_since(service.database, record)
        if changed:
            errors = [("", _place_told(store_id, sku)) for store_id, sku in changed]
            detail = f"what the file names has changed since the dry run, such as {errors[0][1]}; make another dry run"
            raise Problem(409, "changed_since_dry_run", detail, errors=errors)
    except BaseException:
        await asyncio.shield(take_back_import(service.database, applied_id))
        raise
    service.background.start(service.imports.run(service.database, applied_id, wanted), name=f"import {applied_id}")
    return await _told(service, applied_id)


def _place_told(store_id: str | None, sku: str | None) -> str:
    if store_id is None:
        return "some of the partner's items" if sku is None else f"item {sku}"
    return f"store {store_id}" if sku is None else f"store {store_id}, sku {sku}"


@router.post(
    "/{import_id}/undo",
    summary="Put back what was before an import",
    status_code=202,
    responses=responses_of({202: answer("It runs", ImportAnswer, headers=LOCATION)}, 400, 404, 409, 422),
)
async def post_undo(import_id: ImportId, _asked: Annotated[NothingAsked, Query()], service: TheService) -> Response:
    """Follow ``Location`` until it is ``undone``. What was changed since stays, and is told in the report."""
    record = await read_import(service.database, import_id)
    await open_undo(service.database, record, now=service.clock())
    service.background.start(service.imports.undo(service.database, record), name=f"undo {import_id}")
    return await _told(service, import_id)


def _check_mode(wanted: ImportRequest) -> None:
    """Raises InvalidInput before the file is read, rather than after."""
    assert wanted.effective_mode


def _as_of(text: str | None, now: datetime) -> datetime | None:
    """None: the file must say it. Without an offset it is local in the zone of the import, or of each store."""
    if text is None:
        return None
    if text == "now":
        return now
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        as_of = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise InvalidInput([("/query/as_of", "is neither now nor a time like 2026-11-21T22:00:00+08:00")]) from error
    if (as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)) < _EARLIEST:
        raise InvalidInput([("/query/as_of", f"is before the year {_EARLIEST.year}")])
    return as_of


def mapping_of(pairs: list[str]) -> dict[str, str]:
    """Source column to field, of ``column=field`` texts. Raises InvalidInput."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        column, equals, field = pair.rpartition("=")
        if not equals or not column.strip() or not field.strip():
            raise InvalidInput([("/query/map", f"{pair!r} is not of the form column=field")])
        mapping[column.strip()] = field.strip()
    return mapping


@router.get(
    "",
    summary="Imports, newest first",
    responses=responses_of({200: answer("A page", ImportsAnswer)}, 400, 422),
)
async def get_imports(asked: Annotated[ImportsAsked, Query()], service: TheService) -> Response:
    """Who imported what, when, and what came of it; of a kind, partner or status, or since a moment, if asked for."""
    cursors = Cursors(asked, tuple[int, str])
    records = await list_imports(
        service.database,
        after=_after(cursors.position()),
        limit=asked.limit + 1,
        kind=asked.kind,
        partner=asked.partner,
        status=asked.status,
        since=None if asked.since is None else between_moments(asked.since),
    )
    shown = records[: asked.limit]
    last = shown[-1] if len(records) > len(shown) else None
    next_cursor = None if last is None else cursors.after((us_of(last.created_at), last.import_id))
    body: dict[str, Any] = {"imports": [import_told(record) for record in shown], "next_cursor": next_cursor}
    return Response(_json(body), media_type="application/json")


def _after(position: tuple[int, str] | None) -> tuple[datetime, str] | None:
    """Where the list goes on. Raises Problem 400 for a cursor that was never given out."""
    if position is None:
        return None
    us, import_id = position
    if not import_id.isalnum():
        raise damaged_cursor()
    return moment_of_us(us), import_id


@router.get(
    "/{import_id}",
    summary="An import",
    responses=responses_of(
        {
            200: answer(
                "As it stands; with its version once it has applied something (items have none)",
                ImportAnswer,
                headers=VERSION,
            )
        },
        400,
        404,
        422,
    ),
)
async def get_import(import_id: ImportId, _asked: Annotated[NothingAsked, Query()], service: TheService) -> Response:
    """How far it is, and what became of its rows: ``rows = created + updated + unchanged + failed + ignored``."""
    record = await read_import(service.database, import_id)
    headers = {} if record.version is None else {VERSION_HEADER: record.version}
    return Response(_json(import_told(record)), media_type="application/json", headers=headers)


@router.get(
    "/{import_id}/errors.csv",
    summary="The bad rows of an import, whole",
    response_class=StreamingResponse,
    responses=responses_of({200: answer("The rows", headers=ATTACHMENT) | csv_content()}, 400, 404, 422),
)
async def get_errors(
    import_id: ImportId, _asked: Annotated[NothingAsked, Query()], service: TheService
) -> StreamingResponse:
    """In the file's own columns, with row, column, code and message at the end; mended, it can be sent again."""
    record = await read_import(service.database, import_id)
    headers = {"Content-Disposition": f'attachment; filename="errors-{import_id}.csv"'}
    return StreamingResponse(
        bad_rows_csv(service.database, record), media_type="text/csv; charset=utf-8", headers=headers
    )


@router.get(
    "/{import_id}/errors.xlsx",
    summary="The bad rows of an import, whole, as a workbook",
    response_class=StreamingResponse,
    responses=responses_of({200: answer("The rows", headers=ATTACHMENT) | workbook_content()}, 400, 404, 422),
)
async def get_errors_workbook(
    import_id: ImportId, _asked: Annotated[NothingAsked, Query()], service: TheService
) -> StreamingResponse:
    """As errors.csv, every cell as text, so that no spreadsheet changes it; mended, it can be sent again."""
    record = await read_import(service.database, import_id)
    file = await made_file(service.uploads, partial(bad_rows_workbook, service.database, record))
    headers = {"Content-Disposition": f'attachment; filename="errors-{import_id}.xlsx"'}
    return StreamingResponse(sent_and_closed(file), media_type=XLSX, headers=headers)
