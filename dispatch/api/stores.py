"""GET, PUT, DELETE /v1/stores/{store_id}; GET, PUT, PATCH …/stock."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from dispatch.api.answers import CountAnswer, DeletedAnswer, StockAnswer, StoreAnswer
from dispatch.api.bodies import body_of
from dispatch.api.documents import VERSION, answer, json_request, responses_of
from dispatch.api.places import place_of
from dispatch.api.problems import Problem, problem_of
from dispatch.api.rendering import shelf_row_told, store_told_whole
from dispatch.api.schemas import DeleteAsked, ShelfIn, ShelfItemIn, StockAsked, StoreAsked, StoreId, StoreIn
from dispatch.api.state import VERSION_HEADER, Service, TheMinVersion, TheReplica, TheService
from dispatch.domain.errors import InvalidInput, ReplicaBehind, StoreNotFound
from dispatch.domain.hours import HoursError, check_opening_hours
from dispatch.domain.stores import KEEP, ShelfCount, Store
from dispatch.ingest.values import BadValueError, currency_of, timezone_name
from dispatch.services import stores
from dispatch.services.nearby import state_of
from dispatch.services.orders.leaving import leave_store
from geo.coordinates import CoordinateError, timezone_of
from geo.zones import ZoneError, parse_zone, zone_to_wgs84

router = APIRouter(prefix="/v1/stores/{store_id}")

_json = msgspec.json.Encoder().encode
# As in files: whatever says it was counted earlier has its date wrong.
_EARLIEST_COUNT: Final = datetime(2000, 1, 1, tzinfo=UTC)

type InPath = Annotated[StoreId, Path(description="The store's id, unique everywhere")]


@router.get("", summary="A store", responses=responses_of({200: answer("The store", StoreAnswer)}, 400, 404, 422))
async def get_store(
    store_id: InPath, asked: Annotated[StoreAsked, Query()], service: TheService, replica: TheReplica
) -> Response:
    """The store as nearby searches show it, and its terms; the setting's default where it does not say."""
    slot = replica.slot(store_id)
    if slot is None:
        raise StoreNotFound(f"there is no store {store_id}")
    body = store_told_whole(replica, state_of(replica, slot, service.now_s()), asked.datum)
    return Response(_json(body), media_type="application/json")


@router.put(
    "",
    summary="Put a whole store",
    openapi_extra=json_request(StoreIn),
    responses=responses_of(
        {
            200: answer("The store that was there, as it is now", StoreAnswer, headers=VERSION),
            201: answer("The new store", StoreAnswer, headers=VERSION),
        },
        400,
        404,
        409,
        413,
        415,
        422,
    ),
)
async def put_store(
    store_id: InPath, sent: Annotated[StoreIn, Depends(body_of(StoreIn))], service: TheService
) -> Response:
    """201 for a new store, 200 else; what is absent is not said. The answer is the store, with ``warnings``."""
    store = _store_of(store_id, sent)
    # The answer comes from the replica, so nothing is written while there is none.
    replica = service.follower.replica
    put = await stores.put_store(service.database, store)
    version = put.version or replica.version_around(store.place)
    try:
        await service.follower.wait_for(version, at_most_s=service.limits.min_version_wait_s)
    except ReplicaBehind as error:
        raise _written_but_not_seen(error, version.encode()) from error
    replica = service.follower.replica
    slot = replica.slot(store_id)
    if slot is None:
        raise StoreNotFound(f"the store {store_id} was put, and then taken out of service by another request")
    body = store_told_whole(replica, state_of(replica, slot, service.now_s()), sent.datum)
    headers = {VERSION_HEADER: version.encode()}
    status = 201 if put.created else 200
    return Response(_json(body), status_code=status, media_type="application/json", headers=headers)


def _written_but_not_seen(error: ReplicaBehind, version: str) -> Problem:
    problem = problem_of(error)
    problem.detail = "the store is put, but this worker has not seen it yet; get it, or put it again"
    problem.headers[VERSION_HEADER] = version
    return problem


@router.delete(
    "",
    summary="Take a store out of service",
    responses=responses_of(
        {200: answer("It is out of service; what is still open there", DeletedAnswer, headers=VERSION)}, 400, 404, 422
    ),
)
async def delete_store(store_id: InPath, asked: Annotated[DeleteAsked, Query()], service: TheService) -> Response:
    """It takes no new orders and is found no more; the orders still open there are listed, oldest first.

    With ``reassign`` those not yet ready move to other stores, and what no other store can fulfil stays listed. The
    same again is 200 with what is open by then, so that whoever got no answer, or a 503, sends it once more, and
    whoever has deleted a store may still have its orders moved. 404 is only for an id that never was a store's.
    """
    version = await stores.remove_store(service.database, store_id)
    left, moves = await leave_store(service.ordering, store_id, reassign=asked.reassign)
    version.merge(moves)
    body: dict[str, Any] = {"store_id": store_id, "open_orders": [order.order_id for order in left]}
    return Response(_json(body), media_type="application/json", headers={VERSION_HEADER: version.encode()})


