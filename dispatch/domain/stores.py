"""What a store is, and what one count of a shelf says, whatever file or body brought it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from shapely.geometry.base import BaseGeometry

from geo.coordinates import LatLon
from geo.travel import Mode

DEFAULT_PARTNER: Final = "default"

MAX_STORE_ID_CHARS: Final = 64
MAX_SKU_CHARS: Final = 64
MAX_TEXT_CHARS: Final = 500
MAX_QUANTITY: Final = 1_000_000
MAX_ON_HAND: Final = 1_000_000_000
MAX_PRICE_MINOR: Final = 1_000_000_000_000
MAX_DURATION_S: Final = 86_400
MAX_DELIVERY_RADIUS_M: Final = 200_000.0
MAX_OPEN_ORDERS: Final = 100_000


class Keep(Enum):
    """A value that a count does not speak of, so what was there stays; None clears it."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A partner's store as its owner describes it; ``None`` is "not said", and takes the setting's default.

    ``place`` is WGS84. ``timezone`` is an IANA name. ``opening_hours`` is OpenStreetMap syntax; ``None`` means the
    hours are not known, and the store is taken as open. ``delivery_zone`` is a valid polygon or multipolygon in
    lon, lat degrees; with ``delivery_radius_m`` given too, both must hold.
    """

    store_id: str
    place: LatLon
    timezone: str
    partner: str = DEFAULT_PARTNER
    name: str | None = None
    brand: str | None = None
    region: str | None = None
    address: str | None = None
    phone: str | None = None
    opening_hours: str | None = None
    delivery_radius_m: float | None = None
    delivery_zone: BaseGeometry | None = field(default=None)
    mode: Mode | None = None
    prepare_s: int | None = None
    prepare_line_s: int | None = None
    queue_per_order_s: int | None = None
    courier_s: int | None = None
    handover_s: int | None = None
    max_open_orders: int | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfCount:
    """What was on one shelf row, (store, sku), at ``as_of``.

    ``price_minor`` is in minor units of ``currency`` (ISO 4217). ``KEEP`` leaves what was, ``None`` clears it.
    ``rows`` tells how many rows of the source were summed into this one.
    """

    store_id: str
    sku: str
    on_hand: int
    as_of: datetime
    price_minor: int | Keep | None = KEEP
    currency: str | None = None
    safety_stock: int | Keep | None = KEEP
    rows: int = 1
