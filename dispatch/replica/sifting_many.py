"""The search for the nearest stores that have all lines, for many questions in one call.

To hand the arrays over takes about as long as to find a store for a basket of best sellers.
"""

from typing import Final

import numpy as np

from dispatch.domain.market import FloatArray, IntArray
from dispatch.replica import sifting
from dispatch.replica.sifting import NOT_ALL_SEEN, Rows, Spells, Times, nearest_passing
from geo.chord_tree import Parts
from geo.compiled import Compiler, array_at

# Of so many that are expected it is one in fifty that none is there, and the search was in vain.
_HITS_HOPED_FOR: Final = 4.0

compiled = Compiler(__file__, sifting)


@compiled()
def _is_hopeless(stock: Rows, lines: IntArray, stores: int, most: int) -> bool:
    """Whether so many stores might well hold none with all lines, if skus were spread independently."""
    places, likelihood = stock[0], 1.0
    for i in range(len(lines) // 2):
        blocks = places[lines[i], 3]
        rows = array_at(places[lines[i], 2], blocks + 1, np.int64)[blocks] if blocks > 0 else 0
        likelihood *= min(1.0, rows / stores)
    return likelihood * most < _HITS_HOPED_FOR


@compiled()
def nearest_passing_of_each(
    tree: Parts, stores: np.ndarray, spells: Spells, stock: Rows, lines: IntArray, edges: IntArray,
    times: Times, wanted: IntArray, places: FloatArray, reach_m: float, horizon_m: float, most: int,
    count: int, told: IntArray, said: IntArray, next_m: FloatArray,
) -> None:  # fmt: skip
    """What ``nearest_passing`` tells of each question, a line a question in every array.

    ``lines`` are those of all, one question's from one of ``edges`` to the next; ``times`` are those of all, whatever
    number of lines they say; ``places`` are earth-centred. Written are the first three that it tells to
    ``said``, the chord of the next to ``next_m``, and the stores that pass to ``told``. Where ``most`` of all the
    ``count`` stores might well not do nobody is looked at; as long as shelves wait to be filed no one can tell.
    """
    now_s, start_s, hold_s, promise_s, _, pace_s_m = times
    nobody = np.empty(0, dtype=np.int64)
    for i in range(len(said)):
        asked = lines[edges[i] : edges[i + 1]]
        if not stock[3] and _is_hopeless(stock, asked, count, most):
            said[i, 0], said[i, 1], said[i, 2], next_m[i] = 0, 0, NOT_ALL_SEEN, np.inf
            continue
        of_question = (now_s, start_s, hold_s, promise_s, len(asked) // 2, pace_s_m)
        place = (places[i, 0], places[i, 1], places[i, 2], reach_m)
        said[i, 0], said[i, 1], said[i, 2], next_m[i] = nearest_passing(
            tree, stores, spells, stock, asked, nobody, of_question, place, horizon_m, wanted[i], most, told[i]
        )