@router.get(
    "/stock", summary="A store's shelf", responses=responses_of({200: answer("Its rows", StockAnswer)}, 400, 404, 422)
)
async def get_stock(
    store_id: InPath, asked: Annotated[StockAsked, Query()], service: TheService, _min_version: TheMinVersion
) -> Response:
    """A row for each sku ever stocked there, in order of sku; answered by the database."""
    rows = await stores.read_shelf(service.database, store_id, asked.sku or None)
    return Response(_json({"stock": [shelf_row_told(row) for row in rows]}), media_type="application/json")


_COUNTED: Final = {200: answer("What became of it", CountAnswer, headers=VERSION)}


@router.put(
    "/stock",
    summary="Count a whole shelf",
    openapi_extra=json_request(ShelfIn),
    responses=responses_of(
        {200: answer("What became of it", CountAnswer, headers=VERSION)}, 400, 404, 409, 413, 415, 422
    ),
)
async def put_stock(
    store_id: InPath, sent: Annotated[ShelfIn, Depends(body_of(ShelfIn))], service: TheService
) -> Response:
    """What is absent is 0; rows counted later stay. 409 ``snapshot_too_old`` if the shelf was counted later."""
    return await _count(service, store_id, sent, whole=True)


@router.patch(
    "/stock",
    summary="Count some skus of a shelf",
    openapi_extra=json_request(ShelfIn),
    responses=responses_of({200: answer("What became of it", CountAnswer, headers=VERSION)}, 400, 404, 413, 415, 422),
)
async def patch_stock(
    store_id: InPath, sent: Annotated[ShelfIn, Depends(body_of(ShelfIn))], service: TheService
) -> Response:
    """Only the named skus; rows counted later stay."""
    return await _count(service, store_id, sent, whole=False)


async def _count(service: Service, store_id: str, sent: ShelfIn, *, whole: bool) -> Response:
    now = service.clock()
    as_of = sent.as_of or now
    if as_of < _EARLIEST_COUNT:
        raise InvalidInput([("/as_of", f"is before the year {_EARLIEST_COUNT.year}")])
    counts = [_count_of(store_id, item, i, as_of) for i, item in enumerate(sent.items)]
    counted = await stores.count_shelf(
        service.database, service.writers.counts, store_id, counts, as_of=as_of, now=now, whole=whole
    )
    applied = counted.applied
    body = {
        "store_id": store_id,
        "as_of": counted.as_of.isoformat(),
        "created": applied.created,
        "updated": applied.updated,
        "unchanged": applied.unchanged,
        "newer_kept": applied.newer_kept,
        "removed": applied.removed,
    }
    headers = {VERSION_HEADER: applied.version.encode()}
    return Response(_json(body), media_type="application/json", headers=headers)


def _count_of(store_id: str, item: ShelfItemIn, index: int, as_of: datetime) -> ShelfCount:
    price_said = "price" in item.model_fields_set
    if item.currency is not None:
        try:
            currency_of(item.currency)
        except BadValueError as error:
            raise InvalidInput([(f"/items/{index}/currency", error.message)], code=error.code) from error
    elif item.price is not None:
        raise InvalidInput([(f"/items/{index}/currency", "a price needs its currency (ISO 4217)")])
    return ShelfCount(
        store_id=store_id,
        sku=item.sku,
        on_hand=item.on_hand,
        as_of=as_of,
        price_minor=item.price if price_said else KEEP,
        currency=item.currency,
        safety_stock=item.safety_stock if "safety_stock" in item.model_fields_set else KEEP,
    )


_NOT_IN_STORE: Final = frozenset({"lat", "lon", "datum", "delivery_zone", "timezone"})


def _store_of(store_id: str, sent: StoreIn) -> Store:
    """The domain's store. Raises InvalidInput naming everything that is wrong with the body."""
    place = place_of(lat=sent.lat, lon=sent.lon, datum=sent.datum, pointer="/lat")
    errors: list[tuple[str, str]] = []
    timezone = sent.timezone or timezone_of(place)
    try:
        timezone_name(timezone)
    except BadValueError as error:
        errors.append(("/timezone", error.message))
    if sent.opening_hours is not None:
        try:
            check_opening_hours(sent.opening_hours)
        except HoursError as error:
            errors.append(("/opening_hours", str(error)))
    zone = None
    if sent.delivery_zone is not None:
        try:
            zone = zone_to_wgs84(parse_zone(sent.delivery_zone), sent.datum)
        except (ZoneError, CoordinateError) as error:
            errors.append(("/delivery_zone", str(error)))
    if errors:
        raise InvalidInput(errors)
    said = sent.model_dump(exclude=set(_NOT_IN_STORE))
    return Store(store_id=store_id, place=place, timezone=timezone, delivery_zone=zone, **said)
