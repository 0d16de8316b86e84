"""dispatch check: is all well, and where it is not, what mends it."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from dispatch.app import store_defaults, travel_of
from dispatch.commands.checking_books import check_books, check_server
from dispatch.commands.checking_roads import check_roads
from dispatch.commands.checking_workers import check_workers
from dispatch.commands.failures import line_of
from dispatch.commands.report import Report
from dispatch.commands.session import as_served, database_server, opened, out, quiet_logs
from dispatch.commands.stopping import Stopped, StopRequest
from dispatch.replica.replica import Replica, load
from dispatch.settings import Settings
from dispatch.storage.feed import FeedReader, reading
from dispatch.storage.lateness import read_counted
from dispatch.storage.migrate import pending
from dispatch.storage.pool import Database
from dispatch.storage.reaching import current
from dispatch.storage.stores import all_stores
from geo.coordinates import LatLon

# From this share of a partner's shelf rows on, its stores are as good as empty, and somebody should know.
_STALE_SHARE: Final = 0.5
_PLACES_TO_TRY: Final = 8


def run(settings: Settings) -> int:
    """Print a line for each thing looked at; 1 if any is a problem."""
    quiet_logs(settings)
    report = Report(out())
    places: list[LatLon] = []
    try:
        with StopRequest() as stop, database_server(settings, stop, make=False) as url:
            places += stop.run(_check(settings, url, report))
    except Stopped:
        raise
    except Exception as error:
        line = line_of(error)
        if line is None:
            raise
        report.problem(line)
    check_roads(as_served(settings), places, report)
    return 1 if report.problems else 0


async def _check(settings: Settings, url: str, report: Report) -> list[LatLon]:
    """Places of some stores, between which roads can be tried."""
    revision = await current(url)
    where = "of DISPATCH_DATABASE_URL" if settings.database_url is not None else f"embedded, in {settings.data_dir}"
    report.ok(f"database: reachable, {where}")
    if waiting := await pending(url):
        report.problem(f"migrations: {', '.join(waiting)} not applied; run: dispatch migrate")
        return []
    report.ok(f"migrations: up to date, at {revision}")
    async with opened(url) as database:
        await check_server(settings, database, report)
        places = await _check_replica(settings, database, report)
        await _tell_late(database, report)
        await check_books(database, report)
        await check_workers(settings.data_dir, database, report)
    return places


async def _check_replica(settings: Settings, database: Database, report: Report) -> list[LatLon]:
    began = time.monotonic()
    listed = await all_stores(database)
    async with reading(database) as reader:
        replica = await load(reader, defaults=store_defaults(settings), travel=travel_of(settings))
        took_s = time.monotonic() - began
        stores, rows = len(replica.catalogue), replica.stock.row_count
        report.ok(f"replica: {stores:,} stores and {rows:,} shelf rows loaded in {took_s:.1f} s")
        if not stores:
            report.ok("stores: none yet; bring some in with: dispatch import stores FILE")
            return []
        tally = await _Tally.of(reader, replica)
        mend = "restart the service, and report this as a fault with the lines above"
        if stores != len(listed):
            report.problem(f"replica: has {stores:,} stores, the database {len(listed):,}; {mend}")
        elif rows != tally.rows:
            report.problem(f"replica: has {rows:,} shelf rows, the database {tally.rows:,}; {mend}")
        elif wrong := await _differing_cells(reader, replica):
            report.problem(f"replica: differs from the database in {len(wrong)} cells, such as {wrong[0]:x}; {mend}")
        else:
            report.ok(f"replica: equals the database in counts, and in the checksums of {len(replica.cursors):,} cells")
    tally.tell(report)
    # Neighbours have neighbouring slots.
    return [replica.catalogue.place(slot) for slot in range(min(_PLACES_TO_TRY, stores))]


async def _tell_late(database: Database, report: Report) -> None:
    """Say whose stock has not come today. It is a remark, not a problem: nothing here can mend it."""
    for one in await read_counted(database, datetime.now(UTC)):
        if one.stock_due_at is not None:
            late = f"{one.late:,} of {one.stores:,} stores are late" if one.late else "no store is late"
            told = "; /uploads of the service tells which" if one.late else ""
            report.ok(f"uploads of {one.partner}: {late}, due by {one.stock_due_at:%H:%M} of each day{told}")


@dataclass(slots=True)
class _Tally:
    """The database's shelf rows of stores in service, and how many of them are stale, by partner."""

    rows: int = 0
    by_partner: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    async def of(cls, reader: FeedReader, replica: Replica) -> "_Tally":
        tally = cls()
        catalogue, now_s = replica.catalogue, int(datetime.now(UTC).timestamp())
        names: dict[str, int] = {}
        partners = np.array(
            [names.setdefault(catalogue.card(slot).partner, len(names)) for slot in range(catalogue.columns.size)],
            dtype=np.int64,
        )
        counts = np.zeros((len(names), 2), dtype=np.int64)
        async for chunk in reader.shelves():
            slots = catalogue.slots_of_numbers(chunk.store_no)
            known = slots >= 0
            slots = slots[known]
            stale = chunk.fresh_s[known] < now_s - catalogue.columns.stale_after_s[slots]
            np.add.at(counts, (partners[slots], stale.astype(np.int64)), 1)
            tally.rows += len(slots)
        tally.by_partner = {name: (int(counts[at].sum()), int(counts[at, 1])) for name, at in names.items()}
        return tally

    def tell(self, report: Report) -> None:
        for partner, (rows, stale) in sorted(self.by_partner.items()):
            if not rows:
                report.ok(f"stock of {partner}: none yet; bring it in with: dispatch import stock FILE")
                continue
            text = f"stock of {partner}: {stale:,} of {rows:,} shelf rows ({stale / rows:.0%}) are stale"
            if stale / rows >= _STALE_SHARE:
                report.problem(f"{text}, and no quote takes them; import newer counts with: dispatch import stock FILE")
            else:
                report.ok(text)


async def _differing_cells(reader: FeedReader, replica: Replica) -> list[int]:
    """The cells whose stock is not that of the database."""
    return [cell for cell in sorted(replica.cursors) if await reader.checksum(cell) != replica.checksum(cell)]
