"""dispatch check: do the books of orders agree, and does the database keep what it has said it has?"""

from collections.abc import Iterator
from typing import Final

from dispatch.commands.report import Report
from dispatch.settings import Settings
from dispatch.storage.books import Books, books, unsafe_settings
from dispatch.storage.pool import Database

_MEND: Final = "report this as a fault, with the lines of dispatch check and what was written last"


async def check_server(settings: Settings, database: Database, report: Report) -> None:
    """Look at the settings of the server on which it depends that nothing acknowledged is lost."""
    unsafe = await unsafe_settings(database)
    mend = "end dispatch serve and start it again" if settings.database_url is None else "set it to on, and reload"
    for name, setting in sorted(unsafe.items()):
        report.problem(f"database: {name} is {setting}, so a crash may lose orders that were acknowledged; {mend}")
    if not unsafe:
        report.ok("database: keeps what it has acknowledged, whatever crashes")


async def check_books(database: Database, report: Report) -> None:
    """Compare what is reserved and counted with the orders, and look for gaps in their events."""
    found = await books(database)
    problems = list(_wrong(found))
    for line in problems:
        report.problem(f"orders: {line}; {_MEND}")
    if not problems:
        report.ok(
            f"orders: {found.orders:,}, {found.open_orders:,} of them open; reserved stock, open orders of stores and"
            " events agree with them"
        )


def _wrong(found: Books) -> Iterator[str]:
    for row in found.reserved:
        yield f"{row.reserved} of {row.sku} are reserved at {row.store_id}, but its open orders hold {row.held}"
    for store in found.open_orders_wrong:
        yield f"{store.store_id} counts {store.counted} open orders, but has {store.there}"
    for order in found.events:
        yield (
            f"{order.order_id} of client {order.client} is at revision {order.revision}, but has {order.events} events,"
            f" the last numbered {order.newest}"
        )
    for closed in found.closures:
        yield f"{closed.store_id} does not go by its closures; closing it once more, by any date, mends it"
