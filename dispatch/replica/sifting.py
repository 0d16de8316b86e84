"""The search for the nearest stores that have all lines, compiled: two loops without a call of numpy in them.

Everything that can be tested in whole numbers is tested here, in the way of ``dispatch.domain.eligibility``; distances
are straight chords, never longer than geodesics, so that what fails by its chord fails. What passes is asked the rest
by who calls: the geodesic, the zone, and a quantity too large for a row.

Nothing is checked: a slot must be one that there is room for in every array by slot.
"""

from typing import Final

import numpy as np

from dispatch.domain import question as questions
from dispatch.domain.market import FloatArray, IntArray
from dispatch.domain.question import Reason
from dispatch.replica import freshness, sku_rows
from dispatch.replica.freshness import FRESH_MAX
from dispatch.replica.sku_rows import BLOCK_BITS, LARGE
from geo import kd_tree
from geo.chord_tree import Parts
from geo.compiled import Compiler, array_at
from geo.kd_tree import nearest_of

compiled = Compiler(__file__, kd_tree, questions, freshness, sku_rows)

ALL_SEEN: Final = -1
"""Every store within reach was looked at, or ruled out by its distance or a line that it lacks."""

NOT_ALL_SEEN: Final = -2
"""The end was not in sight after so many stores, or more pass at once than there is room for."""

UNSURE: Final = -3
"""It takes a zone, a geodesic or an id to tell."""

# Otherwise what is said is the number of a schedule that is not known at that time.

_FIRST: Final = 8
_GROWTH: Final = 4
_LOW_MASK: Final = (1 << BLOCK_BITS) - 1
_FIGURE_SHIFT: Final = 22
_NOT_HERE: Final = -1
_PASSES, _FAILS, _LACKS = -1, -2, -3
_NO_ONE: Final = -1
_EVER_S: Final = -(1 << 62)  # at such a time no row is stale

# Compiled code knows ints alone.
INACTIVE: Final = int(Reason.INACTIVE)
EXCLUDED: Final = int(Reason.EXCLUDED)
DECLINED_BEFORE: Final = int(Reason.DECLINED_BEFORE)
CLOSED: Final = int(Reason.CLOSED)
OUTSIDE_DELIVERY_ZONE: Final = int(Reason.OUTSIDE_DELIVERY_ZONE)
STALE_STOCK: Final = int(Reason.STALE_STOCK)
INSUFFICIENT_STOCK: Final = int(Reason.INSUFFICIENT_STOCK)
AT_CAPACITY: Final = int(Reason.AT_CAPACITY)
CLOSES_TOO_SOON: Final = int(Reason.CLOSES_TOO_SOON)
PROMISE_MISSED: Final = int(Reason.PROMISE_MISSED)
_CHORD_SLACK_M: Final = 1e-6
# No arc on the ellipsoid is bent more than its most curved place, b²/a at the poles' meridians at the equator.
_LEAST_RADIUS_M: Final = 6_335_439.0

type Spells = tuple[np.ndarray, IntArray, IntArray, IntArray]
"""By schedule: is_open, since_s, recheck_s, until_s, as of ``dispatch.domain.spells.Frame``."""

type Waiting = tuple[np.ndarray, IntArray, IntArray, np.ndarray, IntArray]
"""Shelves that wait to be filed, as of ``dispatch.replica.unfiled.UnfiledShelves.parts``."""

type Times = tuple[int, int, int, int, int, float]
"""now_s, start_s, hold_s and promise_s of the question, how many lines it has, and how many seconds a metre takes."""

type Place = tuple[float, float, float, float]
"""Earth-centred coordinates of the door, and how many metres away stores may be."""

type Rows = tuple[IntArray, IntArray, IntArray, bool, Waiting, Waiting]
"""Where rows are (RowTable), zero_s and unit_s by slot, whether shelves wait, those that arrived, those being filed."""


@compiled()
def ceiling_of(square: float) -> float:
    """The square of what no geodesic over a chord exceeds: whoever may be as near has a chord within that."""
    chord_m = np.sqrt(square)
    arc_m = 2.0 * _LEAST_RADIUS_M * np.arcsin(min(1.0, chord_m / (2.0 * _LEAST_RADIUS_M)))
    return float((arc_m + _CHORD_SLACK_M) ** 2)


@compiled()
def _first_from(values: np.ndarray, first: int, end: int, wanted: int) -> int:
    """Where in ``values[first:end]``, ascending, the first is that is not less; ``end`` if there is none."""
    while first < end:
        middle = (first + end) >> 1
        if values[middle] < wanted:
            first = middle + 1
        else:
            end = middle
    return first


