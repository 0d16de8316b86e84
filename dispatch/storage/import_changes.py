"""Which stores an import has changed, or a dry run would, from what is kept to put it back."""

from dataclasses import dataclass
from typing import Final

from dispatch.storage.pool import Database
from dispatch.storage.sql import sql
from geo.coordinates import LatLon

# An import of a million stores that changes none of them is read through to its end.
_LONG_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChange:
    """A store and its ``change`` by an import: ``created``, ``updated``, ``removed``, or ``counted``.

    ``place`` is where it is after it, or was before it went; ``was_at`` where it was, if it was there. ``fields`` are
    those that are others now, none of a store that is new or gone. ``shelf_rows``: how many are counted.
    """

    store_id: str
    name: str | None
    change: str
    place: LatLon
    was_at: LatLon | None = None
    fields: tuple[str, ...] = ()
    shelf_rows: int | None = None


async def changes_of_stores(database: Database, import_id: str, limit: int) -> tuple[dict[str, int], list[StoreChange]]:
    """How many stores an import of stores changes, by change, and the first of them by store id."""
    async with database.connection() as connection:
        counts = await connection.fetchrow(sql("count_changed_stores"), import_id, timeout=_LONG_TIMEOUT_S)
        assert counts is not None, "an aggregate has a row"
        # Where all are told before the end is reached, nobody need look for more.
        most = min(limit, sum(counts.values()))
        rows = await connection.fetch(sql("changed_stores"), import_id, most, timeout=_LONG_TIMEOUT_S) if most else []
    return dict(counts), [
        StoreChange(
            store_id=row["store_id"],
            name=row["name"],
            change=row["change"],
            place=LatLon(lat=row["lat"], lon=row["lon"]),
            was_at=None if row["was_lat"] is None else LatLon(lat=row["was_lat"], lon=row["was_lon"]),
            fields=tuple(row["fields"]) if row["change"] == "updated" else (),
        )
        for row in rows
    ]


async def changes_of_shelves(
    database: Database, import_id: str, limit: int
) -> tuple[dict[str, int], list[StoreChange]]:
    """How many stores an import of stock counts, and the first of them by store id."""
    async with database.connection() as connection:
        total = await connection.fetchval(sql("count_counted_stores"), import_id, timeout=_LONG_TIMEOUT_S)
        rows = await connection.fetch(sql("counted_stores"), import_id, limit, timeout=_LONG_TIMEOUT_S)
    return {"counted": total}, [
        StoreChange(
            store_id=row["store_id"],
            name=row["name"],
            change="counted",
            place=LatLon(lat=row["lat"], lon=row["lon"]),
            shelf_rows=row["shelf_rows"],
        )
        for row in rows
    ]
