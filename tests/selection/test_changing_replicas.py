"""A replica changes between questions in every way it can; compiled code finds the same as the search by batches.

Compiled code is told where arrays are (dispatch/replica/sieve.py), and whatever grows or is replaced is another array.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from dispatch.domain import selection
from dispatch.domain.nearest import nearest
from dispatch.domain.question import Line, Question, Strategy
from dispatch.domain.selection import select
from dispatch.replica.unfiled import UnfiledShelves
from dispatch.storage.feed import ShelfColumns, StoreRow
from geo.chord_tree import Merge
from geo.travel import MODES
from tests.selection.worlds import NOW_S, PLACES, question, world

SEED = 20261129
STEPS = 120


class Changing:
    """A replica, and one change after another; ``skus`` are all that it knows."""

    def __init__(self, rng: np.random.Generator, name: str) -> None:
        self.rng, self.name = rng, name
        here = world(rng, PLACES[name], count=int(rng.choice([1, 60, 300])), strict=bool(rng.integers(2)))
        self.replica, self.rows, self.skus = here.replica, {row.store_no: row for row in here.rows}, list(here.shelves)
        self.replica.know_skus(dict(enumerate(self.skus)))
        self._merge: Merge | None = None
        self._filing: UnfiledShelves | None = None

    async def change(self) -> None:
        match self.rng.integers(9):
            case 0:
                self._stores_come(int(self.rng.choice([1, 20, 300], p=[0.5, 0.4, 0.1])))
            case 1:
                self._stores_change()
            case 2:
                for row in self._some(int(self.rng.choice([1, 30]))):
                    self.replica.catalogue.remove(row.store_no, from_cell=row.cell)
            case 3:
                self._stores_put(self._some(5))  # some of them come back
            case 4:
                self._merge = self.replica.index.begin_merge()
            case 5 if self._merge is not None:
                self._merge.build()
                self._merge.finish()
            case 6:
                await self.replica.take_shelves(self._shelves(self._some(int(self.rng.choice([1, 30])))))
            case 7:
                await self._file()
            case _:
                self._rows_change()

    def _some(self, count: int) -> list[StoreRow]:
        numbers = self.rng.choice(list(self.rows), min(count, len(self.rows)), replace=False)
        return [self.rows[number] for number in numbers.tolist()]

    def _stores_put(self, rows: list[StoreRow]) -> None:
        self.replica.put_stores(rows)
        self.rows |= {row.store_no: row for row in rows}

    def _stores_come(self, count: int) -> None:
        after = max(self.rows)
        new = world(self.rng, PLACES[self.name], count=count, strict=bool(self.rng.integers(2))).rows
        self._stores_put(
            [
                replace(
                    row,
                    store_no=row.store_no + after,
                    store=replace(row.store, store_id=f"N{row.store_no + after}", opening_hours=self._hours()),
                )
                for row in new
            ]
        )

    def _hours(self) -> str:
        """Mostly such as no other store has, so that it takes a schedule of its own."""
        return f"Mo-Su 0{self.rng.integers(1, 9)}:{self.rng.integers(10, 60)}-2{self.rng.integers(0, 4)}:00"

    def _stores_change(self) -> None:
        """One store's place goes to another's, and so does all that is said of it but its name."""
        like, row = self._some(1)[0], self._some(1)[0]
        store = replace(like.store, store_id=row.store.store_id, opening_hours=self._hours())
        self._stores_put([replace(like, store_no=row.store_no, store=store)])

    def _shelves(self, rows: list[StoreRow]) -> ShelfColumns:
        """Whole shelves: they name all that a store has had, and perhaps more."""
        stock, shelf_rows = self.replica.stock, []
        for row in rows:
            slot = self.replica.catalogue.slot_of_number(row.store_no)
            assert slot is not None
            for sku_no, sku in enumerate(self.skus):
                number = stock.number(sku)
                assert number is not None
                if stock.has_row(number, slot) or self.rng.random() < 0.5:
                    shelf_rows.append((row.store_no, sku_no, self._figure(), self._fresh_s()))
        store_nos, sku_nos, available, fresh_s = (np.array(column) for column in zip(*shelf_rows, strict=True))
        prices = np.full(len(shelf_rows), -1), np.full(len(shelf_rows), b"---")
        return ShelfColumns(store_nos, sku_nos, available, *prices, fresh_s)

    def _figure(self) -> int:
        return int(self.rng.choice([0, 1, 2, 9, 1022, 1023, 5_000]))

    def _fresh_s(self) -> int:
        return NOW_S - int(self.rng.choice([0, 100, 3_590, 3_610, 86_400, 10**6]))

    async def _file(self) -> None:
        """Begin, or end what was begun before."""
        waiting = self.replica.stock.waiting
        if self._filing is None:
            self._filing = waiting.begin_filing()
        else:
            await self.replica.file_shelves(self._filing)
            self._filing = None

    def _rows_change(self) -> None:
        if self.rng.random() < 0.3:
            new = [f"new {len(self.skus) + i}" for i in range(int(self.rng.choice([1, 20])))]
            self.replica.know_skus({len(self.skus) + i: sku for i, sku in enumerate(new)})
            self.skus += new
        for row in self._some(20):
            slot, number = self.replica.catalogue.slot_of_number(row.store_no), int(self.rng.integers(len(self.skus)))
            assert slot is not None
            self.replica.stock.change_one(number, slot, self._figure(), self._fresh_s(), 0)

    def asked(self) -> Question:
        count = int(self.rng.choice([1, 2, 4]))
        skus = self.rng.choice(self.skus, count, replace=False).tolist()
        return structs.replace(
            question(self.rng, list(self.rows.values())),
            lines=tuple(Line(sku, int(self.rng.choice([1, 2, 1022]))) for sku in skus),
            strategy=Strategy.NEAREST,
            mode=MODES[int(self.rng.integers(len(MODES)))],
            explain=False,
            only_stores=None,
        )


@pytest.mark.parametrize("name", PLACES)
async def test_whatever_has_changed_is_seen_by_the_next_question(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Counter[str] = Counter()
    for seed in range(2):
        here = Changing(np.random.default_rng([SEED, list(PLACES).index(name), seed]), name)
        for step in range(STEPS):
            await here.change()
            asked = here.asked()
            numbers = here.replica.stock.numbers(asked.lines)
            quick = nearest(here.replica, asked, numbers, here.replica.travel, tell_miss=True)
            if quick is None:
                told["left to batches"] += 1
                continue
            with monkeypatch.context() as patched:
                patched.setattr(selection, "nearest", lambda *_, **__: None)
                slow = select(here.replica, asked)
            where = f"{name}, seed {SEED}, world {seed}, step {step}: {asked}"
            assert (quick.winner, quick.alternatives, quick.miss) == (slow.winner, slow.alternatives, slow.miss), where
            told["winner" if quick.winner else "none"] += 1
    print(f"{name}, seed {SEED}: {told}")
    assert min(told["winner"], told["none"]) > 5, told