@compiled()
def _first_near(values: np.ndarray, first: int, end: int, guess: int, wanted: int) -> int:
    """As ``_first_from``, sooner the nearer the place is to ``guess``: a memory far away is read a few times less."""
    guess = max(first, min(guess, end - 1))
    step = 16
    if first < end and values[guess] < wanted:
        low = guess + 1
        while guess + step < end and values[guess + step] < wanted:
            low = guess + step + 1
            step <<= 2
        return _first_from(values, low, min(guess + step, end), wanted)
    high = guess
    while guess - step >= first and values[guess - step] >= wanted:
        high = guess - step
        step <<= 2
    return _first_from(values, max(first, guess - step), high, wanted)


@compiled()
def _waits(shelves: Waiting, number: int, slot: int, wanted: int, now_s: int) -> bool:
    """Whether a shelf that waits, and is here, has so many, in a row that is not stale."""
    stale_after_s, slots, edges, available, fresh_s = shelves
    if number + 1 >= len(edges):
        return False
    end = edges[number + 1]
    at = _first_from(slots, edges[number], end, slot)
    if at >= end or slots[at] != slot or available[at] < wanted:
        return False
    return bool(fresh_s[at] >= now_s - stale_after_s[slot])


@compiled()
def _has(stock: Rows, number: int, slot: int, wanted: int, now_s: int) -> bool:
    """Whether a store has so many, in a row that is not stale; of a figure that has no room in its row, that it has."""
    places, zero_s, unit_s, some_wait, new, old = stock
    if some_wait:
        if new[0][slot] != _NOT_HERE:
            return _waits(new, number, slot, wanted, now_s)
        if old[0][slot] != _NOT_HERE:
            return _waits(old, number, slot, wanted, now_s)
    block, blocks = slot >> BLOCK_BITS, places[number, 3]
    if block >= blocks:
        return False
    starts = array_at(places[number, 2], blocks + 1, np.int64)
    first, end = starts[block], starts[block + 1]
    low = array_at(places[number, 0], end, np.uint16)
    # A sku's stores are spread over all of a block, or near enough for a guess.
    wanted_low = slot & _LOW_MASK
    at = _first_near(low, first, end, first + (((end - first) * wanted_low) >> BLOCK_BITS), wanted_low)
    if at >= end or low[at] != slot & _LOW_MASK:
        return False
    value = int(array_at(places[number, 1], end, np.uint32)[at])
    return bool(
        value >> _FIGURE_SHIFT >= min(wanted, LARGE) and (value & FRESH_MAX) * unit_s[slot] >= now_s - zero_s[slot]
    )


@compiled()
def _test(
    stores: np.ndarray, spells: Spells, stock: Rows, lines: IntArray, but: int, barred: IntArray,
    times: Times, slot: int, square: float,
) -> int:  # fmt: skip
    """Whether a store fails, passes as far as can be seen here, or its schedule must be known first; or lacks a line.

    Its stock of the line ``but`` is known to suffice.
    """
    now_s, start_s, hold_s, promise_s, n_lines, pace_s = times
    for i in range(n_lines):
        if i != but and not _has(stock, lines[i], slot, lines[n_lines + i], now_s):
            return _LACKS
    store = stores[slot]
    if not store.active or store.closed_until_s > start_s or store.busy_until_s > now_s:
        return _FAILS
    if store.open_orders >= store.max_open_orders:
        return _FAILS
    for i in range(len(barred)):
        if barred[i] == slot:
            return _FAILS
    chord_m = np.sqrt(square) - _CHORD_SLACK_M
    if chord_m > store.delivery_radius_m:
        return _FAILS
    ready_s = store.times_s[0] + store.times_s[1] * n_lines + store.times_s[2] * store.open_orders + store.times_s[3]
    if ready_s + np.ceil(chord_m * pace_s) + store.times_s[4] > promise_s:
        return _FAILS
    is_open, since_s, recheck_s, until_s = spells
    schedule = int(store.schedule)
    if schedule >= len(is_open) or since_s[schedule] > start_s or recheck_s[schedule] <= start_s:
        return schedule
    if not is_open[schedule] or start_s + hold_s + ready_s > until_s[schedule]:
        return _FAILS
    return _PASSES


