"""The roads that travel goes by, to be drawn on a map: a tile at a time, packed, and the last ones kept."""

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from dispatch.services.roads import Roads
from geo.travel.engine import FINEST_ROADS_ZOOM, EngineUnavailable, RoadEngine

_log = structlog.get_logger(__name__)

# Some hundreds of tiles of a city: what its visitors look at.
_MOST_BYTES: Final = 16 * 2**20
# What a tile without roads takes, too.
_BYTES_MORE: Final = 400
_LEVEL: Final = 6
# Those of a few screens; who waits behind so many has no more patience when it is their turn.
_MOST_WAITING: Final = 64

type _Place = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class RoadTile:
    """A Mapbox Vector Tile, packed by gzip; ``packed`` is empty where there are no roads."""

    packed: bytes
    tag: str

    @property
    def plain(self) -> bytes:
        """Unpacked."""
        return gzip.decompress(self.packed) if self.packed else b""


class RoadTiles:
    """The tiles of the engine that tells areas. Belongs to the event loop.

    They are drawn in a thread of their own, so that neither areas nor quotes wait for maps, nor rest for their sake.
    """

    def __init__(self, roads: Roads, *, most_bytes: int = _MOST_BYTES, most_waiting: int = _MOST_WAITING) -> None:
        self._roads = roads.of_areas
        self._most_bytes = most_bytes
        self._most_waiting = most_waiting
        self._executor: ThreadPoolExecutor | None = None
        self._drawing: dict[_Place, asyncio.Future[RoadTile]] = {}
        self._is_closed = False
        self._kept: OrderedDict[_Place, RoadTile] = OrderedDict()
        self._bytes = 0

    @property
    def zooms(self) -> tuple[int, int] | None:
        """The zooms between which roads are drawn; None where none are."""
        engine = self._roads.engine
        return None if engine is None or engine.drawn_from is None else (engine.drawn_from, FINEST_ROADS_ZOOM)

    async def tile(self, *, zoom: int, x: int, y: int) -> RoadTile | None:
        """The roads of a tile; None while the engine is down or slow, or has too many to draw.

        One that is drawn too late for whoever waits is there for whoever asks again.
        """
        place = (zoom, x, y)
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        drawing = self._drawing.get(place) or self._begin(place)
        if drawing is None:
            return None
        await asyncio.wait({drawing}, timeout=self._roads.patience_s)
        if not drawing.done() or drawing.cancelled() or isinstance(drawing.exception(), EngineUnavailable):
            return None
        return drawing.result()

    def _begin(self, place: _Place) -> asyncio.Future[RoadTile] | None:
        """Have a tile drawn when its turn comes; None where there is nobody to draw it, or too many are waited for."""
        engine = self._roads.engine
        if engine is None or self._is_closed or len(self._drawing) >= self._most_waiting:
            return None
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="road-tiles")
        drawing = asyncio.get_running_loop().run_in_executor(self._executor, _drawn, engine, place)
        self._drawing[place] = drawing
        drawing.add_done_callback(partial(self._end, place))
        return drawing

    def _end(self, place: _Place, drawing: asyncio.Future[RoadTile]) -> None:
        """Keep what was drawn, whether anybody still waits for it or not."""
        del self._drawing[place]
        if drawing.cancelled():
            return
        if (error := drawing.exception()) is not None:
            _log.warning("road_tile_not_drawn", tile=place, reason=str(error) or type(error).__name__)
            return
        tile = drawing.result()
        self._kept[place] = tile
        self._bytes += _size(tile)
        while self._bytes > self._most_bytes:
            self._bytes -= _size(self._kept.popitem(last=False)[1])

    def close(self) -> None:
        """End the thread; the tile that it draws is waited for, the others are given up."""
        self._is_closed = True
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


def _size(tile: RoadTile) -> int:
    return len(tile.packed) + _BYTES_MORE


def _drawn(engine: RoadEngine, place: _Place) -> RoadTile:
    zoom, x, y = place
    plain = engine.drawn(zoom=zoom, x=x, y=y)
    # Without a date: the same roads have the same tag whoever packs them.
    packed = gzip.compress(plain, _LEVEL, mtime=0) if plain else b""
    return RoadTile(packed, hashlib.blake2b(packed, digest_size=16).hexdigest())
