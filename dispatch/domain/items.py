"""What a partner calls its goods, and what each of its codes stands for."""

from dataclasses import dataclass
from typing import Final

MAX_PARTNER_CODE_CHARS: Final = 64
MAX_UNITS_PER_CASE: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A partner's own code for a sku. One of what the code counts holds ``units_per_case`` pieces of the sku.

    Several codes may stand for one sku: the bottle, and the case of twelve of them. ``name`` is for people.
    """

    partner_code: str
    sku: str
    name: str | None = None
    units_per_case: int = 1
