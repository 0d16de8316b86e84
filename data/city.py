"""The ground plan of the demo city: invented, and only laid over Taiyuan; nothing here was surveyed.

Two frames: metres east and north of the centre (azimuthal equidistant, true to distance from the centre), in which
the city is drawn, and WGS84 degrees. Shapes are shapely, x first: east, north or lon, lat.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Proj
from shapely import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

type FloatArray = NDArray[np.float64]
type BoolArray = NDArray[np.bool_]

CENTRE_LAT: Final = 37.87
CENTRE_LON: Final = 112.55
TIMEZONE: Final = "Asia/Shanghai"
COUNTRY: Final = "CN"

CITY_RADIUS_M: Final = 20_000.0
RING_RADII_M: Final = (2_800.0, 6_200.0, 10_500.0, 16_000.0)
"""The ring roads, circles around the centre, innermost first."""

RIVER_NAME: Final = "汾河 Fen (course invented)"
RIVER_WIDTH_M: Final = 320.0
RIVER_COURSE_M: Final = (
    (-4_600.0, 24_000.0),
    (-5_200.0, 19_500.0),
    (-3_900.0, 15_000.0),
    (-2_700.0, 11_200.0),
    (-2_900.0, 7_400.0),
    (-2_100.0, 4_000.0),
    (-2_300.0, 900.0),
    (-1_900.0, -2_300.0),
    (-2_600.0, -5_600.0),
    (-3_600.0, -9_400.0),
    (-3_300.0, -13_600.0),
    (-4_700.0, -18_200.0),
    (-5_100.0, -24_000.0),
)
"""The middle of the river from north to south, (east, north) in metres."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A way over the river: straight, east to west, from bank to bank at ``north_m``."""

    name: str
    north_m: float


BRIDGES: Final = (
    Bridge("虚构北环桥 Synthetic North Ring Bridge", 10_150.0),
    Bridge("虚构柳埠桥 Synthetic Willow Wharf Bridge", 5_200.0),
    Bridge("虚构钟楼桥 Synthetic Bell Tower Bridge", 1_700.0),
    Bridge("虚构南市桥 Synthetic South Market Bridge", -1_500.0),
    Bridge("虚构苇湾桥 Synthetic Reed Bend Bridge", -5_900.0),
    Bridge("虚构南环桥 Synthetic South Ring Bridge", -10_300.0),
)


@dataclass(frozen=True, slots=True)
class Hub:
    """A place that draws shops: they thicken around it, half of them within about 1.2 ``spread_m``."""

    east_m: float
    north_m: float
    spread_m: float
    weight: float


HUBS: Final = (
    Hub(300.0, 0.0, 2_600.0, 0.50),
    Hub(1_900.0, 6_100.0, 1_100.0, 0.06),
    Hub(5_600.0, 1_200.0, 1_300.0, 0.07),
    Hub(3_100.0, -5_700.0, 1_400.0, 0.08),
    Hub(-5_400.0, 3_300.0, 1_200.0, 0.06),
    Hub(-5_900.0, -2_600.0, 1_200.0, 0.06),
    Hub(800.0, -11_300.0, 1_300.0, 0.04),
    Hub(9_700.0, -3_900.0, 1_000.0, 0.02),
    Hub(-1_100.0, 13_400.0, 900.0, 0.02),
)
"""The weights leave a rest, which lies thin and even over the whole city."""


def to_metres(*, lat: FloatArray, lon: FloatArray) -> FloatArray:
    """Return (east, north) in metres of the city's frame, one row a place."""
    east_m, north_m = _frame()(lon, lat)
    return np.column_stack([east_m, north_m])


def to_lon_lat(metres: FloatArray) -> FloatArray:
    """Return (lon, lat) in WGS84 degrees of rows of (east, north); the form that ``shapely.transform`` takes."""
    lon, lat = _frame()(metres[:, 0], metres[:, 1], inverse=True)
    return np.column_stack([lon, lat])


