"""What is answered of tokens and links; for the OpenAPI document alone."""

from typing import Annotated, Literal

from pydantic import Field

from dispatch.api.answers import Instant, Told
from dispatch.domain.callers import Role


class ShopperTokenAnswer(Told):
    """``order_id_prefix``: what the ids of this shopper's orders begin with."""

    token: str
    role: Literal["shopper"]
    order_id_prefix: str
    expires_at: Instant


class CallerAnswer(Told):
    """Null where it does not apply."""

    role: Role
    order_id_prefix: Annotated[str | None, Field(description="A shopper's orders have ids that begin so")]
    order_id: Annotated[str | None, Field(description="A courier's order")]
    attempt: Annotated[int | None, Field(ge=1, description="A courier's attempt of it")]
    expires_at: Annotated[Instant | None, Field(description="When the token ends; null without one")]


class CourierLinkAnswer(Told):
    """``url`` is the page on the courier's phone, ``token`` what it asks the API with."""

    url: str
    token: str
    expires_at: Instant
    qr: Annotated[str, Field(description="A QR code of url, as a data: URL of an SVG image")]
