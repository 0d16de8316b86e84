"""GET /v1/uploads, /v1/uploads/{partner}: whose upload is late today; the same as pages at /uploads."""

from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query
from starlette.responses import Response

from dispatch.api import schemas
from dispatch.api.cursors import Cursors, damaged_cursor, moment_of_us, us_of
from dispatch.api.documents import answer, responses_of
from dispatch.api.rendering import due_told, late_store_told, uploads_told
from dispatch.api.schemas import LateStoresAsked, UploadsAsked
from dispatch.api.state import Service, TheService
from dispatch.api.stock_answers import LateStoresAnswer, UploadsAnswer
from dispatch.services.lateness import LateStore, PartnerUploads, Position, read_late_stores, read_uploads
from dispatch.web.lateness_pages import HEADERS, partners_page, stores_page
from dispatch.web.words import Words, words_of

router = APIRouter()

_json = msgspec.json.Encoder().encode
_NEVER: Final = -1

type InPath = Annotated[schemas.Partner, Path(description="The partner's name")]


async def _words(accept_language: Annotated[str, Header()] = "") -> Words:
    """The language that the reader prefers."""
    return words_of(accept_language)


TheWords = Annotated[Words, Depends(_words)]


@router.get(
    "/v1/uploads",
    summary="Whose upload is late today",
    responses=responses_of({200: answer("A page of partners", UploadsAnswer)}, 400, 422),
)
async def get_uploads(asked: Annotated[UploadsAsked, Query()], service: TheService) -> Response:
    """Partners, those with late stores first, then by name: how their stores stand, and their last imports."""
    now = service.clock()
    shown, next_cursor = await _partners(asked, service, now)
    body = {"uploads": [uploads_told(uploads, now) for uploads in shown], "next_cursor": next_cursor}
    return Response(_json(body), media_type="application/json")


@router.get(
    "/v1/uploads/{partner}",
    summary="A partner's late stores",
    responses=responses_of({200: answer("A page of stores", LateStoresAnswer)}, 400, 404, 422),
)
async def get_late_stores(partner: InPath, asked: Annotated[LateStoresAsked, Query()], service: TheService) -> Response:
    """Worst first: stores never counted, then those whose newest count is the oldest; ties by id."""
    now = service.clock()
    page = await _late_stores(partner, asked, service, now)
    body = {
        "partner": partner,
        "stock_due_at": page.due_at,
        "late_stores": [late_store_told(store, now) for store in page.stores],
        "next_cursor": page.next_cursor,
    }
    return Response(_json(body), media_type="application/json")


@router.get("/uploads", include_in_schema=False)
async def get_uploads_page(asked: Annotated[UploadsAsked, Query()], service: TheService, words: TheWords) -> Response:
    now = service.clock()
    shown, next_cursor = await _partners(asked, service, now)
    return _html(partners_page([uploads_told(uploads, now) for uploads in shown], now, next_cursor, words))


@router.get("/uploads/{partner}", include_in_schema=False)
async def get_late_stores_page(
    partner: InPath, asked: Annotated[LateStoresAsked, Query()], service: TheService, words: TheWords
) -> Response:
    now = service.clock()
    page = await _late_stores(partner, asked, service, now)
    stores = [late_store_told(store, now) for store in page.stores]
    return _html(stores_page(partner, page.due_at, stores, now, page.next_cursor, words))


def _html(text: str) -> Response:
    return Response(text, media_type="text/html", headers=HEADERS)


async def _partners(asked: UploadsAsked, service: Service, now: datetime) -> tuple[list[PartnerUploads], str | None]:
    cursors = Cursors(asked, tuple[bool, str])
    after = cursors.position()
    every = await read_uploads(service.database, now)
    rest = [one for one in every if after is None or _place(one) > (not after[0], after[1])]
    shown = rest[: asked.limit]
    last = shown[-1] if len(rest) > len(shown) else None
    return shown, None if last is None else cursors.after((last.counted.late > 0, last.counted.partner))


def _place(one: PartnerUploads) -> tuple[bool, str]:
    """By what partners are in order."""
    return not one.counted.late, one.counted.partner


class _LateStores(NamedTuple):
    """A page of a partner's late stores."""

    due_at: str | None
    stores: list[LateStore]
    next_cursor: str | None


async def _late_stores(partner: str, asked: LateStoresAsked, service: Service, now: datetime) -> _LateStores:
    # A cursor of one partner's stores is none of another's.
    cursors = Cursors(_OfPartner(partner=partner, **asked.model_dump()), tuple[int, str])
    position = cursors.position()
    after = None if position is None else _after(position)
    due_at, found = await read_late_stores(service.database, partner, now, after=after, limit=asked.limit + 1)
    shown = found[: asked.limit]
    next_cursor = None
    if len(found) > len(shown):
        last = shown[-1]
        next_cursor = cursors.after((_NEVER if last.counted_at is None else us_of(last.counted_at), last.store_id))
    return _LateStores(due_told(due_at), shown, next_cursor)


class _OfPartner(LateStoresAsked):
    partner: str


def _after(position: tuple[int, str]) -> Position:
    """Where the list goes on. Raises Problem 400 for a cursor that was never given out."""
    us, store_id = position
    if "\0" in store_id:
        raise damaged_cursor()
    return (None if us == _NEVER else moment_of_us(us)), store_id
