"""Whether a store passes all tests but those of its lines, or by which test it fails."""

from typing import Final

import numpy as np

from dispatch.domain import question as questions
from dispatch.domain.market import FloatArray
from dispatch.domain.question import Reason
from dispatch.replica.columns import STORE
from dispatch.replica.sifting import memory as of_memory
from dispatch.replica.sifting import rows as of_rows
from dispatch.replica.sifting.memory import Memory, barred_of, floats_at, ints_at, lines_of, stores_of, told_of
from dispatch.replica.sifting.rows import has
from geo.compiled import Compiler, array_at, prefetch

compiled = Compiler(__file__, questions, of_memory, of_rows)

ALL_SEEN: Final = -1
"""Every store within reach was looked at, or ruled out by its distance or a line that it lacks."""

NOT_ALL_SEEN: Final = -2
"""The end was not in sight after so many stores, or more pass at once than there is room for."""

UNSURE: Final = -3
"""It takes a zone, a geodesic or an id to tell."""

# Otherwise what is said is the number of a schedule that is not known at that time.

PASSES: Final = -1
FAILS: Final = -2

CHORD_SLACK_M: Final = 1e-6
_STORE_BYTES: Final = STORE.itemsize
_EVER_S: Final = -(1 << 62)  # at such a time no row is stale
# No arc on the ellipsoid is bent more than its most curved place, b²/a at the poles' meridians at the equator.
_LEAST_RADIUS_M: Final = 6_335_439.0

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


@compiled()
def ceiling_of(square: float) -> float:
    """The square of what no geodesic over a chord exceeds: whoever may be as near has a chord within that."""
    chord_m = np.sqrt(square)
    arc_m = 2.0 * _LEAST_RADIUS_M * np.arcsin(min(1.0, chord_m / (2.0 * _LEAST_RADIUS_M)))
    return float((arc_m + CHORD_SLACK_M) ** 2)


@compiled()
def square_to(memory: Memory, xyz: FloatArray, slot: int) -> float:
    """The square of the chord from the door to a store; NaN of one that is gone."""
    dx, dy, dz = xyz[slot, 0] - memory.x, xyz[slot, 1] - memory.y, xyz[slot, 2] - memory.z
    return float(dx * dx + dy * dy + dz * dz)


@compiled()
def _unknown(memory: Memory, schedule: int) -> bool:
    """Whether it is not known if stores of a schedule are open at the start."""
    return bool(
        schedule >= memory.since_s[1]
        or ints_at(memory.since_s)[schedule] > memory.start_s
        or ints_at(memory.recheck_s)[schedule] <= memory.start_s
    )


@compiled()
def _is_open(memory: Memory, schedule: int) -> bool:
    return bool(array_at(memory.is_open[0], memory.is_open[1], np.bool_)[schedule])


@compiled()
def tested(memory: Memory, slot: int, square: float) -> int:
    """Whether a store that has all lines fails, passes as far as can be seen here, or its schedule must be known."""
    store = stores_of(memory)[slot]
    if not store.active or store.closed_until_s > memory.start_s or store.busy_until_s > memory.now_s:
        return FAILS
    if store.open_orders >= store.max_open_orders:
        return FAILS
    barred = barred_of(memory)
    for i in range(memory.n_barred):
        if barred[i] == slot:
            return FAILS
    chord_m = np.sqrt(square) - CHORD_SLACK_M
    if chord_m > store.delivery_radius_m:
        return FAILS
    times_s = store.times_s
    ready_s = times_s[0] + times_s[1] * memory.n_lines + times_s[2] * store.open_orders + times_s[3]
    if ready_s + np.ceil(chord_m * memory.pace_s_m) + times_s[4] > memory.promise_s:
        return FAILS
    schedule = int(store.schedule)
    if _unknown(memory, schedule):
        return schedule
    until_s = ints_at(memory.until_s)[schedule]
    if not _is_open(memory, schedule) or memory.start_s + memory.hold_s + ready_s > until_s:
        return FAILS
    return PASSES


