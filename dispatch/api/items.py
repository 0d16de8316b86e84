"""GET /v1/items: goods by name, and names by sku."""

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.responses import Response

from dispatch.api import item_answers
from dispatch.api.caching import tagged_answer
from dispatch.api.documents import ITEM_CACHING, answer, responses_of
from dispatch.api.schemas import Asked, Label, Sku
from dispatch.api.state import TheMinVersion, TheService
from dispatch.domain.errors import InvalidInput
from dispatch.storage.items import find_items, items_of_skus

router = APIRouter(prefix="/v1")

_KEPT: Final = "private, max-age=60"
_json = msgspec.json.Encoder().encode


class ItemsAsked(Asked):
    q: Label | None = Field(None, description="Words of a name, all of them, in any case; or how a sku begins")
    sku: list[Sku] = Field(default=[], max_length=200, description="Repeatable; in place of q: the names of these")
    limit: int = Field(20, ge=1, le=50, description="Of what q finds")


@router.get(
    "/items",
    summary="Goods by name, or the names of skus",
    responses=responses_of(
        {
            200: answer("The goods", item_answers.ItemsAnswer, headers=ITEM_CACHING),
            304: answer("As it was", headers=ITEM_CACHING),
        },
        400,
        422,
    ),
)
async def get_items(
    asked: Annotated[ItemsAsked, Query()],
    service: TheService,
    _min_version: TheMinVersion,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """By `q`: names that begin with it first, then by sku. By `sku`: in the order asked, without those unknown.

    Each sku comes once. Where several partners name it, that of a single piece is told.
    """
    if asked.q is not None and asked.sku:
        raise InvalidInput([("/query/q", "give either q or sku, not both")])
    if asked.q is None:
        if not asked.sku:
            raise InvalidInput([("/query/q", "give the words of a name as q, or sku, which may be repeated")])
        found = await items_of_skus(service.database, list(dict.fromkeys(asked.sku)))
    else:
        if not asked.q.strip():
            raise InvalidInput([("/query/q", "holds no word")])
        found = await find_items(service.database, asked.q, limit=asked.limit)
    body = {"items": [{"sku": sku, "name": name} for sku, name in found]}
    return tagged_answer(
        _json(body),
        media_type="application/json",
        cache_control=_KEPT,
        vary="Authorization",
        if_none_match=if_none_match,
    )
