"""GET and PUT /v1/partners/{partner}."""

from datetime import time
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from dispatch.api import schemas
from dispatch.api.bodies import body_of
from dispatch.api.documents import VERSION, answer, json_request, responses_of
from dispatch.api.rendering import due_told
from dispatch.api.schemas import NothingAsked
from dispatch.api.state import VERSION_HEADER, TheMinVersion, TheService
from dispatch.api.stock_answers import PartnerAnswer
from dispatch.api.stock_schemas import PartnerIn
from dispatch.domain.versions import Version
from dispatch.services import partners
from dispatch.services.partners import Partner

router = APIRouter(prefix="/v1/partners/{partner}")

_json = msgspec.json.Encoder().encode

type InPath = Annotated[schemas.Partner, Path(description="The partner's name")]


@router.get(
    "", summary="A partner's terms", responses=responses_of({200: answer("The terms", PartnerAnswer)}, 400, 404, 422)
)
async def get_partner(
    partner: InPath, _asked: Annotated[NothingAsked, Query()], service: TheService, _min_version: TheMinVersion
) -> Response:
    """What holds for all of its stores; answered by the database."""
    return _told(await partners.read_partner(service.database, partner))


@router.put(
    "",
    summary="Put a partner's terms",
    openapi_extra=json_request(PartnerIn),
    responses=responses_of({200: answer("The terms", PartnerAnswer, headers=VERSION)}, 400, 413, 415, 422),
)
async def put_partner(
    partner: InPath, sent: Annotated[PartnerIn, Depends(body_of(PartnerIn))], service: TheService
) -> Response:
    """The whole terms; a partner that is not known is made."""
    terms = Partner(
        partner=partner,
        stock_stale_after_s=sent.stock_stale_after_s,
        goods_leave_at=sent.goods_leave_at,
        till_reports_orders=sent.till_reports_orders,
        stock_due_at=None if sent.stock_due_at is None else time.fromisoformat(sent.stock_due_at),
    )
    version = await partners.put_partner(service.database, terms)
    return _told(terms, version)


def _told(terms: Partner, version: Version | None = None) -> Response:
    body = {
        "partner": terms.partner,
        "stock_stale_after_s": terms.stock_stale_after_s,
        "goods_leave_at": terms.goods_leave_at.value,
        "till_reports_orders": terms.till_reports_orders,
        "stock_due_at": due_told(terms.stock_due_at),
    }
    headers = {} if version is None else {VERSION_HEADER: version.encode()}
    return Response(_json(body), media_type="application/json", headers=headers)
