"""GET /v1/imports/{import_id}/changes: the stores that an import changes, on a map."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from dispatch.api import import_answers
from dispatch.api.caching import GEOJSON, GeoJsonResponse
from dispatch.api.documents import answer, responses_of
from dispatch.api.imports import ImportId
from dispatch.api.places import lon_lat
from dispatch.api.schemas import ImportChangesAsked
from dispatch.api.state import TheService
from dispatch.replica.pauses import Pauses
from dispatch.services.import_changes import changes_of_import
from dispatch.storage.import_changes import StoreChange
from geo.datums import Datum
from geo.geodesy import distance_m

router = APIRouter(prefix="/v1/imports")

_json = msgspec.json.Encoder().encode


@router.get(
    "/{import_id}/changes",
    summary="The stores that an import changes",
    response_class=GeoJsonResponse,
    responses=responses_of(
        {200: answer("The stores", {GEOJSON: import_answers.ImportChangesAnswer})}, 400, 404, 409, 422
    ),
)
async def get_changes(
    import_id: ImportId, asked: Annotated[ImportChangesAsked, Query()], service: TheService
) -> Response:
    """What it has made, changed, moved, removed or counted; of a dry run what it would. At most 2,000, by store id.

    `total` and `by_change` count all of them. 409 while it runs, once it is undone, and after a week.
    """
    changes = await changes_of_import(service.database, import_id, now=service.clock())
    features, pauses = [], Pauses()
    for store in changes.stores:
        features.append(_feature(store, asked.datum))
        if pauses.due:  # to turn a place into another datum takes longer than to tell it
            await pauses.give_way()
    body = {
        "type": "FeatureCollection",
        "features": features,
        "total": sum(changes.by_change.values()),
        "by_change": changes.by_change,
    }
    if asked.datum is not Datum.WGS84:
        body["datum"] = asked.datum.value
    return Response(_json(body), media_type=GEOJSON)


def _feature(store: StoreChange, datum: Datum) -> dict[str, Any]:
    moved_from = store.was_at if store.was_at != store.place else None
    return {
        "type": "Feature",
        "id": store.store_id,
        "geometry": {"type": "Point", "coordinates": lon_lat(store.place, datum)},
        "properties": {
            "store_id": store.store_id,
            "name": store.name,
            "change": store.change,
            "fields": list(store.fields),
            "from": None if moved_from is None else lon_lat(moved_from, datum),
            "moved_m": None if moved_from is None else distance_m(moved_from, store.place),
            "rows": store.shelf_rows,
        },
    }
