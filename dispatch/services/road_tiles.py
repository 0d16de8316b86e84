"""The roads that travel goes by, to be drawn on a map: a tile at a time, packed, and the last ones kept."""

import gzip
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Final

from dispatch.services.roads import Roads
from geo.travel.engine import FINEST_ROADS_ZOOM, RoadEngine
from geo.travel.roads import RoadBounds

# Some hundreds of tiles of a city: what its visitors look at.
_MOST_BYTES: Final = 16 * 2**20
# What a tile without roads takes, too.
_BYTES_MORE: Final = 400
_LEVEL: Final = 6

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
    """The tiles of the engine that tells areas. Belongs to the event loop."""

    def __init__(self, roads: Roads, *, most_bytes: int = _MOST_BYTES) -> None:
        self._roads = roads.of_areas
        self._most_bytes = most_bytes
        self._kept: OrderedDict[_Place, RoadTile] = OrderedDict()
        self._bytes = 0

    @property
    def zooms(self) -> tuple[int, int] | None:
        """The zooms between which roads are drawn; None where none are."""
        engine = self._roads.engine
        return None if engine is None or engine.drawn_from is None else (engine.drawn_from, FINEST_ROADS_ZOOM)

    async def tile(self, *, zoom: int, x: int, y: int) -> RoadTile | None:
        """The roads of a tile; None while the engine is down or slow."""
        place = (zoom, x, y)
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        tile = await self._roads.ask(None, partial(_drawn, zoom=zoom, x=x, y=y))
        if tile is not None and place not in self._kept:
            self._kept[place] = tile
            self._bytes += _size(tile)
            while self._bytes > self._most_bytes:
                self._bytes -= _size(self._kept.popitem(last=False)[1])
        return tile


def _size(tile: RoadTile) -> int:
    return len(tile.packed) + _BYTES_MORE


def _drawn(engine: RoadEngine, _bounds: RoadBounds, *, zoom: int, x: int, y: int) -> RoadTile:
    plain = engine.drawn(zoom=zoom, x=x, y=y)
    # Without a date: the same roads have the same tag whoever packs them.
    packed = gzip.compress(plain, _LEVEL, mtime=0) if plain else b""
    return RoadTile(packed, hashlib.blake2b(packed, digest_size=16).hexdigest())
