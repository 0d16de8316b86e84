"""Finding and making rows of many skus at once, which have few each: what numpy costs a call is shared by them."""

from collections.abc import Sequence

import numpy as np

from dispatch.domain.market import BoolArray, IntArray
from dispatch.replica.sku_rows import BLOCK_BITS, SkuRows

_SKU_BITS = 32


def take_in_together(skus: Sequence[SkuRows], which: IntArray, slots: IntArray) -> IntArray:
    """As ``SkuRows.take_in``, of several skus: where the row of each slot is among those of sku ``which``.

    In order of ``which``, then slot; distinct. All rows of the skus are gone through, so it is for skus that have few.
    """
    starts = _starts(skus, blocks=(int(slots.max(initial=0)) >> BLOCK_BITS) + 1)
    n_skus, n_blocks = len(skus), starts.shape[1] - 1
    pieces = np.arange(n_skus)[:, np.newaxis] << _SKU_BITS | np.arange(n_blocks) << BLOCK_BITS
    there = np.repeat(pieces.ravel(), np.diff(starts).ravel()) | np.concatenate([rows.low for rows in skus])
    wanted = which << _SKU_BITS | slots
    at = there.searchsorted(wanted)
    is_new = np.append(there, -1)[at] != wanted
    before = _before(starts[:, -1])
    if not is_new.any():
        found: IntArray = at - before[which]
        return found
    at += _before(is_new)
    low, value = _spread(skus, slots[is_new], at[is_new])
    piece = which[is_new] * n_blocks + (slots[is_new] >> BLOCK_BITS)
    more = np.bincount(piece, minlength=n_skus * n_blocks).reshape(n_skus, n_blocks)
    starts[:, 1:] += more.cumsum(axis=1)
    before = _before(starts[:, -1])
    bounds = starts.tolist()
    for i in np.flatnonzero(more.any(axis=1)).tolist():
        first, rows = int(before[i]), skus[i]
        # Copies: a view would keep the rows of all the other skus as well.
        rows.low, rows.value = low[first : first + bounds[i][-1]].copy(), value[first : first + bounds[i][-1]].copy()
        rows.starts = bounds[i]
    places: IntArray = at - before[which]
    return places


def _starts(skus: Sequence[SkuRows], *, blocks: int) -> IntArray:
    """Where the blocks of each sku's rows begin, and the last ends: a row a sku, of at least so many blocks."""
    starts = [rows.starts for rows in skus]
    width = max(blocks + 1, *map(len, starts))
    return np.array(
        [its + its[-1:] * (width - len(its)) if len(its) < width else its for its in starts], dtype=np.int64
    )


def _spread(skus: Sequence[SkuRows], lows: IntArray, places: IntArray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of all skus, one after the other, with new ones of value 0 where they will be."""
    old_low, old_value = np.concatenate([rows.low for rows in skus]), np.concatenate([rows.value for rows in skus])
    is_old = np.ones(len(old_low) + len(lows), dtype=np.bool_)
    is_old[places] = False
    low, value = np.empty(len(is_old), dtype=np.uint16), np.zeros(len(is_old), dtype=np.uint32)
    low[is_old], low[places], value[is_old] = old_low, lows.astype(np.uint16), old_value
    return low, value


def _before(counts: IntArray | BoolArray) -> IntArray:
    """How many come before each, by how many each has."""
    before: IntArray = counts.cumsum() - counts
    return before
