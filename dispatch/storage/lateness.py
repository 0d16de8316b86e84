"""Which partners' and stores' stock is late, by what each store's row says of its newest count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from dispatch.domain.errors import PartnerNotFound
from dispatch.domain.lateness import counted_since, due_today
from dispatch.storage.imports import ImportRecord, last_imports
from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql


@dataclass(slots=True, kw_only=True)
class PartnerCounted:
    """How a partner's stores stand. ``stores`` are those in service and active; the counts are of them.

    ``newest`` and ``oldest`` are their newest counts' extremes, None if none of them was ever counted.
    """

    partner: str
    stock_due_at: time | None
    stores: int = 0
    never_counted: int = 0
    late: int = 0
    newest: datetime | None = None
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerUploads:
    """The same, with the last import of each kind that was no dry run."""

    counted: PartnerCounted
    last_stores: ImportRecord | None
    last_stock: ImportRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LateStore:
    """A store whose newest count is not the one that was due at ``due_at``, told in its time zone.

    ``counted_at`` None: it was never counted.
    """

    store_id: str
    name: str | None
    due_at: datetime
    counted_at: datetime | None


type Position = tuple[datetime | None, str]
"""A late store's ``counted_at`` and id."""


async def read_counted(database: Database, now: datetime) -> list[PartnerCounted]:
    """How the stores of every partner stand at ``now``; those with late stores first, then by name."""
    async with database.connection() as connection:
        return await _counted(connection, now)


async def read_uploads(database: Database, now: datetime) -> list[PartnerUploads]:
    """As ``read_counted``, with the last imports."""
    async with database.connection() as connection:
        partners = await _counted(connection, now)
        last = await last_imports(connection)
    return [
        PartnerUploads(
            counted=one, last_stores=last.get((one.partner, "stores")), last_stock=last.get((one.partner, "stock"))
        )
        for one in partners
    ]


async def read_late_stores(
    database: Database, partner: str, now: datetime, *, after: Position | None, limit: int
) -> tuple[time | None, list[LateStore]]:
    """By when a partner's stores are to be counted, and those late at ``now``, worst first, after a position.

    Worst are stores never counted, then those whose count is the oldest; ties by id. Raises PartnerNotFound.
    """
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(sql("read_partner"), partner)
        if row is None:
            raise PartnerNotFound(f"there is no partner {partner}")
        due_at: time | None = row["stock_due_at"]
        if due_at is None:
            return None, []
        zones = [zone["timezone"] for zone in await connection.fetch(sql("counted_by_zone"), partner)]
        since = _due_zones({partner: due_at}, [(partner, zone) for zone in zones], now)
        names, moments = [zone for _, zone in since], list(since.values())
        rows = await connection.fetch(sql("late_stores"), partner, names, moments, *(after or (None, None)), limit)
    return due_at, [
        LateStore(
            store_id=row["store_id"],
            name=row["name"],
            due_at=due_today(due_at, timezone=row["timezone"], now=now).astimezone(ZoneInfo(row["timezone"])),
            counted_at=row["counted_at"],
        )
        for row in rows
    ]


async def _counted(connection: Connection, now: datetime) -> list[PartnerCounted]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        due = {row["partner"]: row["stock_due_at"] for row in await connection.fetch(sql("partners_due"))}
        by_zone = await connection.fetch(sql("counted_by_zone"), None)
        since = _due_zones(due, [(row["partner"], row["timezone"]) for row in by_zone], now)
        late = await connection.fetch(
            sql("count_late"), [partner for partner, _ in since], [zone for _, zone in since], list(since.values())
        )
    found = {partner: PartnerCounted(partner=partner, stock_due_at=due_at) for partner, due_at in due.items()}
    for row in by_zone:
        one = found[row["partner"]]
        one.stores += row["stores"]
        one.never_counted += row["never_counted"]
        one.newest = max(filter(None, (one.newest, row["newest"])), default=None)
        one.oldest = min(filter(None, (one.oldest, row["oldest"])), default=None)
    for row in late:
        found[row["partner"]].late = row["late"]
    return sorted(found.values(), key=lambda one: (not one.late, one.partner))


def _due_zones(
    due: Mapping[str, time | None], zones: Sequence[tuple[str, str]], now: datetime
) -> dict[tuple[str, str], datetime]:
    """Since when stores must have been counted, by partner and time zone, where today's count is due by now."""
    since = {key: counted_since(due[key[0]], timezone=key[1], now=now) for key in zones}
    return {key: moment for key, moment in since.items() if moment is not None}
