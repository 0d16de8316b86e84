"""POST /v1/quotes, POST /v1/quotes/batch, GET /v1/stores/nearby."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Header, Query, Request
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import Scope

from dispatch.api import answers
from dispatch.api.bodies import parsed, read_json
from dispatch.api.caching import GEOJSON, cached_answer, wants_geojson
from dispatch.api.cursors import Cursors
from dispatch.api.documents import CACHING, json_request, responses_of
from dispatch.api.documents import answer as told
from dispatch.api.headers import header
from dispatch.api.places import place_of, split_commas
from dispatch.api.plain_quotes import PlainQuote, read_quote
from dispatch.api.problems import Problem, problem_of
from dispatch.api.rendering import QuoteAnswer, bodies_of, feature_of, store_told
from dispatch.api.schemas import MAX_QUOTES, NearbyIn, QuoteIn, QuotesIn
from dispatch.api.starts import start_of
from dispatch.api.state import (
    MIN_VERSION_HEADER,
    REPEATABLE,
    Service,
    TheMinVersion,
    TheReplica,
    TheService,
    min_version_of,
    replica_of,
    service_of,
)
from dispatch.domain.answer import Selection
from dispatch.domain.errors import DispatchError, InvalidInput
from dispatch.domain.question import Question, summed
from dispatch.domain.selection import Selecting, select
from dispatch.replica.pauses import Pauses
from dispatch.replica.replica import Replica
from dispatch.services.nearby import NearbyQuestion, nearby
from geo.datums import Datum

router = APIRouter(prefix="/v1")

_json = msgspec.json.Encoder().encode
_NO_STORES: Final[frozenset[str]] = frozenset()
_MIN_VERSION: Final = MIN_VERSION_HEADER.lower().encode("ascii")
# Whose answers are told together; a pause may be due before.
_QUOTES_TOGETHER: Final = 50


def question_of(asked: PlainQuote | QuoteIn, *, now: datetime) -> Question:
    """The domain's question. Raises InvalidInput for a place or time that cannot be."""
    place = asked.destination
    now_s = int(now.timestamp())
    start_s = now_s if asked.at is None else int(start_of(asked.at, now=now, pointer="/at").timestamp())
    return Question(
        destination=place_of(lat=place.lat, lon=place.lon, datum=asked.datum, pointer="/destination"),
        lines=summed(asked.lines),
        promise_s=asked.promise_minutes * 60,
        now_s=now_s,
        start_s=start_s,
        strategy=asked.strategy,
        mode=asked.mode,
        alternatives=asked.alternatives,
        explain=asked.explain,
        exclude_stores=frozenset(asked.exclude_stores) if asked.exclude_stores else _NO_STORES,
        only_stores=frozenset(asked.only_stores) if asked.only_stores else None,
    )


async def answer(service: Service, replica: Replica, asked: PlainQuote | QuoteIn) -> dict[str, Any]:
    """A quote's answer, from one moment of the replica."""
    question = question_of(asked, now=service.clock())
    selection = await _selected(service, replica, question)
    body = QuoteAnswer(replica, question, datum=asked.datum, lag_s=service.follower.lag_s).body(selection)
    service.metrics.quoted(body["outcome"])
    return body


async def _selected(service: Service, replica: Replica, question: Question) -> Selection:
    return await service.roads.answer(question.destination, Selecting(replica, question), otherwise=replica.travel)


async def quoted(request: Request) -> Response:
    """The answer to POST /v1/quotes, however the request came here."""
    service = await service_of(request)
    min_version = await min_version_of(header(request.scope, _MIN_VERSION))
    asked = read_quote(await read_json(request))
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
async def post_quotes(request: Request, _min_version: TheMinVersion) -> Response:
    """Each quote is answered, or refused, on its own; the answers come in the order of the questions."""
    return await quoted_many(request)


async def quoted_many(request: Request) -> Response:
    """The answer to POST /v1/quotes/batch, however the request came here."""
    service = await service_of(request)
    min_version = await min_version_of(header(request.scope, _MIN_VERSION))
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
    replica = await replica_of(service, min_version)
    parts: list[bytes] = []
    outcomes: Counter[str] = Counter()
    # By road a question may wait, and the replica change meanwhile: then each is told before the next is asked.
    together = _QUOTES_TOGETHER if service.roads.engine is None else 1
    some: list[_Asked | Problem] = []
    now = service.clock()
    pauses = Pauses()
    for i, quote in enumerate(raw.quotes, 1):
        question = _read_of_many(quote, now)
        if isinstance(question, Problem):
            some.append(question)
        elif together > 1:
            some.append((*question, select(replica, question[0])))
        else:
            some.append((*question, await _selected(service, replica, question[0])))
        if i == len(raw.quotes) or len(some) == together or pauses.due:
            found = _told_together(replica, some, lag_s=service.follower.lag_s)
            outcomes.update([one["body"]["outcome"] for one in found if one["status"] == 200])
            # Encoded at once: the objects of a thousand answers would drive all else out of the processor's caches.
            parts.append(_json(found)[1:-1])
            some = []
            if pauses.due:
                await pauses.give_way()
            now = service.clock()
    for outcome, count in outcomes.items():
        service.metrics.quoted(outcome, count)
    return Response(b'{"quotes":[' + b",".join(parts) + b"]}", media_type="application/json")


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


type _Asked = tuple[Question, Datum, Selection]
"""A question, the datum that its places are in, and what it came to."""


def _read_of_many(quote: msgspec.Raw, now: datetime) -> tuple[Question, Datum] | Problem:
    """What one of many asks, or why it is refused."""
    try:
        asked = read_quote(quote)
        return question_of(asked, now=now), asked.datum
    except Problem as problem:
        return problem
    except DispatchError as error:
        return problem_of(error)


def _told_together(replica: Replica, asked: Sequence[_Asked | Problem], *, lag_s: float) -> list[dict[str, Any]]:
    """The answers, in order, all from one moment of the replica."""
    told = iter(bodies_of(replica, [one for one in asked if not isinstance(one, Problem)], lag_s=lag_s))
    return [
        {"status": one.status, "body": one.body()} if isinstance(one, Problem) else {"status": 200, "body": next(told)}
        for one in asked
    ]


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
    return page_of(service, replica, asked, request, if_none_match)


def page_of(
    service: Service, replica: Replica, asked: NearbyIn, request: Request, if_none_match: str | None
) -> Response:
    """The answer to GET /v1/stores/nearby, however the request came here."""
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


def read_nearby(scope: Scope) -> NearbyIn | None:
    """What GET /v1/stores/nearby is asked, if it is asked well, and each parameter but those of many values once."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name in REPEATABLE:
            values.setdefault(name, []).append(value)
        elif name in values:
            return None
        else:
            values[name] = value
    try:
        return NearbyIn.model_validate(values)
    except ValidationError:
        return None


async def nearby_answered(request: Request, asked: NearbyIn) -> Response:
    """The answer to GET /v1/stores/nearby, without the framework's way to it."""
    service: Service = request.app.state.service
    replica = await replica_of(service, await min_version_of(header(request.scope, _MIN_VERSION)))
    return page_of(service, replica, asked, request, header(request.scope, b"if-none-match"))


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