@compiled()
def fetch_store(memory: Memory, slot: int) -> None:
    """Have what is known of a store brought nearer, to be asked soon."""
    record = memory.stores[0] + _STORE_BYTES * slot
    prefetch(record)
    prefetch(record + 64)
    prefetch(memory.lats[0] + 8 * slot)
    prefetch(memory.lons[0] + 8 * slot)
    prefetch(memory.unit_s[0] + 8 * slot)
    prefetch(memory.zero_s[0] + 8 * slot)


@compiled()
def tell(memory: Memory, count: int) -> None:
    """Write beside the slots that are told what a promise of each store is made of (dispatch.domain.market.Passing)."""
    told, lats, lons = told_of(memory), floats_at(memory.lats), floats_at(memory.lons)
    for i in range(count):
        one = told[i]
        store = stores_of(memory)[one.slot]
        times_s = store.times_s
        one.prepare_s = times_s[0] + times_s[1] * memory.n_lines
        one.queue_s = times_s[2] * store.open_orders
        one.courier_s, one.handover_s, one.has_zone = times_s[3], times_s[4], store.has_zone
        one.lat, one.lon, one.delivery_radius_m = lats[one.slot], lons[one.slot], store.delivery_radius_m


@compiled()
def _state_of_lines(memory: Memory, slot: int) -> int:
    """What a store's stock of all lines comes to: STALE_STOCK, INSUFFICIENT_STOCK, or 0 if it suffices."""
    reason, lines, now_s = 0, lines_of(memory), memory.now_s
    for i in range(memory.n_lines):
        if not has(memory, lines[0, i], slot, lines[1, i], now_s):
            # A row that is stale does not have it, however much it says.
            if has(memory, lines[0, i], slot, 0, _EVER_S) and not has(memory, lines[0, i], slot, 0, now_s):
                return STALE_STOCK
            reason = INSUFFICIENT_STOCK
    return reason


@compiled()
def reason_of(memory: Memory, slot: int, square: float) -> tuple[int, int, int]:
    """The first test that a store fails, as a number of ``dispatch.domain.question.Reason``, and 0 if that is sure.

    Between them until when it stays open or closed by its hours. Not sure: UNSURE, or one more than the number of a
    schedule that must be known first.
    """
    store = stores_of(memory)[slot]
    schedule = int(store.schedule)
    if _unknown(memory, schedule):
        return 0, 0, schedule + 1
    until = ints_at(memory.until_s)[schedule]
    if not store.active:
        return INACTIVE, until, 0
    barred = barred_of(memory)
    for i in range(memory.n_barred):
        if barred[i] == slot:
            return EXCLUDED if i < memory.n_excluded else DECLINED_BEFORE, until, 0
    if store.closed_until_s > memory.start_s or not _is_open(memory, schedule):
        return CLOSED, until, 0
    chord_m, most_m = np.sqrt(square) - CHORD_SLACK_M, np.sqrt(ceiling_of(square))
    if chord_m > store.delivery_radius_m:
        return OUTSIDE_DELIVERY_ZONE, until, 0
    if store.has_zone or most_m > store.delivery_radius_m:
        return 0, until, UNSURE
    of_stock = _state_of_lines(memory, slot)
    if of_stock:
        return of_stock, until, 0
    if store.busy_until_s > memory.now_s or store.open_orders >= store.max_open_orders:
        return AT_CAPACITY, until, 0
    times_s = store.times_s
    ready_s = times_s[0] + times_s[1] * memory.n_lines + times_s[2] * store.open_orders + times_s[3]
    if memory.start_s + memory.hold_s + ready_s > until:
        return CLOSES_TOO_SOON, until, 0
    if ready_s + np.ceil(chord_m * memory.pace_s_m) + times_s[4] > memory.promise_s:
        return PROMISE_MISSED, until, 0
    return 0, until, UNSURE
