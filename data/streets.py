"""The streets of the demo city as lines on its plan: a grid, rings, quays, and few bridges. All of them invented.

Avenues divide the city into blocks of about a kilometre, and streets divide these, the finer the denser the shops are.
Lines here run on over the streets that they meet; where they do meet is worked out in data.crossings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby, pairwise
from typing import Final, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, Point, box
from shapely.geometry.base import BaseGeometry

from data.city import BRIDGES, CITY_RADIUS_M, HUBS, RING_RADII_M, RIVER_WIDTH_M, river_line

type FloatArray = NDArray[np.float64]
type Highway = Literal["trunk", "primary", "secondary", "tertiary", "residential"]

BLOCK_M: Final = 960.0
"""About how far avenues are apart."""

PARTS: Final = 8
"""Into so many strips a block is divided at most, each way."""

LIMIT_M: Final = CITY_RADIUS_M + 600.0
"""Radius of the road around everything."""

QUAY_M: Final = RIVER_WIDTH_M / 2 + 20.0
"""How far the roads along the river are from its middle; no store is as near to it."""

_OVERSHOOT_M: Final = 5.0  # how far a line goes beyond the road at which it ends, so that they surely meet
_SPEED_KMH: Final[dict[Highway, int]] = {
    "trunk": 80,
    "primary": 60,
    "secondary": 50,
    "tertiary": 40,
    "residential": 30,
}
_RINGS: Final[tuple[Highway, ...]] = ("secondary", "primary", "trunk", "trunk")
# From so many shops of a thousand a square kilometre on, a block has so many strips each way.
_DENSE_PER_KM2, _SETTLED_PER_KM2 = 2.0, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A street, in metres of the city's frame; ``oneway``: in the direction of its line.

    ``viaduct``: for cars alone, above all streets but the ``main`` ones, which it joins.
    """

    line: LineString
    name: str
    highway: Highway
    oneway: bool = False
    main: bool = False
    viaduct: bool = False
    bridge: bool = False

    @property
    def speed_kmh(self) -> int:
        return _SPEED_KMH[self.highway]


def make_streets() -> list[Street]:
    """All streets of the demo city, always the same ones in the same order."""
    planned = [*_avenues(), *_lanes(), *_rings()]
    dry = [piece for street in planned for piece in _without(street, _bed(_OVERSHOOT_M))]
    within = _disc(LIMIT_M + _OVERSHOOT_M)
    return [piece for street in [*dry, *_quays(), *_bridges()] for piece in _pieces(street, street.line & within)]


# ── the grid ────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def avenues_north_m() -> tuple[float, ...]:
    """Where the avenues from west to east lie, from the south: one at each bridge, others evenly in between."""
    return _divided((-LIMIT_M, *sorted(bridge.north_m for bridge in BRIDGES), LIMIT_M))


@cache
def avenues_east_m() -> tuple[float, ...]:
    """Where the avenues from south to north lie, from the west."""
    return _divided((-LIMIT_M, LIMIT_M))


def _divided(at_m: tuple[float, ...]) -> tuple[float, ...]:
    parts = [
        np.linspace(first, last, max(1, round((last - first) / BLOCK_M)), endpoint=False)
        for first, last in pairwise(at_m)
    ]
    return (*np.concatenate(parts).tolist(), at_m[-1])


def _avenues() -> Iterator[Street]:
    at_bridges = {bridge.north_m for bridge in BRIDGES}
    for number, north_m in enumerate(avenues_north_m()[1:-1], start=1):
        highway: Highway = "primary" if north_m in at_bridges else "secondary"
        line = LineString([(-LIMIT_M - _OVERSHOOT_M, north_m), (LIMIT_M + _OVERSHOOT_M, north_m)])
        yield Street(line=line, name=_name(f"横{number}大街", f"Cross Avenue {number}"), highway=highway, main=True)
    for number, east_m in enumerate(avenues_east_m()[1:-1], start=1):
        highway = "secondary" if number % 3 else "primary"
        line = LineString([(east_m, -LIMIT_M - _OVERSHOOT_M), (east_m, LIMIT_M + _OVERSHOOT_M)])
        yield Street(line=line, name=_name(f"纵{number}大街", f"Long Avenue {number}"), highway=highway, main=True)


def _lanes() -> Iterator[Street]:
    """The streets within the blocks. One that goes on in the next block is one street."""
    easts_m, norths_m = np.array(avenues_east_m()), np.array(avenues_north_m())
    parts, dry = _parts(easts_m, norths_m), _wholly_dry(easts_m, norths_m)
    for along_north in (False, True):
        if along_north:
            across_m, along_m, parts_here, dry_here = easts_m, norths_m, parts, dry
        else:
            across_m, along_m, parts_here, dry_here = norths_m, easts_m, parts.T, dry.T
        kind = ("纵", "Long") if along_north else ("横", "Cross")
        for strip in range(len(across_m) - 1):
            for part in range(1, PARTS):
                at_m = across_m[strip] + (across_m[strip + 1] - across_m[strip]) * part / PARTS
                number = f"{strip}-{part}"
                lane = Street(
                    line=LineString(),
                    name=_name(f"{kind[0]}{number}巷", f"{kind[1]} Lane {number}"),
                    highway="tertiary" if part == PARTS // 2 else "residential",
                )
                there = parts_here[strip] * part % PARTS == 0
                # Only from avenue to avenue: at the river a one-way street would lead nowhere.
                oneway = there & dry_here[strip] & (part % 2 == 1)
                backwards = part // 2 % 2 == 1
                yield from _runs(lane, there, oneway, at_m, along_m, along_north=along_north, backwards=backwards)


