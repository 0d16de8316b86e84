"""A partner's items in the database, and the skus that are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Final

from dispatch.domain.items import Item
from dispatch.storage.import_images import Told
from dispatch.storage.pool import Connection, Database
from dispatch.storage.sql import sql

_ITEMS_A_STATEMENT: Final = 10_000
_LONG_TIMEOUT_S: Final = 600.0


@dataclass(slots=True)
class ItemsPut:
    """What became of the items of one call, by partner code; those in neither were there just so."""

    created: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    removed: int = 0


async def add_partner(connection: Connection, partner: str) -> None:
    """Make the partner, unless there is one of this name."""
    await connection.execute(sql("add_partners"), [partner])


async def put_items(connection: Connection, partner: str, items: Sequence[Item], *, replace: bool) -> ItemsPut:
    """Write items of a partner, whose codes are all different, in the transaction of ``connection``.

    ``replace``: its other codes are dropped.
    """
    put = ItemsPut()
    for batch in batched(sorted(items, key=lambda item: item.partner_code), _ITEMS_A_STATEMENT):
        written = await connection.fetch(
            sql("put_items"),
            partner,
            [item.partner_code for item in batch],
            [item.sku for item in batch],
            [item.name for item in batch],
            [item.units_per_case for item in batch],
        )
        for row in written:
            (put.created if row["created"] else put.updated).add(row["partner_code"])
    if replace:
        codes = [item.partner_code for item in items]
        status = await connection.execute(sql("remove_other_items"), partner, codes, timeout=_LONG_TIMEOUT_S)
        put.removed = int(status.split()[-1])
    return put


async def told_items(connection: Connection, partner: str, codes: Sequence[str] | None = None) -> dict[str, Told]:
    """A partner's items as they are kept of an import, by code: those of ``codes``, or all of them."""
    rows = await connection.fetch(sql("partner_items"), partner)
    wanted = None if codes is None else set(codes)
    return {row["partner_code"]: dict(row) for row in rows if wanted is None or row["partner_code"] in wanted}


async def put_items_back(connection: Connection, partner: str, before: Mapping[str, Told]) -> None:
    """Make these codes what they were; None: drop the code."""
    await connection.execute(sql("drop_items"), partner, [code for code, told in before.items() if told is None])
    back = [Item(**told) for told in before.values() if told is not None]
    await put_items(connection, partner, back, replace=False)


async def items_of_partner(database: Database, partner: str) -> dict[str, Item]:
    """The items of a partner by its codes; none where there is no such partner."""
    async with database.connection() as connection:
        rows = await connection.fetch(sql("partner_items"), partner)
    return {row["partner_code"]: Item(**row) for row in rows}


async def known_skus(database: Database) -> frozenset[str]:
    """Every sku that a shelf has ever held."""
    async with database.connection() as connection:
        return frozenset(await connection.fetchval(sql("known_skus"), timeout=_LONG_TIMEOUT_S) or ())


async def find_items(database: Database, asked: str, *, limit: int) -> list[tuple[str, str | None]]:
    """Sku and name of goods whose name holds all the words, in any case, or whose sku begins with what is asked.

    The sku as it is asked, or in capitals or small letters alone. Each sku once: names that begin with it first, then
    by sku. None for no words at all.
    """
    words = asked.split()
    if not words:
        return []
    holds = [f"%{_literally(word)}%" for word in words]
    whole = asked.strip()
    begins = f"{_literally(whole)}%"
    async with database.connection() as connection:
        rows = await connection.fetch(sql("find_items"), holds, begins, whole, whole.upper(), whole.lower(), limit)
    return [(row["sku"], row["name"]) for row in rows]


async def items_of_skus(
    database: Database, skus: Sequence[str], *, partner: str | None = None
) -> list[tuple[str, str | None]]:
    """Sku and name of each of these skus, in their order; None: it has no name. Without those nobody knows.

    As ``partner`` calls it, if it has a name for it, else as another does.
    """
    async with database.connection() as connection:
        rows = await connection.fetch(sql("items_of_skus"), list(skus), partner)
    return [(row["sku"], row["name"]) for row in rows]


def _literally(text: str) -> str:
    """The text as a pattern that stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
