"""Values of a file of stock, each made once and remembered, with what is to be warned of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, final

from dispatch.domain.stores import MAX_STORE_ID_CHARS, Keep
from dispatch.ingest.counts import Price, as_of_reading, on_hand_reading, price_reading, safety_reading
from dispatch.ingest.memos import Memo, told
from dispatch.ingest.skus import Skus
from dispatch.ingest.spreadsheets import LeadingZeros
from dispatch.ingest.stock_batches import StockOptions, StoreRef
from dispatch.ingest.values import BadValueError, identifier_of, shown


class Note(NamedTuple):
    """A warning of a value."""

    field: str
    code: str
    message: str


@final
class Noted[V](NamedTuple):
    """A value that is taken, and what is to be warned of it; a value that needs no warning stands bare."""

    value: V
    note: Note


class StockValues:
    """What each text of a file means: the value, or Noted, or BadValueError where it cannot be.

    ``stores``: a store's id. ``zones``: the time zone that local times of a store's rows are in, by the text of the
    store. ``barcodes``, ``items``: a sku, or Meant. ``prices``: by price and currency; ``prices_alone``: by price, with
    an empty currency. ``moments``: in UTC, by text and time zone. ``on_hands_of_cases``, ``safeties_of_cases``: in
    pieces, by text and units of a case.
    """

    def __init__(
        self, options: StockOptions, stores: Mapping[str, StoreRef], skus: Skus, *, decimal_comma: bool
    ) -> None:
        self._options = options
        self._stores = stores
        self._zeros_of_stores = LeadingZeros(frozenset(stores))

        def on_hand_of(units: int) -> Callable[[str], int | Noted[int] | BadValueError]:
            parse = on_hand_reading(decimal_comma=decimal_comma, units=units)
            return told(lambda text: _noted_on_hand(*parse(text)))

        def safety_of(units: int) -> Callable[[str], int | Keep | BadValueError | None]:
            return told(safety_reading(decimal_comma=decimal_comma, units=units))

        def price_in(currency: str) -> Callable[[str], Price | BadValueError]:
            return told(price_reading(currency, options.currency, decimal_comma=decimal_comma))

        self.stores = Memo(told(self._store))
        self.zones = Memo(self._zone)
        self.barcodes = Memo(told(skus.of_barcode))
        self.items = Memo(told(skus.of_item_code))
        self.on_hands = Memo(on_hand_of(1))
        self.on_hands_of_cases = Memo(_by_pair(on_hand_of))
        self.prices_alone = Memo(price_in(""))
        self.prices = Memo(_by_pair(price_in))
        self.safeties = Memo(safety_of(1))
        self.safeties_of_cases = Memo(_by_pair(safety_of))
        self.moments = Memo(_by_pair(self._moment_in))

    def _store(self, text: str) -> str | Noted[str]:
        store_id = identifier_of(text, field="store_id", max_chars=MAX_STORE_ID_CHARS)
        if store_id in self._stores and self._is_ours(store_id):
            return store_id
        found = [one for one in self._zeros_of_stores.found(store_id) if self._is_ours(one)]
        if len(found) > 1:
            message = f"but for leading zeros {shown(store_id)} may be {' or '.join(map(shown, found[:5]))}"
            raise BadValueError("store_id_ambiguous", f"{message}; write it in full", candidates=tuple(found))
        if found:
            return Noted(found[0], Note("store_id", "store_id_padded", padded_note(store_id, found[0])))
        if store_id in self._stores:
            message = f"store {shown(store_id)} is not of {shown(self._options.partner or '')}"
            raise BadValueError("store_of_other_partner", message)
        raise BadValueError("unknown_store", f"there is no store {shown(store_id)}")

    def _is_ours(self, store_id: str) -> bool:
        return self._options.partner in (None, self._stores[store_id].partner)

    def _zone(self, text: str) -> str:
        store = self.stores[text]
        if isinstance(store, BadValueError):
            return "UTC"
        return self._options.timezone or self._stores[bare(store)].timezone

    def _moment_in(self, zone: str) -> Callable[[str], datetime | Noted[datetime] | BadValueError]:
        parse = as_of_reading(zone, default=self._options.as_of, now=self._options.now)

        def moment(text: str) -> datetime | Noted[datetime]:
            at, ambiguous = parse(text)
            if not ambiguous:
                return at
            what = f"that local time was twice; taken as {at.isoformat()}, the earlier"
            return Noted(at, Note("as_of", "as_of_ambiguous", what))

        return told(moment)


def bare[V](value: V | Noted[V]) -> V:
    """The value without what is to be warned of it."""
    return value.value if isinstance(value, Noted) else value


def padded_note(code: str, known: str) -> str:
    """What is said of a code that is taken as a known one."""
    return f"{shown(code)} is taken as {shown(known)}, which differs in its leading zeros alone"


def _noted_on_hand(pieces: int, code: str | None) -> int | Noted[int]:
    if code is None:
        return pieces
    what = "a negative quantity is taken as 0" if code == "negative_to_zero" else "the fraction is left out"
    return Noted(pieces, Note("on_hand", code, what))


def _by_pair[K, V](reading: Callable[[K], Callable[[str], V]]) -> Callable[[tuple[str, K]], V]:
    """The reading of a text and of what else it depends on."""
    return lambda pair: reading(pair[1])(pair[0])
