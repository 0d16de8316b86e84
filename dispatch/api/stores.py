"""GET, PUT, DELETE /v1/stores/{store_id}; GET, PUT, PATCH …/stock."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from dispatch.api.bodies import body_of
from dispatch.api.documents import json_request
from dispatch.api.places import place_of, zone_to_wgs84
from dispatch.api.rendering import shelf_row_told, store_told_whole
from dispatch.api.schemas import ShelfIn, ShelfItemIn, StockAsked, StoreAsked, StoreId, StoreIn
from dispatch.api.state import VERSION_HEADER, Service, TheReplica, TheService
from dispatch.domain.errors import InvalidInput, StoreNotFound
from dispatch.domain.hours import HoursError, check_opening_hours, check_timezone
from dispatch.domain.stores import KEEP, ShelfCount, Store
from dispatch.services import stores
from dispatch.services.nearby import state_of
from geo.coordinates import timezone_of
from geo.datums import Datum
from geo.zones import ZoneError, parse_zone

router = APIRouter(prefix="/v1/stores/{store_id}")

_json = msgspec.json.Encoder().encode
type InPath = Annotated[StoreId, Path(description="The store's id, unique everywhere")]


@router.get("", summary="A store")
async def get_store(
    store_id: InPath, asked: Annotated[StoreAsked, Query()], service: TheService, replica: TheReplica
) -> Response:
    """The store as nearby searches show it, and its terms; the setting's default where it does not say."""
    slot = replica.slot(store_id)
    if slot is None:
        raise StoreNotFound(f"there is no store {store_id}")
    answer = store_told_whole(replica, state_of(replica, slot, service.now_s()), asked.datum)
    return Response(_json(answer), media_type="application/json")


@router.put("", summary="Put a whole store", openapi_extra=json_request(StoreIn))
async def put_store(
    store_id: InPath, sent: Annotated[StoreIn, Depends(body_of(StoreIn))], service: TheService
) -> Response:
    """201 for a new store, 200 else; what is absent is not said. The answer is the store."""
    store = _store_of(store_id, sent)
    put = await stores.put_store(service.database, store)
    if put.version:
        await service.follower.wait_for(put.version, at_most_s=service.limits.min_version_wait_s)
    replica = service.follower.replica
    slot = replica.slot(store_id)
    if slot is None:
        raise StoreNotFound(f"the store {store_id} was put, and then taken out of service by another request")
    answer = store_told_whole(replica, state_of(replica, slot, service.now_s()), sent.datum)
    headers = {VERSION_HEADER: (put.version or replica.version_around(store.place)).encode()}
    status = 201 if put.created else 200
    return Response(_json(answer), status_code=status, media_type="application/json", headers=headers)


@router.delete("", summary="Take a store out of service")
async def delete_store(store_id: InPath, service: TheService) -> Response:
    """It takes no new orders and is found no more; its open orders are listed."""
    version = await stores.remove_store(service.database, store_id)
    answer: dict[str, Any] = {"store_id": store_id, "open_orders": []}
    return Response(_json(answer), media_type="application/json", headers={VERSION_HEADER: version.encode()})


@router.get("/stock", summary="A store's shelf")
async def get_stock(store_id: InPath, asked: Annotated[StockAsked, Query()], service: TheService) -> Response:
    """A row for each sku ever stocked there, in order of sku; answered by the database."""
    rows = await stores.read_shelf(service.database, store_id, asked.sku or None)
    return Response(_json({"stock": [shelf_row_told(row) for row in rows]}), media_type="application/json")


@router.put("/stock", summary="Count a whole shelf", openapi_extra=json_request(ShelfIn))
async def put_stock(
    store_id: InPath, sent: Annotated[ShelfIn, Depends(body_of(ShelfIn))], service: TheService
) -> Response:
    """What is absent is 0; rows counted later stay. 409 ``snapshot_too_old`` if the shelf was counted later."""
    return await _count(service, store_id, sent, whole=True)


@router.patch("/stock", summary="Count some skus of a shelf", openapi_extra=json_request(ShelfIn))
async def patch_stock(
    store_id: InPath, sent: Annotated[ShelfIn, Depends(body_of(ShelfIn))], service: TheService
) -> Response:
    """Only the named skus; rows counted later stay."""
    return await _count(service, store_id, sent, whole=False)


async def _count(service: Service, store_id: str, sent: ShelfIn, *, whole: bool) -> Response:
    now = service.clock()
    as_of = sent.as_of or now
    counts = [_count_of(store_id, item, i, as_of) for i, item in enumerate(sent.items)]
    counted = await stores.count_shelf(service.database, store_id, counts, as_of=as_of, now=now, whole=whole)
    applied = counted.applied
    answer = {
        "store_id": store_id,
        "as_of": counted.as_of.isoformat(),
        "created": applied.created,
        "updated": applied.updated,
        "unchanged": applied.unchanged,
        "newer_kept": applied.older,
        "removed": applied.removed,
    }
    headers = {VERSION_HEADER: applied.version.encode()}
    return Response(_json(answer), media_type="application/json", headers=headers)


def _count_of(store_id: str, item: ShelfItemIn, index: int, as_of: datetime) -> ShelfCount:
    price_said = "price" in item.model_fields_set
    if item.price is not None and item.currency is None:
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
        check_timezone(timezone)
    except HoursError as error:
        errors.append(("/timezone", str(error)))
    if sent.opening_hours is not None:
        try:
            check_opening_hours(sent.opening_hours)
        except HoursError as error:
            errors.append(("/opening_hours", str(error)))
    zone = None
    if sent.delivery_zone is not None:
        try:
            zone = parse_zone(sent.delivery_zone)
            if sent.datum is not Datum.WGS84:
                zone = zone_to_wgs84(zone, sent.datum)
        except ZoneError as error:
            errors.append(("/delivery_zone", str(error)))
    if errors:
        raise InvalidInput(errors)
    said = sent.model_dump(exclude=set(_NOT_IN_STORE))
    return Store(store_id=store_id, place=place, timezone=timezone, delivery_zone=zone, **said)