@cache
def river_line() -> LineString:
    """Return the middle of the river, north to south, rounded from the course as meanders are, in metres."""
    course = np.array(RIVER_COURSE_M)
    for _ in range(3):  # Chaikin's corner cutting
        quarter, three_quarters = course[:-1] * 0.75 + course[1:] * 0.25, course[:-1] * 0.25 + course[1:] * 0.75
        inner = np.stack([quarter, three_quarters], axis=1).reshape(-1, 2)
        course = np.vstack([course[:1], inner, course[-1:]])
    return LineString(course)


@cache
def water() -> Polygon:
    """Return the river from bank to bank, in metres."""
    return river_line().buffer(RIVER_WIDTH_M / 2, cap_style="flat")


@cache
def bridge_lines() -> tuple[LineString, ...]:
    """Return each bridge of BRIDGES, west to east, from dry land to dry land, in metres."""
    lines = []
    for bridge in BRIDGES:
        across = LineString([(-CITY_RADIUS_M, bridge.north_m), (CITY_RADIUS_M, bridge.north_m)])
        west_m, _, east_m, _ = across.intersection(water()).bounds
        lines.append(LineString([(west_m - 15.0, bridge.north_m), (east_m + 15.0, bridge.north_m)]))
    return tuple(lines)


@cache
def districts() -> dict[str, BaseGeometry]:
    """Return the districts by name, in metres; they meet without overlap and leave out the water."""
    disc = Point(0.0, 0.0).buffer(CITY_RADIUS_M, quad_segs=64)
    core = Point(0.0, 0.0).buffer(RING_RADII_M[1], quad_segs=64)
    west, east = _banks()
    far = 2 * CITY_RADIUS_M
    north = box(-far, 5_000.0, far, far)
    middle, south = box(-far, -5_000.0, far, 5_000.0), box(-far, -far, far, -5_000.0)
    outer = disc.difference(core)
    shapes = {
        "虚构鼓楼区 Drumtower (synthetic)": core & east,
        "虚构柳西区 Willow West (synthetic)": core & west,
        "虚构北原区 Northfield (synthetic)": outer & east & north,
        "虚构东岭区 Eastridge (synthetic)": outer & east & middle,
        "虚构南汾区 Southfen (synthetic)": outer & east & south,
        "虚构上苇区 Upper Reed (synthetic)": outer & west & north,
        "虚构西丘区 Westhill (synthetic)": outer & west & middle,
        "虚构下苇区 Lower Reed (synthetic)": outer & west & south,
    }
    return {name: shape.difference(water()) for name, shape in shapes.items()}


def district_of(metres: FloatArray) -> list[str]:
    """Return the name of the nearest district for each row of (east, north): the one it lies in, on land."""
    names = list(districts())
    points = shapely.points(metres)
    distances_m = np.stack([shapely.distance(shape, points) for shape in districts().values()])
    return [names[index] for index in distances_m.argmin(axis=0)]


def is_dry(metres: FloatArray, *, clear_m: float = 0.0) -> BoolArray:
    """Whether each row of (east, north) is on land, more than ``clear_m`` from the water."""
    return np.asarray(shapely.distance(water(), shapely.points(metres)) > clear_m)


def same_bank(zone: Polygon, *, east_m: float, north_m: float) -> BaseGeometry:
    """Return ``zone`` less the water and, unless a bridge lies in it, less the bank away from the place."""
    land = zone.difference(water())
    if any(zone.contains(bridge) for bridge in bridge_lines()):
        return land
    here = Point(east_m, north_m)
    parts: list[BaseGeometry] = shapely.get_parts(land).tolist()
    return max(parts, key=lambda part: part.contains(here))


@cache
def _frame() -> Proj:
    return Proj(proj="aeqd", lat_0=CENTRE_LAT, lon_0=CENTRE_LON, ellps="WGS84")


def _banks() -> tuple[Polygon, Polygon]:
    """Return what lies west and what lies east of the middle of the river."""
    line = list(river_line().coords)
    far_m = 3 * CITY_RADIUS_M
    west = Polygon([*line, (-far_m, line[-1][1]), (-far_m, line[0][1])])
    east = Polygon([*line, (far_m, line[-1][1]), (far_m, line[0][1])])
    return west, east
