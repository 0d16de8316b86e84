"""Reads the road network out of Valhalla's tiles, and writes it as ``geo/travel/network.py`` has it.

The layout of tiles is Valhalla's own, and no promise of it: tiles of a version that is not known here are not read.
Source: https://github.com/valhalla/valhalla/tree/3.9.1/valhalla/baldr: graphtileheader.h, nodeinfo.h, directededge.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from geo.geodesy import FloatArray, IntArray
from geo.travel.network import ACCESS, FAR_BITS, LEFT_OUT, NAMES, TILE_BITS, TILE_MASK, cells_of

__all__ = ["LAYOUT_OF", "build_network"]

LAYOUT_OF: Final = "3.9.1"
"""The version of Valhalla whose tiles can be read."""

_HEADER_BYTES: Final = 272
_EVERY_ACCESS: Final = sum(ACCESS.values())
_FERRIES: Final = (41, 42)  # of roads and of rails

# So many crossings are a network beyond doubt. Valhalla's own count goes to geo/travel/meeting.py's LEADING.
_FAR: Final = 500

type Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Tile:
    """What is read of a tile; ids are Valhalla's: the tile's own, and the position in it from bit 25 on."""

    key: int
    lats: FloatArray
    lons: FloatArray
    node_access: IntArray
    is_ferry: NDArray[np.bool_]
    edge_from: IntArray  # positions of nodes in this tile
    edge_to: IntArray  # ids
    metres: IntArray
    kph: IntArray
    access: IntArray
    twin_from: IntArray  # positions of nodes in this tile
    twin_to: IntArray  # ids


def build_network(tiles: Path, into: Path) -> bool:
    """Read all tiles, and write the network into a new directory; False, and none is made, of an unknown layout."""
    read = []
    for path in tiles.rglob("*.gph"):
        tile = _tile(np.memmap(path, dtype=np.uint8, mode="r"))
        if tile is None:
            return False
        read.append(tile)
    read.sort(key=lambda tile: tile.key)
    into.mkdir()
    for name, array in _network(read).items():
        np.save(into / f"{name}.npy", array)
    return True


def _tile(data: NDArray[np.uint8]) -> _Tile | None:
    header = data[:_HEADER_BYTES].view("<u8")
    if data[16:32].tobytes().rstrip(b"\0") != LAYOUT_OF.encode():
        return None
    west, south = data[8:16].view("<f4").astype(np.float64).tolist()
    n_nodes, n_edges = int(_bits(header[5], 0, 21)), int(_bits(header[5], 21, 21))
    n_transitions = int(_bits(header[6], 0, 22))
    ends = np.cumsum([_HEADER_BYTES, 32 * n_nodes, 8 * n_transitions, 48 * n_edges])
    nodes = data[ends[0] : ends[1]].view("<u8").reshape(-1, 4)
    transitions = data[ends[1] : ends[2]].view("<u8")
    edges = data[ends[2] : ends[3]].view("<u8").reshape(-1, 6)
    # A short cut stands for other edges, and Valhalla tells the time of those.
    is_shortcut = _bits(edges[:, 5], 60, 1) == 1
    of_speed = [_bits(edges[:, 2], at, 8) for at in (0, 8, 16)]  # in general, in free flow, in a jam
    return _Tile(
        key=int(_bits(header[0], 0, TILE_BITS)),
        lats=south + _bits(nodes[:, 0], 0, 22) * 1e-6 + _bits(nodes[:, 0], 22, 4) * 1e-7,
        lons=west + _bits(nodes[:, 0], 26, 22) * 1e-6 + _bits(nodes[:, 0], 48, 4) * 1e-7,
        node_access=_bits(nodes[:, 0], 52, 12) & _EVERY_ACCESS,
        is_ferry=np.isin(_bits(edges[:, 2], 40, 6), _FERRIES),
        edge_from=_owners(_bits(nodes[:, 1], 0, 21), _bits(nodes[:, 1], 21, 7), n_edges),
        edge_to=_bits(edges[:, 0], 0, 46),
        metres=_bits(edges[:, 4], 32, 24),
        kph=np.maximum.reduce(of_speed),
        access=np.where(is_shortcut, 0, _bits(edges[:, 3], 0, 12) & _EVERY_ACCESS),
        twin_from=_owners(_bits(nodes[:, 2], 0, 21), _bits(nodes[:, 2], 21, 3), n_transitions),
        twin_to=_bits(transitions, 0, 46),
    )


def _bits(words: Words, at: int, count: int) -> IntArray:
    return ((words >> np.uint64(at)) & np.uint64((1 << count) - 1)).astype(np.int64)


def _owners(first: IntArray, counts: IntArray, total: int) -> IntArray:
    """Whose each of ``total`` things is, when each owner has so many from a first one on."""
    owners = np.full(total, -1, dtype=np.int64)
    things = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
    owners[things] = np.repeat(np.arange(len(first)), counts)
    return owners


def _network(tiles: Sequence[_Tile]) -> dict[str, NDArray[Any]]:
    keys = np.array([tile.key for tile in tiles], dtype=np.int64)
    first_node = _starts([len(tile.lats) for tile in tiles])
    first_edge = _starts([len(tile.edge_to) for tile in tiles])

    def numbers(ids: IntArray) -> IntArray:
        """Nodes by id, of all tiles; -1 for those of tiles that are not there."""
        at = np.minimum(np.searchsorted(keys, ids & TILE_MASK), len(keys) - 1)
        return np.where(keys[at] == ids & TILE_MASK, first_node[at] + (ids >> TILE_BITS), -1)

    def each(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(tile, name) for tile in tiles])

    def of_tiles(name: str) -> IntArray:
        return np.concatenate([getattr(tile, name) + start for tile, start in zip(tiles, first_node, strict=False)])

    # A crossing is in the tiles of every class of roads that meet there: all of them are one.
    one = np.arange(first_node[-1])
    twins = np.stack([of_tiles("twin_from"), numbers(each("twin_to"))])
    some, others = twins[:, twins[1] >= 0]
    for _ in range(2):  # there are three classes
        np.minimum.at(one, some, one[others])
        np.minimum.at(one, others, one[some])
    own = np.flatnonzero(one == np.arange(len(one)))
    cells = cells_of(lats=each("lats")[own], lons=each("lons")[own])
    order = np.argsort(cells, kind="stable")
    number = np.empty(len(one), dtype=np.int64)
    number[own[order]] = np.arange(len(own))
    number = number[one]
    used, first_of_cell = np.unique(cells[order], return_index=True)

    start, end, access = number[of_tiles("edge_from")], numbers(each("edge_to")), each("access")
    kept = np.flatnonzero((access > 0) & (end >= 0))
    kept = kept[np.argsort(number[end[kept]], kind="stable")]
    at_node = each("node_access")
    through = access[kept] & at_node[of_tiles("edge_from")[kept]] & at_node[end[kept]]
    through[each("is_ferry")[kept]] = 0
    roads = np.full(len(access), LEFT_OUT, dtype=np.uint32)
    roads[kept] = np.arange(len(kept))
    ends = number[end[kept]]
    arrays = {
        "cells": used,
        "cell_nodes": np.append(first_of_cell, len(own)),
        "node_roads": _starts(np.bincount(ends, minlength=len(own))),
        "road_from": start[kept].astype(np.uint32),
        "road_m": each("metres")[kept].astype(np.uint32),
        "road_kph": each("kph")[kept].astype(np.uint8),
        "road_access": (access[kept] + _of_networks(start[kept], ends, through, len(own))).astype(np.uint8),
        "tiles": keys,
        "tile_edges": first_edge,
        "edge_roads": roads,
    }
    assert set(arrays) == set(NAMES)
    return arrays


def _of_networks(starts: IntArray, ends: IntArray, access: IntArray, nodes: int) -> IntArray:
    """The bits of roads that are of a network, by costing: from many crossings one can come there, and back."""
    bits = np.zeros(len(access), dtype=np.int64)
    for bit in ACCESS.values():
        of_it = np.flatnonzero(access & bit)
        graph = csr_matrix((np.ones(len(of_it), dtype=np.int8), (starts[of_it], ends[of_it])), shape=(nodes, nodes))
        _, network = connected_components(graph, connection="strong")
        is_large = np.bincount(network, minlength=1) >= _FAR
        far = is_large[network[starts[of_it]]] & (network[starts[of_it]] == network[ends[of_it]])
        bits[of_it[far]] |= bit << FAR_BITS
    return bits


def _starts(counts: Sequence[int] | IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
