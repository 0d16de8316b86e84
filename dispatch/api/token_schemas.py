"""What may be sent for a token, a courier's link, and the code of a store."""

from typing import Final

from pydantic import Field

from dispatch.api.schemas import Asked, Label, Sent

SHOPPER_TTL_S: Final = 1_800
LEAST_TTL_S: Final = 60
MOST_SHOPPER_TTL_S: Final = 7_200
COURIER_TTL_S: Final = 86_400
MOST_COURIER_TTL_S: Final = 604_800


class ShopperTokenIn(Sent):
    """How long it holds; an empty object, or no body at all, will do."""

    ttl_s: int = Field(SHOPPER_TTL_S, ge=LEAST_TTL_S, le=MOST_SHOPPER_TTL_S)


class CourierLinkIn(Sent):
    """For which attempt, and for how long."""

    attempt: int = Field(ge=1, le=1_000_000)
    ttl_s: int = Field(COURIER_TTL_S, ge=LEAST_TTL_S, le=MOST_COURIER_TTL_S)


class StoreQrAsked(Asked):
    campaign: Label | None = Field(None, description="Which poster it is on; the page sends it with quote and order")
