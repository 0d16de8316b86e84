"""Answers as they go out: plain values, ready for JSON."""

from datetime import datetime, time
from typing import Any

from dispatch.api.places import lon_lat, told, zone_told
from dispatch.domain.answer import Candidate, PassedOver, Selection, stock_age_s
from dispatch.domain.market import NO_LIMIT
from dispatch.domain.moments import moment
from dispatch.domain.question import UNKNOWN_SKU, Question
from dispatch.replica.columns import TIMES
from dispatch.replica.replica import Replica
from dispatch.services.nearby import StoreState
from dispatch.services.offers import eta_told, line_told
from dispatch.storage.imports import ImportRecord
from dispatch.storage.lateness import LateStore, PartnerUploads
from dispatch.storage.shelves import ShelfRow
from geo.datums import Datum
from geo.travel import MODES
from geo.travel.roads import UNREACHABLE_S
from geo.zones import covers


class QuoteAnswer:
    """One selection, told to the one who asked."""

    def __init__(self, replica: Replica, question: Question, *, datum: Datum, lag_s: float) -> None:
        self._replica = replica
        self._question = question
        self._datum = datum
        self._lag_s = lag_s

    def body(self, selection: Selection) -> dict[str, Any]:
        if selection.winner is not None:
            answer = {"outcome": "fulfillable", **self._offer(selection.winner)}
            answer["alternatives"] = [self._offer(candidate) for candidate in selection.alternatives]
        else:
            answer = {"outcome": "unfulfillable", **self._refusal(selection)}
        answer["certificate"] = self._certificate(selection)
        if self._question.explain:
            passed_over = selection.passed_over or []
            reasons = selection.passed_over_reasons or {}
            answer["passed_over"] = [self._passed_over(entry) for entry in passed_over]
            answer["passed_over_total"] = selection.passed_over_total or 0
            answer["passed_over_reasons"] = {reason.text: count for reason, count in reasons.items()}
        return answer

    def _offer(self, candidate: Candidate) -> dict[str, Any]:
        slot = candidate.slot
        card = self._replica.catalogue.card(slot)
        return {
            "store": {
                "store_id": candidate.store_id,
                "name": card.name,
                **told(self._replica.catalogue.place(slot), self._datum),
                "distance_m": candidate.distance_m,
            },
            "eta": eta_told(candidate.eta, card.timezone),
            "lines": [line_told(self._replica, line, slot) for line in self._question.lines],
        }

    def _refusal(self, selection: Selection) -> dict[str, Any]:
        if selection.unknown_sku is not None:
            return {"reason": UNKNOWN_SKU, "detail": {"sku": selection.unknown_sku}, "nearest_miss": None}
        miss = selection.miss
        if miss is None:
            return {"reason": "promise_missed", "detail": {}, "nearest_miss": None}
        timezone = self._replica.catalogue.card(miss.slot).timezone
        detail = self._detail(miss)
        return {
            "reason": miss.reason.text,
            "detail": detail,
            "nearest_miss": {
                "store_id": miss.store_id,
                "distance_m": miss.distance_m,
                "reason": miss.reason.text,
                "detail": detail,
                "eta": None if miss.eta.travel_s >= UNREACHABLE_S else eta_told(miss.eta, timezone),
            },
        }

    def _certificate(self, selection: Selection) -> dict[str, Any]:
        certificate, winner = selection.certificate, selection.winner
        key = "travel_s" if self._question.strategy == "nearest" else "total_s"
        return {
            "plan": certificate.plan.value if certificate else "stock_first",
            "key": key,
            "key_s": certificate.key_s if certificate else None,
            "examined": certificate.examined if certificate else 0,
            "next_bound_s": certificate.next_bound_s if certificate else None,
            # Without a search: every store lacks the sku that none has ever had.
            "rest_lacks": certificate.rest_lacks if certificate else selection.unknown_sku,
            "stock_age_s": stock_age_s(self._replica.stock, self._question, winner.slot) if winner else None,
            "replica_lag_s": round(self._lag_s, 3),
            "version": self._replica.version_around(self._question.destination).encode(),
        }

    def _passed_over(self, entry: PassedOver) -> dict[str, Any]:
        return {
            "store_id": entry.store_id,
            "distance_m": entry.distance_m,
            "key_s": None if entry.key_s >= UNREACHABLE_S else entry.key_s,
            "reason": entry.reason.text,
            "detail": self._detail(entry),
        }

    def _detail(self, entry: PassedOver) -> dict[str, Any]:
        timezone = self._replica.catalogue.card(entry.slot).timezone
        return {
            name: moment(value, timezone) if name.endswith(("_at", "_by")) and isinstance(value, int) else value
            for name, value in entry.detail.items()
        }


def store_told(state: StoreState, datum: Datum) -> dict[str, Any]:
    """A store as nearby searches show it."""
    card = state.card
    answer: dict[str, Any] = {
        "store_id": state.store_id,
        "name": card.name,
        "brand": card.brand,
        "address": card.address,
        **told(state.place, datum),
        "distance_m": state.distance_m,
        "open_now": state.open_now,
        "hours_known": state.hours_known,
        "opens_at": moment(state.opens_at_s, card.timezone),
        "closes_at": moment(state.closes_at_s, card.timezone),
        "opening_hours": card.opening_hours,
        "timezone": card.timezone,
        "phone": card.phone,
    }
    if state.distance_m is None:
        del answer["distance_m"]
    else:
        answer["delivers_here"] = state.delivers_here
        answer["stock"] = state.stock
    return answer


