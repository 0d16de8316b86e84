"""Which sku a row of stock speaks of: by its barcode, or by the partner's own code for the item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dispatch.domain.items import Item
from dispatch.domain.stores import MAX_SKU_CHARS
from dispatch.ingest.spreadsheets import LeadingZeros
from dispatch.ingest.values import BadValueError, identifier_of, shown


class Meant(NamedTuple):
    """A sku that is not the code as it stands, or is counted in cases; ``padded`` is how the code ought to be."""

    sku: str
    units_per_case: int = 1
    padded: str | None = None


class Skus:
    """The sku of a code: a text where the code is the sku, or stands for one piece of it, and else what is Meant."""

    def __init__(self, items: Mapping[str, Item], known_skus: frozenset[str]) -> None:
        self._items = items
        # Two sets looked into are cheaper than one made of both: the second may hold a million.
        self._named = frozenset(item.sku for item in items.values())
        self._known = known_skus
        self._zeros_of_skus = LeadingZeros(self._named, known_skus)
        self._zeros_of_codes = LeadingZeros(frozenset(items))

    def of_barcode(self, text: str) -> str | Meant:
        """The sku that a barcode is, known or new.

        Raises BadValueError ``sku_missing``, ``sku_invalid``, ``sku_lost_in_excel``, ``sku_ambiguous``.
        """
        return self._sku(_code_of(text))

    def of_item_code(self, text: str) -> str | Meant:
        """The sku of one of the partner's codes; the code itself where the partner has named none or it is a sku.

        Its codes go before skus, and those written exactly so before those with other leading zeros. Raises
        BadValueError as ``of_barcode`` does, and ``unmapped_item``.
        """
        code = _code_of(text)
        if not self._items:
            return self._sku(code)
        item = self._items.get(code)
        if item is not None:
            return item.sku if item.units_per_case == 1 else Meant(item.sku, item.units_per_case)
        if self._is_known(code):
            return code
        codes = self._zeros_of_codes.found(code)
        meant = {Meant(self._items[one].sku, self._items[one].units_per_case, codes[0]) for one in codes}
        if len(meant) > 1:
            raise _ambiguous(code, codes, {one.sku for one in meant})
        if meant:
            return meant.pop()
        sku = self._sku(code)
        if isinstance(sku, str):
            raise BadValueError("unmapped_item", f"{shown(code)} is none of the partner's item codes and no known sku")
        return sku

    def _is_known(self, sku: str) -> bool:
        return sku in self._known or sku in self._named

    def _sku(self, code: str) -> str | Meant:
        if self._is_known(code):
            return code
        found = self._zeros_of_skus.found(code)
        if len(found) > 1:
            raise _ambiguous(code, found, set(found))
        return Meant(found[0], padded=found[0]) if found else code


def _code_of(text: str) -> str:
    return identifier_of(text, field="sku", max_chars=MAX_SKU_CHARS, slash=True)


def _ambiguous(code: str, codes: list[str], skus: set[str]) -> BadValueError:
    message = f"but for leading zeros {shown(code)} may be {' or '.join(map(shown, codes[:5]))}; write it in full"
    return BadValueError("sku_ambiguous", message, candidates=tuple(sorted(skus)))
