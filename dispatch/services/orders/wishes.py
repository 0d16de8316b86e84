"""What was asked for with an order: kept with it, so that it can be asked again of other stores."""

import msgspec
from msgspec import structs

from dispatch.domain.question import Question, Strategy, summed
from geo.coordinates import LatLon
from geo.travel import Mode


class WishedLine(msgspec.Struct, frozen=True):
    """``max_price``: what one piece may cost, in minor units; None: whatever it costs."""

    sku: str
    quantity: int
    max_price: int | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Lines to be brought to a place (WGS84) within ``promise_s`` of the confirmation."""

    lat: float
    lon: float
    lines: tuple[WishedLine, ...]
    promise_s: int
    hold_s: int
    strategy: Strategy
    mode: Mode | None
    exclude_stores: tuple[str, ...] = ()
    only_stores: tuple[str, ...] = ()

    @property
    def destination(self) -> LatLon:
        return LatLon(lat=self.lat, lon=self.lon)

    @property
    def most_prices(self) -> dict[str, int]:
        """The lowest ``max_price`` by sku, of those that have one."""
        found: dict[str, int] = {}
        for line in self.lines:
            if line.max_price is not None:
                found[line.sku] = min(line.max_price, found.get(line.sku, line.max_price))
        return found

    def question(self, *, now_s: int, hold_s: int = 0, explain: bool = False) -> Question:
        """Who can bring it, when the work begins now, or up to ``hold_s`` later."""
        return Question(
            destination=self.destination,
            lines=summed(self.lines),
            promise_s=self.promise_s,
            now_s=now_s,
            start_s=now_s,
            strategy=self.strategy,
            mode=self.mode,
            explain=explain,
            hold_s=hold_s,
            exclude_stores=frozenset(self.exclude_stores),
            only_stores=frozenset(self.only_stores) or None,
        )


encoded = msgspec.json.Encoder().encode
_decoded = msgspec.json.Decoder(Wish).decode


def wish_text(wish: Wish) -> str:
    """As it is kept."""
    return encoded(wish).decode()


def wish_of(text: str) -> Wish:
    """What ``wish_text`` has written."""
    return _decoded(text)


def text_of(value: object) -> str:
    """Plain values as JSON text."""
    return encoded(value).decode()


def without(question: Question, store_ids: frozenset[str]) -> Question:
    """The same question, of other stores than these."""
    return structs.replace(question, exclude_stores=question.exclude_stores | store_ids) if store_ids else question
