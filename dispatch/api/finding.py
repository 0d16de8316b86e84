"""POST /v1/quotes, POST /v1/quotes/batch, GET /v1/stores/nearby."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from dispatch.api import answers
from dispatch.api.bodies import parsed, read_json
from dispatch.api.caching import GEOJSON, cached_answer, wants_geojson
from dispatch.api.cursors import Cursors
from dispatch.api.documents import CACHING, json_request, responses_of
from dispatch.api.documents import answer as told
from dispatch.api.headers import header
from dispatch.api.places import place_of, split_commas
from dispatch.api.problems import Problem, problem_of
from dispatch.api.rendering import QuoteAnswer, feature_of, store_told
from dispatch.api.schemas import MAX_QUOTES, NearbyIn, QuoteIn, QuotesIn
from dispatch.api.starts import start_of
from dispatch.api.state import (
    MIN_VERSION_HEADER,
    Service,
    TheMinVersion,
    TheReplica,
    TheService,
    min_version_of,
    replica_of,
    service_of,
)
from dispatch.domain.errors import DispatchError, InvalidInput
from dispatch.domain.question import Line, Question, summed
from dispatch.domain.selection import Selecting
from dispatch.replica.replica import Replica
from dispatch.services.nearby import NearbyQuestion, nearby
from geo.datums import Datum

router = APIRouter(prefix="/v1")

_json = msgspec.json.Encoder().encode
_MIN_VERSION: Final = MIN_VERSION_HEADER.lower().encode("ascii")
_QUOTES_BETWEEN_PAUSES: Final = 8


def question_of(asked: QuoteIn, *, now: datetime) -> Question:
    """The domain's question. Raises InvalidInput for a place or time that cannot be."""
    place = asked.destination
    start = start_of(asked.at, now=now, pointer="/at")
    return Question(
        destination=place_of(lat=place.lat, lon=place.lon, datum=asked.datum, pointer="/destination"),
        lines=summed([Line(line.sku, line.quantity) for line in asked.lines]),
        promise_s=asked.promise_minutes * 60,
        now_s=int(now.timestamp()),
        start_s=int(start.timestamp()),
        strategy=asked.strategy,
        mode=asked.mode,
        alternatives=asked.alternatives,
        explain=asked.explain,
        exclude_stores=frozenset(asked.exclude_stores),
        only_stores=frozenset(asked.only_stores) or None,
    )


async def answer(service: Service, replica: Replica, asked: QuoteIn) -> dict[str, Any]:
    """A quote's answer, from one moment of the replica."""
    question = question_of(asked, now=service.clock())
    ask = Selecting(replica, question)
    selection = await service.roads.answer(question.destination, ask, otherwise=replica.travel)
    rendering = QuoteAnswer(replica, question, datum=asked.datum, lag_s=service.follower.lag_s)
    body = rendering.body(selection)
    service.metrics.quoted(body["outcome"])
    return body


async def quoted(request: Request) -> Response:
    """The answer to POST /v1/quotes, however the request came here."""
    service = await service_of(request)
    min_version = await min_version_of(header(request.scope, _MIN_VERSION))
    asked = parsed(QuoteIn, await read_json(request))
    replica = await replica_of(service, min_version)
    return Response(_json(await answer(service, replica, asked)), media_type="application/json")


@router.post(
    "/quotes",
    summary="Which store can bring this?",
    openapi_extra=json_request(QuoteIn),
    responses=responses_of({200: told("The store, or why there is none", answers.QuoteAnswer)}, 400, 413, 415, 422),
)
async def post_quote(request: Request, _min_version: TheMinVersion) -> Response:
    """The first store, by the strategy's key, that passes every test; or why there is none. 200 either way."""
    return await quoted(request)


class _RawQuotes(msgspec.Struct, forbid_unknown_fields=True):
    quotes: list[msgspec.Raw]


@router.post(
    "/quotes/batch",
    summary="Many quotes at once",
    openapi_extra=json_request(QuotesIn),
    responses=responses_of({200: told("An answer each, in order", answers.QuotesAnswer)}, 400, 413, 415, 422),
)
async def post_quotes(service: TheService, request: Request, replica: TheReplica) -> Response:
    """Each quote is answered, or refused, on its own; the answers come in the order of the questions."""
    body = await read_json(request)
    try:
        raw = msgspec.json.decode(body, type=_RawQuotes)
    except msgspec.ValidationError:
        raise _problem_of_envelope(body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "malformed", "the body is not JSON") from error
    if len(raw.quotes) > MAX_QUOTES:
        detail = f"holds {len(raw.quotes)} quotes; at most {MAX_QUOTES}"
        raise Problem(422, "invalid_input", detail, errors=[("/quotes", detail)])
    found: list[dict[str, Any]] = []
    for i, quote in enumerate(raw.quotes):
        if i % _QUOTES_BETWEEN_PAUSES == _QUOTES_BETWEEN_PAUSES - 1:
            await asyncio.sleep(0)
        found.append(await _one_of_many(service, replica, bytes(quote)))
    return Response(_json({"quotes": found}), media_type="application/json")


