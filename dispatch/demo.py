"""The demo city in the database: loaded once, through the ordinary imports, and dated anew at every start.

<data_dir>/demo/stores.csv, stock.csv, items.csv, …   as data/ made it; all of it is invented
<data_dir>/demo/loaded                                the load came to its end
<data_dir>/demo/demo-city.osm.pbf                     its roads, invented too
"""

import asyncio
import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from data.demo_city import STORES, DemoFiles, write_demo, write_items
from data.roads import is_of_this_version, write_roads
from dispatch.domain.errors import ImportRunning
from dispatch.domain.stores import DEFAULT_PARTNER
from dispatch.services.imports import ImportOutcome, ImportRequest, open_import, run_import
from dispatch.storage.feed import current_heads
from dispatch.storage.imports import DEAD_AFTER
from dispatch.storage.items import items_of_partner
from dispatch.storage.pool import Database
from dispatch.storage.shelves import redate_shelves
from dispatch.storage.stores import all_stores

# An import that was killed is taken for running until it is dead for sure.
_WAIT_S: Final = DEAD_AFTER.total_seconds() + 15.0
_RETRY_S: Final = 1.0

ITEMS_PARTNER: Final = "demo"
"""Whose items the demo's are: a partner with items can count nothing else, and that is not to hold for its stores."""

type Progress = Callable[[float], None]
type Say = Callable[[str], None]
type Clock = Callable[[], datetime]


class DemoError(Exception):
    """The demo could not be loaded. The text is one line."""


@dataclass(frozen=True, slots=True)
class DemoState:
    """``stores`` of the demo are in the database, loaded now or dated anew, and ``others`` beside them."""

    stores: int
    loaded: bool
    others: int = 0


async def prepare_demo(
    database: Database, data_dir: Path, *, clock: Clock, progress: Progress, say: Say, stores: int = STORES
) -> DemoState:
    """Load the demo if the database has never had a store; else count its own stock as of now.

    A load that was cut short goes on, and a demo that was loaded before it had items gets them. Among other stores the
    demo is never loaded, and stock of other stores is never dated anew. ``progress`` gets shares from 0 to 1, ``say`` a
    remark. Raises DemoError.
    """
    folder = data_dir / "demo"
    load = _Load(database, clock, progress, say)
    if await _is_wanted(database, folder):
        await load.run(folder, stores)
        return DemoState(len(_store_ids(folder)), loaded=True)
    mine = await _found(database, folder)
    if mine and not await items_of_partner(database, ITEMS_PARTNER):
        await load.items(folder)
    await redate_shelves(database, mine, clock())
    return DemoState(len(mine), loaded=False, others=len(await all_stores(database)) - len(mine))


async def demo_stores(database: Database, data_dir: Path) -> int:
    """How many stores of the demo made in this data directory are in service."""
    return len(await _found(database, data_dir / "demo"))


def demo_roads(data_dir: Path) -> Path:
    """The file with the roads of the demo city, made unless this version has made it before. Raises DemoError."""
    path = data_dir / "demo" / "demo-city.osm.pbf"
    if not is_of_this_version(path):
        try:
            write_roads(path)
        except OSError as error:
            raise DemoError(
                f"the demo's roads cannot be made: {error}; free some space, or mend {path.parent}"
            ) from error
    return path


async def _is_wanted(database: Database, folder: Path) -> bool:
    if not await current_heads(database):
        return True
    if not (folder / "stores.csv").is_file() or (folder / "loaded").is_file():
        return False
    mine = set(_store_ids(folder))
    return all(key.store_id in mine for key in await all_stores(database))


async def _found(database: Database, folder: Path) -> list[str]:
    if not (folder / "stores.csv").is_file():
        return []
    mine = set(_store_ids(folder))
    return [
        key.store_id for key in await all_stores(database) if key.store_id in mine and key.partner == DEFAULT_PARTNER
    ]


def _store_ids(folder: Path) -> list[str]:
    try:
        with (folder / "stores.csv").open(encoding="utf-8", newline="") as file:
            return [row["store_id"] for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError) as error:
        raise DemoError(f"the demo's files in {folder} are damaged; remove that folder and start again") from error


class _Load:
    def __init__(self, database: Database, clock: Clock, progress: Progress, say: Say) -> None:
        self._database = database
        self._clock = clock
        self._progress = progress
        self._say = say

    async def run(self, folder: Path, stores: int) -> None:
        self._say("Loading the demo city, which takes some ten seconds")
        (folder / "loaded").unlink(missing_ok=True)
        files: DemoFiles = await asyncio.to_thread(write_demo, folder, stores=stores)
        await self._import("stores", files.stores_csv, first=0.0, last=0.1)
        await self._import("items", files.items_csv, first=0.1, last=0.15)
        await self._import("stock", files.stock_csv, first=0.15, last=1.0)
        (folder / "loaded").touch()

    async def items(self, folder: Path) -> None:
        """The items alone, where everything else is there already."""
        path = folder / "items.csv"
        await asyncio.to_thread(write_items, path)
        await self._import("items", path, first=0.0, last=1.0)

    async def _import(self, kind: str, path: Path, *, first: float, last: float) -> None:
        now = self._clock()
        request = ImportRequest(
            kind=kind,
            path=path,
            now=now,
            filename=path.name,
            partner=ITEMS_PARTNER if kind == "items" else DEFAULT_PARTNER,
            as_of=now if kind == "stock" else None,
        )
        import_id = await self._opened(request)
        outcome: ImportOutcome = await run_import(
            self._database, import_id, request, lambda share: self._progress(first + share * (last - first))
        )
        if outcome.status != "done" or outcome.counts.failed:
            raise DemoError(f"the demo's {path.name} was not imported: {outcome.report.get('message', outcome.report)}")
        self._progress(last)

    async def _opened(self, request: ImportRequest) -> str:
        """As open_import, but waits for the end of an import that a killed process has left open."""
        waited_s = 0.0
        while True:
            try:
                return await open_import(self._database, request)
            except ImportRunning as error:
                if waited_s >= _WAIT_S:
                    raise DemoError(f"the demo cannot be loaded: {error}") from error
                if not waited_s:
                    self._say("Another import is running, or was killed less than a minute ago: waiting for its end")
                await asyncio.sleep(_RETRY_S)
                waited_s += _RETRY_S
