"""The day in docs/stock.md comes to the figures that stand there."""

import re
from datetime import datetime, timedelta, timezone

from dispatch.domain.movements import WITHHELD_FOR
from dispatch.storage.pool import Connection, Database
from dispatch.storage.stores import put_store
from tests.docs.pages import page
from tests.storage.tills import Till, hold, moved, pick_up, till_of
from tests.storage.worlds import store

FIGURES = ("on_hand", "reserved", "withheld", "available", "short")
FATES = ("created", "updated", "unchanged", "newer_kept")
COUNT = re.compile(r"count of (\d\d:\d\d): (\d+)")
MOVEMENT = re.compile(r"(?:sale|receipt) of (\d\d:\d\d)(?: for order (\w))?: ([+−]\d+)")
HELD = re.compile(r"order (\w) holds (\d+)")
PICKED_UP = re.compile(r"order (\w) is picked up")
DECLINED = re.compile(r"order (\w) is declined, out of stock")


def moment(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 11, 20, hour, minute, tzinfo=timezone(timedelta(hours=8)))


async def _decline(connection: Connection, order_id: str, at: datetime) -> None:
    """As declining an order that was out of stock does."""
    await connection.execute("DELETE FROM reservations WHERE order_id = $1", order_id)
    await connection.execute(
        "UPDATE shelves SET reserved = 0, withheld = on_hand, withheld_until = $1", at + WITHHELD_FOR
    )


class Day:
    """Does what the rows of the table say."""

    def __init__(self, till: Till, connection: Connection) -> None:
        self._till = till
        self._connection = connection
        self._last: re.Match[str] | None = None

    async def happens(self, arrives: str, what: str) -> str:
        """The answer to it, in the words of the table."""
        self._till.now = moment(arrives)
        if found := COUNT.fullmatch(what):
            applied = await self._till.count({"tea": int(found[2])}, at=moment(found[1]))
            [fate] = [fate for fate in FATES if getattr(applied, fate)]
            return fate
        if found := self._last if what == "the same again" else MOVEMENT.fullmatch(what):
            self._last = found
            at, order_id, delta = found.groups()
            movement = moved(
                "tea", int(delta.replace("−", "-")), at=moment(at), movement_id=found.string, order_id=order_id
            )
            [result] = await self._till.send(movement)
            return result.status.value
        if found := HELD.fullmatch(what):
            await hold(self._connection, found[1], int(found[2]), held_at=moment(arrives))
        elif found := PICKED_UP.fullmatch(what):
            await pick_up(self._connection, found[1], at=moment(arrives))
        elif found := DECLINED.fullmatch(what):
            await _decline(self._connection, found[1], moment(arrives))
        else:
            raise AssertionError(f"what is meant by {what!r}?")
        return ""


async def test_the_day_comes_to_the_figures_that_stand_in_the_documentation(database: Database) -> None:
    rows = page("docs/stock.md").table("A day")
    assert {row["answer"] for row in rows} >= {"applied", "repeated", "counted_already", *FATES}
    await put_store(database, store("a"))
    async with till_of(database) as till, database.connection() as connection:
        day = Day(till, connection)
        for row in rows:
            answer = await day.happens(row["arrives"], row["what"])
            shelf = (await till.shelf())["tea"]
            told = {name: getattr(shelf, name) for name in FIGURES} | {"on_hand": max(0, shelf.on_hand)}
            assert (answer, told) == (row["answer"], {name: int(row[name]) for name in FIGURES}), row