def _problem_of_envelope(body: bytes) -> Problem:
    """What is wrong around the quotes, with its places; only asked when something is."""
    try:
        parsed(QuotesIn, body)
    except Problem as problem:
        outside = [error for error in problem.errors if error[0].count("/") <= 1]
        if outside:
            return Problem(problem.status, problem.code, f"{outside[0][0]}: {outside[0][1]}", errors=outside)
        return Problem(problem.status, problem.code, problem.detail, errors=problem.errors)
    return Problem(422, "invalid_input", "the body is not a list of quotes", errors=[("", "is not a list of quotes")])


async def _one_of_many(service: Service, replica: Replica, body: bytes) -> dict[str, Any]:
    try:
        return {"status": 200, "body": await answer(service, replica, parsed(QuoteIn, body))}
    except Problem as problem:
        return {"status": problem.status, "body": problem.body()}
    except DispatchError as error:
        return {"status": problem_of(error).status, "body": problem_of(error).body()}


@router.get(
    "/stores/nearby",
    summary="Stores around a place",
    responses=responses_of(
        {
            200: told(
                "A page of stores",
                {"application/json": answers.NearbyAnswer, GEOJSON: answers.NearbyGeoJson},
                headers=CACHING,
            ),
            304: told("As it was", headers=CACHING),
        },
        400,
        422,
    ),
)
async def get_nearby(
    request: Request,
    service: TheService,
    asked: Annotated[NearbyIn, Query()],
    replica: TheReplica,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Nearest first by geodesic distance, ties by store id; each store that passes comes once over all pages."""
    origin = place_of(lat=asked.lat, lon=asked.lon, datum=asked.datum, pointer="/query/lat")
    cursors = Cursors(asked, tuple[float, str])
    question = NearbyQuestion(
        origin=origin,
        radius_m=asked.radius_m,
        limit=asked.limit,
        now_s=service.now_s(),
        after=cursors.position(),
        open_now=asked.open_now,
        delivers_here=asked.delivers_here,
        brand=asked.brand,
        skus=tuple(dict.fromkeys(asked.sku)),
    )
    page = nearby(replica, question)
    stores = _chosen_fields([store_told(state, asked.datum) for state in page.stores], asked.fields)
    last = page.stores[-1] if page.more else None
    next_cursor = None if last is None else cursors.after((last.distance_m or 0.0, last.store_id))
    geojson = wants_geojson(request)
    if geojson:
        features = [feature_of(s, state, asked.datum) for s, state in zip(stores, page.stores, strict=True)]
        members: dict[str, Any] = {"type": "FeatureCollection", "features": features, "next_cursor": next_cursor}
        if asked.datum is not Datum.WGS84:
            members["datum"] = asked.datum.value
        body = _json(members)
    else:
        body = _json({"stores": stores, "next_cursor": next_cursor})
    return cached_answer(
        body,
        media_type=GEOJSON if geojson else "application/json",
        steady_for_s=page.steady_for_s,
        with_stock=bool(asked.sku),
        if_none_match=if_none_match,
    )


_FIELDS: Final = (
    "store_id",
    "name",
    "brand",
    "address",
    "lat",
    "lon",
    "distance_m",
    "open_now",
    "hours_known",
    "opens_at",
    "closes_at",
    "opening_hours",
    "timezone",
    "phone",
    "delivers_here",
    "stock",
)


def _chosen_fields(stores: list[dict[str, Any]], fields: list[str]) -> list[dict[str, Any]]:
    chosen = split_commas(fields)
    if not chosen:
        return stores
    unknown = [name for name in chosen if name not in _FIELDS]
    if unknown:
        raise InvalidInput(
            [("/query/fields", f"{unknown[0]} is not a field of a store; there are {', '.join(sorted(_FIELDS))}")]
        )
    return [{name: value for name, value in store.items() if name in chosen} for store in stores]