@compiled()
def _tell(stores: np.ndarray, n_lines: int, told: IntArray, count: int) -> None:
    """Write beside the slots in ``told`` what a promise of each store is made of (dispatch.domain.market.Passing)."""
    for i in range(count):
        store = stores[told[i, 0]]
        told[i, 1] = store.times_s[0] + store.times_s[1] * n_lines
        told[i, 2] = store.times_s[2] * store.open_orders
        told[i, 3], told[i, 4], told[i, 5] = store.times_s[3], store.times_s[4], store.has_zone


@compiled()
def nearest_passing(
    tree: Parts, stores: np.ndarray, spells: Spells, stock: Rows, lines: IntArray, barred: IntArray,
    times: Times,
    place: Place, horizon_m: float, wanted: int, most: int, told: IntArray,
) -> tuple[int, int, int, float]:  # fmt: skip
    """Tell of the ``wanted`` nearest stores that pass, and of all that may be as near as the last, by their chords.

    They are written to ``told`` (see ``_tell``). How many there are, how many stores were looked at, ``most`` at most,
    ALL_SEEN or what else (see above), and the chord of the nearest of all others this side of the horizon, or inf.
    ``lines``: the sku numbers of all, then their quantities.
    """
    (x, y, z, within_m), n_lines = place, times[4]
    near_ids, near_squares, squares = np.empty(most + 1, dtype=np.int64), np.empty(most + 1), np.empty(len(told))
    within = (within_m + _CHORD_SLACK_M) ** 2
    found, tested, count, ceiling = 0, 0, min(_FIRST, most), np.inf
    while True:
        near = nearest_of(*tree, x, y, z, count, within, near_ids, near_squares)
        for i in range(tested, near):
            if near_squares[i] > ceiling:
                _tell(stores, n_lines, told, found)
                return found, i, ALL_SEEN, np.sqrt(near_squares[i])
            said = _test(
                stores, spells, stock, lines, -1, barred, times, near_ids[i], near_squares[i],
            )  # fmt: skip
            if said >= 0:
                return found, i, said, np.inf
            if said == _PASSES:
                if found == len(told):
                    return found, i, NOT_ALL_SEEN, np.inf
                told[found, 0], squares[found] = near_ids[i], near_squares[i]
                found += 1
                if found == wanted:
                    ceiling = ceiling_of(near_squares[i])
        if near < count:
            _tell(stores, n_lines, told, found)
            seen, beyond = near, (horizon_m + _CHORD_SLACK_M) ** 2
            near = nearest_of(*tree, x, y, z, seen + 1, beyond, near_ids, near_squares)
            return found, seen, ALL_SEEN, np.sqrt(near_squares[seen]) if near > seen else np.inf
        if count == most:
            return found, near, NOT_ALL_SEEN, np.inf
        # Of those as far as the last one, others may have been left out: they are looked at anew.
        tested = near - 1
        while tested > 0 and near_squares[tested - 1] == near_squares[near - 1]:
            tested -= 1
        while found > 0 and squares[found - 1] == near_squares[near - 1]:
            found -= 1
        if found < wanted:
            ceiling = np.inf
        count = min(most, count * _GROWTH)


@compiled()
def _rows_between(stock: Rows, number: int, edges: IntArray) -> int:
    """How many rows a sku has in these stretches of slots; one counts twice while its shelf waits to be filed again."""
    places, _, _, some_wait, new, old = stock
    rows, blocks = 0, places[number, 3]
    for i in range(0, len(edges), 2):
        if blocks > 0:
            rows += _filed_from(places, number, edges[i + 1]) - _filed_from(places, number, edges[i])
        if some_wait:
            rows += _waiting_from(new, number, edges[i + 1]) - _waiting_from(new, number, edges[i])
            rows += _waiting_from(old, number, edges[i + 1]) - _waiting_from(old, number, edges[i])
    return rows


@compiled()
def _filed_from(places: IntArray, number: int, slot: int) -> int:
    """Where the first filed row is whose slot is this or a later one."""
    block, blocks = slot >> BLOCK_BITS, places[number, 3]
    starts = array_at(places[number, 2], blocks + 1, np.int64)
    if block >= blocks:
        return int(starts[blocks])
    low = array_at(places[number, 0], starts[blocks], np.uint16)
    return int(_first_from(low, starts[block], starts[block + 1], slot & _LOW_MASK))


@compiled()
def _waiting_from(shelves: Waiting, number: int, slot: int) -> int:
    """Where the first row that waits is whose slot is this or a later one; 0 of a sku without rows."""
    _, slots, edges, _, _ = shelves
    if number + 1 >= len(edges):
        return 0
    return int(_first_from(slots, edges[number], edges[number + 1], slot))


