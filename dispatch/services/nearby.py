"""The stores around a place, nearest first, with what a shopper wants to know of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from dispatch.domain.market import BoolArray, FloatArray, IntArray
from dispatch.domain.spells import FOREVER_S
from dispatch.replica.catalogue import Card
from dispatch.replica.replica import Replica
from geo.coordinates import LatLon

MOST_STOCK_TOLD: Final = 99
_FIRST_BATCH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NearbyQuestion:
    """Which stores lie around here? ``after`` is the last (distance, store id) already seen."""

    origin: LatLon
    radius_m: float
    limit: int
    now_s: int
    after: tuple[float, str] | None = None
    open_now: bool = False
    delivers_here: bool = False
    brand: str | None = None
    skus: tuple[str, ...] = ()


@dataclass(slots=True)  # not frozen: a page has hundreds, and to make them would take several times as long
class StoreState:
    """A store as answers show it; instants are epoch seconds. ``stock`` is by sku asked, None where it is stale."""

    slot: int
    store_id: str
    place: LatLon
    card: Card
    open_now: bool
    hours_known: bool
    opens_at_s: int | None
    closes_at_s: int | None
    distance_m: float | None = None
    delivers_here: bool | None = None
    stock: dict[str, int | None] | None = None


@dataclass(frozen=True, slots=True)
class NearbyPage:
    """One page, nearest first; ``more`` tells that others follow, ``steady_for_s`` when an opening state changes."""

    stores: list[StoreState]
    more: bool
    steady_for_s: int | None


def nearby(replica: Replica, question: NearbyQuestion) -> NearbyPage:
    """The stores in service within the radius that pass the filters, by (geodesic distance, store id).

    Inactive stores are left out. A store has a sku if its last count says so, however old: its stock is then shown
    as None. A sku that no store has had is had by none.
    """
    numbers = [replica.stock.number(sku) for sku in question.skus]
    if None in numbers:
        return NearbyPage([], False, None)
    found: list[tuple[float, str, int]] = []
    for entry in _passing(replica, question, [number for number in numbers if number is not None]):
        if question.after is not None and entry[:2] <= question.after:
            continue
        found.append(entry)
        if len(found) > question.limit:
            break
    shown = found[: question.limit]
    if not shown:
        return NearbyPage([], False, None)
    stores, steady_for_s = _states_here(replica, question, shown)
    return NearbyPage(stores, len(found) > question.limit, steady_for_s)


def state_of(replica: Replica, slot: int, now_s: int) -> StoreState:
    """A store as it is now."""
    schedule = int(replica.columns.schedule[slot])
    closed_until_s = int(replica.columns.closed_until_s[slot])
    spell = replica.schedules.spell(schedule, now_s)
    says_closed = closed_until_s > now_s
    return StoreState(
        slot=slot,
        store_id=replica.store_id(slot),
        place=replica.catalogue.place(slot),
        card=replica.catalogue.card(slot),
        open_now=spell.is_open and not says_closed,
        hours_known=replica.schedules.known(schedule),
        opens_at_s=replica.opens_at_s(slot, now_s),
        closes_at_s=None if says_closed else replica.schedules.closes_at_s(schedule, now_s),
    )


def _passing(replica: Replica, question: NearbyQuestion, numbers: list[int]) -> Iterator[tuple[float, str, int]]:
    """(distance, store id, slot) of the stores that pass the filters, in order."""
    first = max(_FIRST_BATCH, question.limit + 1)
    for batch in replica.index.batches(question.origin, first=first, radius_m=question.radius_m):
        slots, distances_m = batch.ids, batch.distances_m
        keep = replica.columns.active[slots].copy()
        if question.brand is not None:
            keep &= replica.columns.brand[slots] == replica.catalogue.brand_number(question.brand)
        for number in numbers:
            keep &= replica.stock.gather(number, slots).available > 0
        if question.open_now:
            keep &= replica.schedules.states(replica.columns.schedule[slots], question.now_s).is_open
            keep &= replica.columns.closed_until_s[slots] <= question.now_s
        if question.delivers_here:
            keep &= _delivers(replica, slots, distances_m, question.origin)
        entries = [
            (distance_m, replica.store_id(slot), slot)
            for distance_m, slot in zip(distances_m[keep].tolist(), slots[keep].tolist(), strict=True)
        ]
        # Already in order of distance; the sort puts ties in order of store id.
        entries.sort()
        yield from entries


def _delivers(replica: Replica, slots: IntArray, distances_m: FloatArray, door: LatLon) -> BoolArray:
    columns = replica.columns
    within: BoolArray = distances_m <= columns.delivery_radius_m[slots]
    return within & (~columns.has_zone[slots] | replica.zones.covering(slots, door))


def _states_here(
    replica: Replica, question: NearbyQuestion, shown: list[tuple[float, str, int]]
) -> tuple[list[StoreState], int]:
    """The stores shown, at least one, each as ``state_of`` has it; and how long none of them opens or closes.

    What takes numpy is asked of all at once: one by one it would be most of the time of a page.
    """
    now_s = question.now_s
    slots = np.array([slot for _, _, slot in shown], dtype=np.int64)
    schedules = replica.columns.schedule[slots]
    states = replica.schedules.states(schedules, now_s)
    closed_until_s = replica.columns.closed_until_s[slots]
    columns = zip(
        shown,
        schedules.tolist(),
        states.is_open.tolist(),
        states.until_s.tolist(),
        (closed_until_s > now_s).tolist(),
        _delivers(replica, slots, np.array([distance_m for distance_m, _, _ in shown]), question.origin).tolist(),
        _stocks(replica, slots, question.skus, now_s),
        strict=True,
    )
    told = []
    for (distance_m, store_id, slot), schedule, is_open, until_s, says_closed, delivers_here, stock in columns:
        changes_at_s = None if until_s == FOREVER_S else until_s
        if says_closed:
            opens_at_s, closes_at_s = replica.opens_at_s(slot, now_s), None
        else:
            opens_at_s, closes_at_s = (None, changes_at_s) if is_open else (changes_at_s, None)
        told.append(
            StoreState(
                slot,
                store_id,
                replica.catalogue.place(slot),
                replica.catalogue.card(slot),
                is_open and not says_closed,
                replica.schedules.known(schedule),
                opens_at_s,
                closes_at_s,
                distance_m,
                delivers_here,
                stock,
            )
        )
    return told, _steady_for_s(states.until_s, closed_until_s, now_s)


def _stocks(replica: Replica, slots: IntArray, skus: tuple[str, ...], now_s: int) -> list[dict[str, int | None]]:
    """What each slot has of each sku, at most MOST_STOCK_TOLD; None where the row is stale, 0 where there is none."""
    told: list[dict[str, int | None]] = [{} for _ in range(len(slots))]
    if not skus:
        return told
    probe = replica.stock.probe(slots, now_s)
    for sku in skus:
        number = replica.stock.number(sku)
        assert number is not None, "where no store has had a sku nobody is shown"
        _, stale = probe.lines([(number, 1)])
        available = np.minimum(replica.stock.gather(number, slots).available, MOST_STOCK_TOLD)
        for stock, count, is_stale in zip(told, available.tolist(), stale[0].tolist(), strict=True):
            stock[sku] = None if is_stale else count
    return told


def opening_steady_for_s(replica: Replica, now_s: int, among: list[int]) -> int | None:
    """The seconds until one of these stores opens or closes; None for no store."""
    if not among:
        return None
    slots = np.array(among, dtype=np.int64)
    until_s = replica.schedules.states(replica.columns.schedule[slots], now_s).until_s
    return _steady_for_s(until_s, replica.columns.closed_until_s[slots], now_s)


def _steady_for_s(until_s: IntArray, closed_until_s: IntArray, now_s: int) -> int:
    """The seconds until a state ends, of at least one: by hours, or by the store's own word."""
    until: list[int] = [int(until_s.min()), *closed_until_s[closed_until_s > now_s].tolist()]
    return max(0, min(until) - now_s)
