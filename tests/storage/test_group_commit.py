"""What a group commit promises to whoever hands it something, whatever the database does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from dispatch.domain.errors import Busy, DatabaseUnavailable, OutcomeUnknown
from dispatch.storage.group_commit import GroupCommit
from dispatch.storage.pool import Connection, Database

CELL, OTHER_CELL = 1, 2


class Scripted:
    """A database whose connections fail as told, and a write that keeps a log.

    ``gate`` closed: a batch that is under way stays so. ``fails`` are raised by one batch after the other.
    """

    def __init__(self) -> None:
        self.batches: list[tuple[int, list[str]]] = []
        self.written: list[str] = []
        self.under_way: dict[int, int] = {}
        self.most_under_way: dict[int, int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: list[Exception | None] = []
        self.no_connection: Exception | None = None
        self.spoils: Callable[[str], bool] = lambda item: False

    @asynccontextmanager
    async def connection(self, *, wait_s: float = 10.0) -> AsyncIterator[Connection]:
        if self.no_connection is not None:
            raise self.no_connection
        yield cast(Connection, None)

    async def write(self, _connection: Connection, cell: int, items: Sequence[str]) -> list[str | Exception]:
        self.batches.append((cell, list(items)))
        self.under_way[cell] = self.under_way.get(cell, 0) + 1
        self.most_under_way[cell] = max(self.under_way[cell], self.most_under_way.get(cell, 0))
        try:
            await self.gate.wait()
            if self.fails and (error := self.fails.pop(0)) is not None:
                raise error
            if any(map(self.spoils, items)):
                raise RuntimeError("a bad item")
            self.written += items
            return [KeyError(item) if item.startswith("refused") else f"done {item}" for item in items]
        finally:
            self.under_way[cell] -= 1

    def commits(self, *, wait_s: float = 5.0, most: int = 64) -> GroupCommit[str, str]:
        return GroupCommit(cast(Database, self), self.write, wait_s=wait_s, most=most)


@pytest.fixture
def script() -> Scripted:
    return Scripted()


async def several(commits: GroupCommit[str, str], items: Sequence[str], **more: Any) -> list[Any]:
    """Submit each under a key of its own, in this order; results and errors."""
    submitted = (commits.submit(CELL, item, item, **more) for item in items)
    return list(await asyncio.gather(*submitted, return_exceptions=True))


async def test_with_nothing_under_way_an_item_does_not_wait_for_company(script: Scripted) -> None:
    alone = asyncio.create_task(script.commits().submit(CELL, "a", "a"))
    for _ in range(3):  # its own task begins, then that of the batch: turns of the loop, and no timer
        await asyncio.sleep(0)
    assert script.batches == [(CELL, ["a"])]
    assert await alone == "done a"


async def test_what_arrives_while_a_commit_is_under_way_goes_together_in_the_next(script: Scripted) -> None:
    commits = script.commits()
    script.gate.clear()
    first = asyncio.create_task(commits.submit(CELL, "a", "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = asyncio.create_task(several(commits, ["b", "c", "d"]))
    await asyncio.sleep(0.01)
    script.gate.set()
    assert await first == "done a"
    assert await rest == ["done b", "done c", "done d"]
    assert script.batches == [(CELL, ["a"]), (CELL, ["b", "c", "d"])]


async def test_one_batch_of_a_cell_is_under_way_at_a_time_while_those_of_other_cells_go_on(script: Scripted) -> None:
    commits = script.commits(most=2)
    script.gate.clear()
    here = asyncio.create_task(several(commits, list("abcdef")))
    await asyncio.sleep(0.01)
    there = asyncio.create_task(commits.submit(OTHER_CELL, "x", "x"))
    await asyncio.sleep(0.01)
    assert script.under_way == {CELL: 1, OTHER_CELL: 1}
    script.gate.set()
    await asyncio.gather(here, there)
    assert script.most_under_way == {CELL: 1, OTHER_CELL: 1}


async def test_a_batch_has_no_more_than_the_most_and_first_come_is_first_served(script: Scripted) -> None:
    commits = script.commits(most=3)
    items = [f"i{n}" for n in range(8)]
    assert await several(commits, items) == [f"done {item}" for item in items]
    assert max(len(batch) for _, batch in script.batches) == 3
    assert [item for _, batch in script.batches for item in batch] == items


async def test_items_of_one_key_are_never_in_one_batch_and_keep_their_order(script: Scripted) -> None:
    commits = script.commits()
    script.gate.clear()
    submitted = [("first", "0"), ("k", "k1"), ("k", "k2"), ("other", "o"), ("k", "k3")]
    tasks = [asyncio.create_task(commits.submit(CELL, key, item)) for key, item in submitted]
    await asyncio.sleep(0.01)
    script.gate.set()
    await asyncio.gather(*tasks)
    for _, batch in script.batches:
        assert sum(item.startswith("k") for item in batch) <= 1
    assert [item for item in script.written if item.startswith("k")] == ["k1", "k2", "k3"]
    assert sorted(script.written) == sorted(item for _, item in submitted)


async def test_an_item_that_is_refused_fails_alone(script: Scripted) -> None:
    results = await several(script.commits(), ["a", "refused", "b"])
    assert (results[0], results[2]) == ("done a", "done b")
    assert isinstance(results[1], KeyError)


async def test_an_item_that_spoils_its_batch_fails_alone(script: Scripted) -> None:
    script.spoils = lambda item: item == "bad"
    results = await several(script.commits(), ["a", "bad", "b"])
    assert (results[0], results[2]) == ("done a", "done b")
    assert isinstance(results[1], RuntimeError)
    assert script.written == ["a", "b"]


async def test_what_the_database_was_not_given_in_time_is_busy_and_never_written(script: Scripted) -> None:
    commits = script.commits()
    script.gate.clear()
    first = asyncio.create_task(commits.submit(CELL, "a", "a"))
    await asyncio.sleep(0.01)
    with pytest.raises(Busy):
        await commits.submit(CELL, "late", "late", wait_s=0.02)
    script.gate.set()
    await first
    await commits.submit(CELL, "next", "next")
    assert script.written == ["a", "next"]


async def test_of_what_the_database_was_given_and_did_not_answer_in_time_the_outcome_is_unknown(
    script: Scripted,
) -> None:
    commits = script.commits()
    script.gate.clear()
    with pytest.raises(OutcomeUnknown):
        await commits.submit(CELL, "a", "a", wait_s=0.02)
    script.gate.set()
    await commits.submit(CELL, "next", "next")
    assert script.written == ["a", "next"]


@pytest.mark.parametrize("error", [DatabaseUnavailable("gone"), asyncpg.DeadlockDetectedError("met another")])
async def test_a_batch_whose_connection_or_turn_is_lost_is_written_again(script: Scripted, error: Exception) -> None:
    script.fails = [error]
    commits = script.commits()
    assert await several(commits, ["a", "b"]) == ["done a", "done b"]
    script.fails = [error]
    assert await commits.submit(CELL, "c", "c") == "done c"
    again = [["a", "b"]] if isinstance(error, DatabaseUnavailable) else [["a"], ["b"]]
    assert [items for _, items in script.batches] == [["a", "b"], *again, ["c"], ["c"]]


async def test_neighbours_of_one_whose_row_somebody_holds_on_to_are_not_held_up_with_it(script: Scripted) -> None:
    """It takes those with it that it was in a batch with, but nobody who comes later."""
    let_go = asyncio.Event()

    async def write(connection: Connection, cell: int, items: Sequence[str]) -> list[str | Exception]:
        if "stuck" in items and not let_go.is_set():
            if len(items) == 1:
                await let_go.wait()
            raise asyncpg.LockNotAvailableError("somebody holds on to its row")
        return await script.write(connection, cell, items)

    commits: GroupCommit[str, str] = GroupCommit(cast(Database, script), write, wait_s=5.0)
    before = asyncio.create_task(commits.submit(CELL, "before", "before"))
    await asyncio.sleep(0)
    stuck = asyncio.create_task(commits.submit(CELL, "stuck", "stuck"))
    with_it = asyncio.create_task(commits.submit(CELL, "with it", "with it"))
    assert await before == "done before"
    for n in range(20):
        assert await commits.submit(CELL, n, str(n)) == f"done {n}"
    assert not stuck.done()
    let_go.set()
    assert (await stuck, await with_it) == ("done stuck", "done with it")
    await commits.stop()


async def test_with_no_connection_to_be_had_nothing_was_given_and_the_database_is_unavailable(script: Scripted) -> None:
    script.no_connection = DatabaseUnavailable("cannot be reached")
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await script.commits().submit(CELL, "a", "a", wait_s=0.1)
    assert script.batches == []


async def test_after_a_connection_lost_in_mid_commit_nobody_knows_until_it_is_written_again(script: Scripted) -> None:
    script.fails = [DatabaseUnavailable("gone")]
    commits = script.commits()

    async def break_after_the_first() -> None:
        while script.fails:
            await asyncio.sleep(0)
        script.no_connection = DatabaseUnavailable("cannot be reached")

    breaking = asyncio.create_task(break_after_the_first())
    with pytest.raises(OutcomeUnknown):
        await commits.submit(CELL, "a", "a", wait_s=0.1)
    await breaking
    script.no_connection = None
    assert await commits.submit(CELL, "a", "a") == "done a"


async def test_a_turn_lost_until_the_end_of_the_time_is_busy_for_nothing_of_it_stands(script: Scripted) -> None:
    script.fails = [asyncpg.LockNotAvailableError("waited too long")] * 1000
    with pytest.raises(Busy):
        await script.commits().submit(CELL, "a", "a", wait_s=0.1)
    assert script.written == []
    assert len(script.batches) > 1


async def test_what_a_lost_connection_has_left_in_doubt_stays_so_though_later_tries_lose_their_turn(
    script: Scripted,
) -> None:
    script.fails = [DatabaseUnavailable("gone"), *[asyncpg.LockNotAvailableError("the lost one has it")] * 1000]
    commits = script.commits()
    with pytest.raises(OutcomeUnknown):
        await commits.submit(CELL, "a", "a", wait_s=0.1)
    script.fails = []
    assert await commits.submit(CELL, "a", "a") == "done a"


async def test_what_a_caller_has_given_up_before_it_was_sent_is_not_written(script: Scripted) -> None:
    commits = script.commits()
    script.gate.clear()
    first = asyncio.create_task(commits.submit(CELL, "a", "a"))
    await asyncio.sleep(0.01)
    given_up = asyncio.create_task(commits.submit(CELL, "b", "b"))
    stays = asyncio.create_task(commits.submit(CELL, "c", "c"))
    await asyncio.sleep(0.01)
    given_up.cancel()
    script.gate.set()
    assert (await first, await stays) == ("done a", "done c")
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert script.written == ["a", "c"]


async def test_a_caller_that_gives_up_in_mid_commit_leaves_its_neighbours_alone(script: Scripted) -> None:
    commits = script.commits()
    script.gate.clear()
    tasks = [asyncio.create_task(commits.submit(CELL, item, item)) for item in "abc"]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    await asyncio.sleep(0.01)
    script.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], results[2]) == ("done a", "done c")
    assert isinstance(results[1], asyncio.CancelledError)


async def test_stopping_waits_for_what_is_under_way(script: Scripted) -> None:
    commits = script.commits()
    script.gate.clear()
    task = asyncio.create_task(commits.submit(CELL, "a", "a"))
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(commits.stop())
    await asyncio.sleep(0.01)
    assert not stopping.done()
    script.gate.set()
    await stopping
    assert script.written == ["a"]
    assert await task == "done a"


async def test_a_cell_that_has_been_idle_begins_anew(script: Scripted) -> None:
    commits = script.commits()
    for n in range(3):
        assert await commits.submit(CELL, n, str(n)) == f"done {n}"
        await asyncio.sleep(0.01)