@compiled()
def nearest_holding(
    xyz: FloatArray, stores: np.ndarray, spells: Spells, stock: Rows, lines: IntArray, barred: IntArray,
    times: Times,
    place: Place, edges: IntArray, wanted: int, told: IntArray, having: IntArray,
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """As ``nearest_passing``, out of the stores that have rows of the rarest line in stretches of slots.

    ``edges``: the first slot of each and the one after its last. Which line that is comes last of what is told, and
    before it how many of these stores have every line, pass or not; they are written to ``having``, as far as there
    is room. ``xyz`` is by slot, NaN of a store that is gone.
    """
    (x, y, z, within_m), now_s, n_lines = place, times[0], times[4]
    rarest, fewest = 0, 1 << 62
    for i in range(n_lines):
        rows = _rows_between(stock, lines[i], edges)
        if rows < fewest:
            rarest, fewest = i, rows
    number = lines[rarest]
    places, _, _, some_wait, new, old = stock
    within = (within_m + _CHORD_SLACK_M) ** 2
    found, looked_at, have, squares = 0, 0, 0, np.empty(len(told))
    ceiling = within
    for source in range(3):
        if source > 0 and not some_wait:
            break
        for i in range(0, len(edges), 2):
            if source == 0:
                if places[number, 3] == 0:
                    continue
                at, end = _filed_from(places, number, edges[i]), _filed_from(places, number, edges[i + 1])
                starts = array_at(places[number, 2], places[number, 3] + 1, np.int64)
                low = array_at(places[number, 0], end, np.uint16)
                block = edges[i] >> BLOCK_BITS
            elif source == 1:
                at, end = _waiting_from(new, number, edges[i]), _waiting_from(new, number, edges[i + 1])
            else:
                at, end = _waiting_from(old, number, edges[i]), _waiting_from(old, number, edges[i + 1])
            for row in range(at, end):
                if source == 0:
                    while row >= starts[block + 1]:
                        block += 1
                    slot = (block << BLOCK_BITS) | int(low[row])
                    if some_wait and (new[0][slot] != _NOT_HERE or old[0][slot] != _NOT_HERE):
                        continue
                elif source == 1:
                    slot = new[1][row]
                else:
                    slot = old[1][row]
                    if new[0][slot] != _NOT_HERE:
                        continue
                dx, dy, dz = xyz[slot, 0] - x, xyz[slot, 1] - y, xyz[slot, 2] - z
                square = dx * dx + dy * dy + dz * dz
                if np.isnan(square):
                    continue
                looked_at += 1
                if square > ceiling or not _has(stock, number, slot, lines[n_lines + rarest], now_s):
                    continue
                said = _test(
                    stores, spells, stock, lines, rarest, barred, times, slot, square,
                )  # fmt: skip
                if said >= 0:
                    return found, looked_at, said, have, rarest
                if said != _LACKS:
                    if have < len(having):
                        having[have] = slot
                    have += 1
                if said != _PASSES:
                    continue
                if found == len(told):
                    return found, looked_at, NOT_ALL_SEEN, have, rarest
                into = found
                found += 1
                while into > 0 and squares[into - 1] > square:
                    told[into, 0], squares[into] = told[into - 1, 0], squares[into - 1]
                    into -= 1
                told[into, 0], squares[into] = slot, square
                if found >= wanted:
                    ceiling = min(within, ceiling_of(squares[wanted - 1]))
                    while squares[found - 1] > ceiling:
                        found -= 1
    _tell(stores, n_lines, told, found)
    return found, looked_at, ALL_SEEN, have, rarest


@compiled()
def _state_of_lines(stock: Rows, lines: IntArray, n_lines: int, slot: int, now_s: int) -> int:
    """What a store's stock of all lines comes to: STALE_STOCK, INSUFFICIENT_STOCK, or 0 if it suffices."""
    reason = 0
    for i in range(n_lines):
        if not _has(stock, lines[i], slot, lines[n_lines + i], now_s):
            # A row that is stale does not have it, however much it says.
            if _has(stock, lines[i], slot, 0, _EVER_S) and not _has(stock, lines[i], slot, 0, now_s):
                return STALE_STOCK
            reason = INSUFFICIENT_STOCK
    return reason


@compiled()
def _reason(
    stores: np.ndarray, spells: Spells, stock: Rows, lines: IntArray, barred: IntArray, n_excluded: int,
    times: Times, slot: int, square: float,
) -> tuple[int, int, int]:  # fmt: skip
    """The first test that a store fails, as a number of ``dispatch.domain.question.Reason``, and 0 if that is sure.

    Between them until when it stays open or closed by its hours. Not sure: UNSURE, or one more than the number of a
    schedule that must be known first.
    """
    now_s, start_s, hold_s, promise_s, n_lines, pace_s = times
    store = stores[slot]
    is_open, since_s, recheck_s, until_s = spells
    schedule = int(store.schedule)
    if schedule >= len(is_open) or since_s[schedule] > start_s or recheck_s[schedule] <= start_s:
        return 0, 0, schedule + 1
    until = until_s[schedule]
    if not store.active:
        return INACTIVE, until, 0
    for i in range(len(barred)):
        if barred[i] == slot:
            return EXCLUDED if i < n_excluded else DECLINED_BEFORE, until, 0
    if store.closed_until_s > start_s or not is_open[schedule]:
        return CLOSED, until, 0
    chord_m, most_m = np.sqrt(square) - _CHORD_SLACK_M, np.sqrt(ceiling_of(square))
    if chord_m > store.delivery_radius_m:
        return OUTSIDE_DELIVERY_ZONE, until, 0
    if store.has_zone or most_m > store.delivery_radius_m:
        return 0, until, UNSURE
    of_stock = _state_of_lines(stock, lines, n_lines, slot, now_s)
    if of_stock:
        return of_stock, until, 0
    if store.busy_until_s > now_s or store.open_orders >= store.max_open_orders:
        return AT_CAPACITY, until, 0
    ready_s = store.times_s[0] + store.times_s[1] * n_lines + store.times_s[2] * store.open_orders + store.times_s[3]
    if start_s + hold_s + ready_s > until:
        return CLOSES_TOO_SOON, until, 0
    if ready_s + np.ceil(chord_m * pace_s) + store.times_s[4] > promise_s:
        return PROMISE_MISSED, until, 0
    return 0, until, UNSURE


@compiled()
def latest_failing(
    tree: Parts, xyz: FloatArray, stores: np.ndarray, spells: Spells, stock: Rows, lines: IntArray, barred: IntArray,
    n_excluded: int, times: Times,
    place: Place, having: IntArray, most: int, told: IntArray,
) -> tuple[int, int]:  # fmt: skip
    """Tell of the store within reach that fails last in the order of reasons, and is then the nearest; none passes.

    ``having`` are all stores within reach that have every line; of the others, the ``most`` nearest are looked at. It
    is written to the first line of ``told`` (see ``_tell``). Its reason, and until when it stays open or closed by its
    hours; or 0, and UNSURE, also if there is no such store, or as ``_reason`` what must be known first.
    """
    (x, y, z, within_m), n_lines = place, times[4]
    sure, unclear = (within_m - _CHORD_SLACK_M) ** 2, (within_m + _CHORD_SLACK_M) ** 2
    best, best_reason, best_square, best_until_s = _NO_ONE, 0, np.inf, 0
    near_ids, near_squares = np.empty(most, dtype=np.int64), np.empty(most)
    # First those that have the stock; then the nearest few, and if that does not do many.
    for source in range(3):
        asked = min(_FIRST, most) if source == 1 else most
        if source == 0:
            count = len(having)
        elif best_reason > INSUFFICIENT_STOCK:
            break
        else:
            count = nearest_of(*tree, x, y, z, asked, unclear, near_ids, near_squares)
        is_proven = source > 0 and count < asked
        for i in range(count):
            slot = having[i] if source == 0 else near_ids[i]
            dx, dy, dz = xyz[slot, 0] - x, xyz[slot, 1] - y, xyz[slot, 2] - z
            square = dx * dx + dy * dy + dz * dz
            if source > 0 and best_reason == INSUFFICIENT_STOCK and square > ceiling_of(best_square):
                is_proven = True
                break
            if slot == best or square > unclear:
                continue
            if ceiling_of(square) > sure:
                return 0, UNSURE
            reason, until_s, said = _reason(
                stores, spells, stock, lines, barred, n_excluded, times, slot, square,
            )  # fmt: skip
            if said != 0:
                return 0, said
            if reason < best_reason or (reason == best_reason and square > ceiling_of(best_square)):
                continue
            if reason == best_reason and best_square <= ceiling_of(square):
                return 0, UNSURE
            best, best_reason, best_square, best_until_s = slot, reason, square, until_s
        if is_proven:
            break
        if source == 2:
            return 0, UNSURE
    if best == _NO_ONE:
        return 0, UNSURE
    told[0, 0] = best
    _tell(stores, n_lines, told, 1)
    return best_reason, best_until_s
