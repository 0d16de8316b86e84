"""The stores that could take an order, best first, as the database is told of them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from msgspec import structs

from dispatch.domain.answer import Candidate, Selection
from dispatch.domain.eligibility import Examiner
from dispatch.domain.errors import Busy, ReplicaNotReady
from dispatch.domain.known_lines import KnownLine
from dispatch.domain.promise import Eta
from dispatch.domain.question import Question, Reason
from dispatch.domain.selection import Selecting
from dispatch.domain.spells import FOREVER_S
from dispatch.replica.replica import Replica
from dispatch.services.offers import eta_told, lines_told
from dispatch.services.orders.wishes import text_of, without
from dispatch.services.roads import Roads
from dispatch.storage.order_writes import Option, StoreAt
from geo.geodesy import distance_m
from geo.travel import TravelModel

# With prices too high at the best store, so many are looked at next, and each time twice as many, up to the most.
_DEAR_AT_ONCE: Final = 20
_MOST_DEAR_AT_ONCE: Final = 1280
# A store that closes and names no hours is taken to open again after so long.
_CLOSED_AT_MOST_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Found:
    """Options, best first; none: ``selection`` says why, and ``too_dear`` that stores could but for their prices."""

    options: tuple[Option, ...]
    selection: Selection
    question: Question
    too_dear: bool = False


async def find_options(
    replica: Replica, roads: Roads, question: Question, most_prices: dict[str, int], deadline: float
) -> Found:
    """Ask who can, leaving out whoever asks more for a line than ``most_prices`` allow.

    Raises Busy when ``deadline`` (of time.monotonic) comes before an affordable store does.
    """
    too_dear = False
    asked, at_once = question, _DEAR_AT_ONCE
    while True:
        ask = Selecting(replica, asked)
        selection = await roads.answer(question.destination, ask, otherwise=replica.travel)
        if selection.winner is None:
            return Found((), selection, question, too_dear)
        candidates = [selection.winner, *selection.alternatives]
        chosen = [c for c in candidates if not most_prices or _affordable(replica, c.slot, most_prices)]
        if chosen:
            return Found(tuple(option_of(replica, question, c) for c in chosen), selection, question)
        too_dear = True
        if time.monotonic() > deadline:
            raise Busy("more stores ask more than max_price than there was time to look at; nothing is held")
        asked = structs.replace(without(asked, frozenset(c.store_id for c in candidates)), alternatives=at_once)
        at_once = min(2 * at_once, _MOST_DEAR_AT_ONCE)
        await asyncio.sleep(0)


def _affordable(replica: Replica, slot: int, most_prices: dict[str, int]) -> bool:
    """Whether no line costs more than it may; a price that is not known is not above any."""
    for sku, most in most_prices.items():
        number = replica.stock.number(sku)
        price = None if number is None else replica.stock.price(number, slot)
        if price is not None and price[0] > most:
            return False
    return True


def option_of(replica: Replica, question: Question, candidate: Candidate) -> Option:
    """What the database needs to hold the order at that store, and what is told of it then. Places are WGS84."""
    slot = candidate.slot
    card, place = replica.catalogue.card(slot), replica.catalogue.place(slot)
    store = {
        "store_id": candidate.store_id,
        "name": card.name,
        "address": card.address,
        "lat": place.lat,
        "lon": place.lon,
        "distance_m": candidate.distance_m,
    }
    return Option(
        store=StoreAt(int(replica.columns.cell[slot]), int(replica.columns.store_no[slot]), candidate.store_id),
        lines=tuple(
            zip(sku_nos_of(replica, [line.sku for line in question.lines]), _quantities(question), strict=True)
        ),
        store_told=text_of(store),
        eta=text_of(eta_told(candidate.eta, card.timezone)),
        lines_told=text_of(lines_told(replica, question.lines, slot)),
        promised_by=datetime.fromtimestamp(question.start_s + question.promise_s, UTC),
    )


def _quantities(question: Question) -> list[int]:
    return [line.quantity for line in question.lines]


def sku_nos_of(replica: Replica, skus: Sequence[str]) -> list[int]:
    """The database's numbers of skus that some shelf has had. Raises ReplicaNotReady if the replica knows one not."""
    numbers = [replica.stock.number(sku) for sku in skus]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        raise ReplicaNotReady("this worker does not know a sku of the order yet; try again")
    return [replica.sku_nos[number] for number in known]


def promise_kept_by(replica: Replica, question: Question, store_id: str, travel: TravelModel) -> Candidate | Reason:
    """The promise, made anew, of the store that holds the order already; or why it can no longer keep it."""
    slot = replica.slot(store_id)
    if slot is None:
        return Reason.INACTIVE
    numbers = [(line, replica.stock.number(line.sku)) for line in question.lines]
    lines = tuple(KnownLine(line.sku, number, line.quantity) for line, number in numbers if number is not None)
    metres = distance_m(question.destination, replica.catalogue.place(slot))
    examined = Examiner(replica, question, lines, travel).examine(np.array([slot]), np.array([metres]), holding=True)
    reason = Reason(int(examined.reason[0]))
    if reason is not Reason.NONE:
        return reason
    eta: Eta = examined.parts.eta(
        0, start_s=question.start_s, travel_s=int(examined.travel_s[0]), travel_source=travel.source
    )
    return Candidate(slot, store_id, metres, int(examined.key_s[0]), eta)


def reopens_at_s(replica: Replica, store_id: str, now_s: int) -> int:
    """When a store that says it is closed is taken to be open again: at its next opening, a day from now at most."""
    latest_s = now_s + _CLOSED_AT_MOST_S
    slot = replica.slot(store_id)
    if slot is None:
        return latest_s
    schedule = int(replica.columns.schedule[slot])
    spell = replica.schedules.spell(schedule, now_s)
    if spell.until_s >= FOREVER_S or not spell.is_open:
        return min(latest_s, spell.until_s)
    return replica.schedules.opens_at_s(schedule, spell.until_s) or latest_s
