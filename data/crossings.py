"""Where streets meet: out of lines that cross, ways that share the nodes of their crossings, as in OpenStreetMap."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree

from data.city import to_lon_lat
from data.streets import Street

type FloatArray = NDArray[np.float64]
type IntArray = NDArray[np.int64]

# As the format keeps them; places that are the same in it are one node.
_DEGREE_DECIMALS: Final = 7


@dataclass(frozen=True, slots=True)
class Network:
    """``lon_lat``: a row a node, rounded to 1e-7 degrees, no two alike. ``ways``: each street with its nodes in order.

    A way begins and ends where it meets another one, and no node follows itself.
    """

    lon_lat: FloatArray
    ways: list[tuple[Street, list[int]]]


def join(streets: list[Street]) -> Network:
    """Join the streets wherever two of them meet, save that a viaduct meets main streets alone.

    What a line has beyond its first and its last crossing is cut off; a street that meets fewer than two is left out.
    """
    lines = np.array([street.line for street in streets])
    one, other, places_m = _crossings(streets, lines)
    # Which street, how far along it, and where: all crossings of both, then all corners of the lines.
    corners_m, of_corner = shapely.get_coordinates(lines, return_index=True)
    street_of = np.concatenate([one, other, of_corner])
    metres = np.concatenate([places_m, places_m, corners_m])
    crosses = np.arange(len(metres)) < 2 * len(places_m)
    along_m = shapely.line_locate_point(lines[street_of], shapely.points(metres))
    lon_lat, node_of = np.unique(np.round(to_lon_lat(metres), _DEGREE_DECIMALS), axis=0, return_inverse=True)
    ways = []
    for number, chosen in enumerate(_grouped(street_of, along_m, len(streets))):
        crossed = np.flatnonzero(crosses[chosen])
        if len(crossed):
            nodes = node_of[chosen[crossed[0] : crossed[-1] + 1]]
            kept = nodes[np.append(True, nodes[1:] != nodes[:-1])].tolist()
            if len(kept) > 1:
                ways.append((streets[number], kept))
    return _renumbered(lon_lat, ways)


def _crossings(streets: list[Street], lines: NDArray[np.object_]) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs of streets that meet, and the (east, north) of where; a pair as often as it meets."""
    one, other = STRtree(lines).query(lines, predicate="intersects")
    viaduct = np.array([street.viaduct for street in streets])
    main = np.array([street.main for street in streets])
    meet = (one < other) & (~viaduct[one] | main[other]) & (~viaduct[other] | main[one])
    one, other = one[meet], other[meet]
    parts, pair = shapely.get_parts(shapely.intersection(lines[one], lines[other]), return_index=True)
    # A bridge lies on a bit of its avenue: that is no crossing, both meet the quay.
    points = shapely.get_type_id(parts) == shapely.GeometryType.POINT
    return one[pair[points]], other[pair[points]], shapely.get_coordinates(parts[points])


def _grouped(street_of: IntArray, along_m: FloatArray, streets: int) -> list[IntArray]:
    """For each street the indices of what lies on it, in the order of its line."""
    order = np.lexsort([along_m, street_of])
    return np.split(order, np.searchsorted(street_of[order], np.arange(1, streets)))


def _renumbered(lon_lat: FloatArray, ways: list[tuple[Street, list[int]]]) -> Network:
    """Without the nodes that no way has."""
    used, numbers = np.unique(np.concatenate([nodes for _, nodes in ways]), return_inverse=True)
    ends = np.cumsum([len(nodes) for _, nodes in ways])
    parts = np.split(numbers, ends[:-1])
    return Network(lon_lat[used], [(street, part.tolist()) for (street, _), part in zip(ways, parts, strict=True)])