def _runs(
    lane: Street,
    there: NDArray[np.bool_],
    oneway: NDArray[np.bool_],
    at_m: float,
    along_m: FloatArray,
    *,
    along_north: bool,
    backwards: bool,
) -> Iterator[Street]:
    """The lane wherever it is, cut where it becomes or ceases to be one-way."""
    for (is_there, is_oneway), blocks in groupby(range(len(there)), key=lambda block: (there[block], oneway[block])):
        if not is_there:
            continue
        run = list(blocks)
        ends = [(at_m, along_m[run[0]]), (at_m, along_m[run[-1] + 1])]
        if not along_north:
            ends = [(along, across) for across, along in ends]
        yield replace(lane, line=LineString(ends[::-1] if backwards else ends), oneway=bool(is_oneway))


def _parts(easts_m: FloatArray, norths_m: FloatArray) -> NDArray[np.int64]:
    """Into how many strips each block is divided: 2, 4 or 8, more where shops are dense; rows from west to east."""
    middle_e = (easts_m[:-1] + easts_m[1:])[:, np.newaxis] / 2
    middle_n = (norths_m[:-1] + norths_m[1:])[np.newaxis, :] / 2
    per_km2 = np.zeros((len(easts_m) - 1, len(norths_m) - 1))
    for hub in HUBS:
        away_m2 = (middle_e - hub.east_m) ** 2 + (middle_n - hub.north_m) ** 2
        at_hub = 1_000 * hub.weight / (2 * np.pi * (hub.spread_m / 1_000) ** 2)
        per_km2 += at_hub * np.exp(-away_m2 / (2 * hub.spread_m**2))
    return np.where(per_km2 >= _DENSE_PER_KM2, PARTS, np.where(per_km2 >= _SETTLED_PER_KM2, PARTS // 2, 2))


def _wholly_dry(easts_m: FloatArray, norths_m: FloatArray) -> NDArray[np.bool_]:
    """Whether each block lies within the city and away from the river, quays included; rows from west to east."""
    blocks = shapely.box(easts_m[:-1, np.newaxis], norths_m[:-1], easts_m[1:, np.newaxis], norths_m[1:])
    land = _disc(LIMIT_M).difference(_bed(-_OVERSHOOT_M))
    shapely.prepare(land)
    return np.asarray(shapely.contains_properly(land, blocks))


# ── what is not straight ────────────────────────────────────────────────────────────────────────────────────────────


def _rings() -> Iterator[Street]:
    for number, (radius_m, highway) in enumerate(zip(RING_RADII_M, _RINGS, strict=True), start=1):
        yield Street(
            line=_circle(radius_m),
            name=_name(f"{'一二三四'[number - 1]}环路", f"Ring Road {number}"),
            highway=highway,
            main=highway != "trunk",
            viaduct=highway == "trunk",
        )
    yield Street(line=_circle(LIMIT_M), name=_name("环城路", "City Limit Road"), highway="tertiary", main=True)


def _quays() -> Iterator[Street]:
    for side, zh, en in ((QUAY_M, "东", "East"), (-QUAY_M, "西", "West")):
        line = LineString(river_line().offset_curve(side).coords)
        yield Street(line=line, name=_name(f"汾河{zh}岸路", f"Fen {en} Quay"), highway="tertiary", main=True)


def _bridges() -> Iterator[Street]:
    for bridge in BRIDGES:
        across = box(-LIMIT_M, bridge.north_m - 1.0, LIMIT_M, bridge.north_m + 1.0) & _bed(-_OVERSHOOT_M)
        west_m, _, east_m, _ = across.bounds
        line = LineString([(west_m, bridge.north_m), (east_m, bridge.north_m)])
        yield Street(line=line, name=bridge.name, highway="primary", bridge=True)


def _circle(radius_m: float) -> LineString:
    """A corner every 100 m or so: it strays from the true circle by less than 1 m."""
    bearing = np.linspace(0.0, 2 * np.pi, round(2 * np.pi * radius_m / 100.0), endpoint=False)
    corners = np.column_stack([radius_m * np.sin(bearing), radius_m * np.cos(bearing)])
    return LineString([*corners, corners[0]])


@cache
def _bed(short_of_quay_m: float) -> BaseGeometry:
    """The river and its banks, nearly to the quays."""
    return river_line().buffer(QUAY_M - short_of_quay_m, cap_style="flat")


def _disc(radius_m: float) -> BaseGeometry:
    return Point(0.0, 0.0).buffer(radius_m, quad_segs=128)


def _without(street: Street, shape: BaseGeometry) -> Iterator[Street]:
    return _pieces(street, street.line.difference(shape))


def _pieces(street: Street, line: BaseGeometry) -> Iterator[Street]:
    """The street on what is left of its line, in the line's direction; nothing where nothing is left."""
    # A circle that is cut anywhere is also cut where it begins.
    merged = shapely.line_merge(line, directed=True) if line.geom_type == "MultiLineString" else line
    for part in shapely.get_parts(merged).tolist():
        if part.geom_type == "LineString" and not part.is_empty:
            yield replace(street, line=part)


def _name(zh: str, en: str) -> str:
    return f"虚构{zh} Synthetic {en}"