def store_told_whole(replica: Replica, state: StoreState, datum: Datum) -> dict[str, Any]:
    """A store with its terms of service; the setting's default where it does not say."""
    slot, columns = state.slot, replica.columns
    radius_m = float(columns.delivery_radius_m[slot])
    limit = int(columns.max_open_orders[slot])
    return store_told(state, datum) | {
        "partner": state.card.partner,
        "region": state.card.region,
        "active": bool(columns.active[slot]),
        "mode": MODES[int(columns.mode[slot])].value,
        **dict(zip(TIMES, columns.times_s[slot].tolist(), strict=True)),
        "max_open_orders": None if limit == NO_LIMIT else limit,
        "open_orders": int(columns.open_orders[slot]),
        "delivery_radius_m": None if radius_m == float("inf") else radius_m,
        "delivery_zone": zone_told(replica.zones.zone(slot), datum) if columns.has_zone[slot] else None,
        "warnings": _warnings(replica, state),
    }


def _warnings(replica: Replica, state: StoreState) -> list[dict[str, str]]:
    """What is odd in a store that was taken all the same."""
    if not replica.columns.has_zone[state.slot] or covers(replica.zones.zone(state.slot), state.place):
        return []
    detail = "the store lies outside its own delivery zone; is the zone another store's, or are lat and lon wrong?"
    return [{"pointer": "/delivery_zone", "code": "outside_own_zone", "detail": detail}]


def feature_of(store: dict[str, Any], state: StoreState, datum: Datum) -> dict[str, Any]:
    """A store as a GeoJSON feature; lon, lat."""
    properties = {name: value for name, value in store.items() if name not in ("lat", "lon")}
    geometry = {"type": "Point", "coordinates": lon_lat(state.place, datum)}
    return {"type": "Feature", "id": state.store_id, "geometry": geometry, "properties": properties}


def shelf_row_told(row: ShelfRow) -> dict[str, Any]:
    fresh = row.as_of if row.moved_at is None else max(row.as_of, row.moved_at)
    return {
        "sku": row.sku,
        "on_hand": max(0, row.on_hand),
        "reserved": row.reserved,
        "safety_stock": row.safety_stock,
        "withheld": row.withheld,
        "available": row.available,
        "short": row.short,
        "price": row.price_minor,
        "currency": row.currency,
        "as_of": row.as_of.isoformat(),
        "fresh_at": fresh.isoformat(),
    }


def import_told(record: ImportRecord) -> dict[str, Any]:
    counts = record.counts
    return {
        "import_id": record.import_id,
        "kind": record.kind,
        "partner": record.partner,
        "status": record.status,
        "dry_run": record.dry_run,
        "mode": record.mode,
        "filename": record.filename,
        "applies": record.applies,
        "created_at": record.created_at.isoformat(),
        "ended_at": None if record.ended_at is None else record.ended_at.isoformat(),
        "rows": counts.rows,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "removed": counts.removed,
        "failed": counts.failed,
        "ignored": counts.ignored,
        "warnings": counts.warnings,
        "progress": record.progress,
        "report": record.report,
    }


# ── whose upload is late ───────────────────────────────────────────────────────────────────────────────────────────


def due_told(due_at: time | None) -> str | None:
    """A local time as it is sent: hours and minutes."""
    return None if due_at is None else f"{due_at:%H:%M}"


def age_s(moment: datetime, now: datetime) -> int:
    """Whole seconds since the moment; 0 of one that is still ahead, as clocks differ."""
    return max(0, int((now - moment).total_seconds()))


def uploads_told(uploads: PartnerUploads, now: datetime) -> dict[str, Any]:
    counted = uploads.counted
    return {
        "partner": counted.partner,
        "late": counted.late > 0,
        "stock_due_at": due_told(counted.stock_due_at),
        "stores": counted.stores,
        "stores_late": counted.late,
        "stores_never_counted": counted.never_counted,
        "newest_count": _count_told(counted.newest, now),
        "oldest_count": _count_told(counted.oldest, now),
        "last_stores_import": _last_told(uploads.last_stores),
        "last_stock_import": _last_told(uploads.last_stock),
    }


def _count_told(counted_at: datetime | None, now: datetime) -> dict[str, Any] | None:
    if counted_at is None:
        return None
    return {"counted_at": counted_at.isoformat(), "age_s": age_s(counted_at, now)}


def _last_told(record: ImportRecord | None) -> dict[str, Any] | None:
    if record is None:
        return None
    left_out = ("kind", "partner", "dry_run", "applies", "progress", "report")
    return {name: value for name, value in import_told(record).items() if name not in left_out}


def late_store_told(store: LateStore, now: datetime) -> dict[str, Any]:
    return {
        "store_id": store.store_id,
        "name": store.name,
        "due_at": store.due_at.isoformat(),
        "counted_at": None if store.counted_at is None else store.counted_at.isoformat(),
        "age_s": None if store.counted_at is None else age_s(store.counted_at, now),
    }
