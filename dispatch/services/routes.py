"""The way between two places, for a map: by the engine that tells the times, else a straight line by the estimate."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from dispatch.domain.errors import NoRoute
from dispatch.replica.replica import Replica
from dispatch.services.roads import Roads
from geo.coordinates import LatLon
from geo.geodesy import FloatArray, distance_m, distances_between_m
from geo.travel import MODE_CODES, Mode, TravelModel
from geo.travel.roads import UNREACHABLE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """From where, to where, how, and at which hour of the day, there, one sets out."""

    start: LatLon
    destination: LatLon
    mode: Mode
    hour: int


@dataclass(frozen=True, slots=True)
class Route:
    """A way as it is shown.

    ``points`` are lon, lat in WGS84 degrees, from the one place to the other, shape (n, 2), n at least 2: the first and
    the last piece are the ways to the road and from it. ``length_m`` is the line's.
    """

    points: FloatArray
    travel_s: int
    length_m: float
    mode: Mode
    source: str


async def route(roads: Roads, replica: Replica, trip: Trip) -> Route:
    """The way of a trip; its seconds are those that quotes tell of the same two places.

    While the engine is down or slow, line and seconds are the estimate's. Raises NoRoute.
    """
    travel_s, source = await roads.answer(
        trip.destination, partial(_travel, trip), otherwise=replica.travel, may_be_late=True
    )
    if travel_s >= UNREACHABLE_S:
        raise NoRoute(
            f"no road leads from the one place to the other by {trip.mode.value}, or none is within 300 m of one of"
            " them; try another mode"
        )
    if source != replica.travel.source:
        line = await roads.line(trip.start, trip.destination, trip.mode)
        if line is not None:
            return _route(trip, line.points, travel_s, source)
    return straight(replica, trip)


def straight(replica: Replica, trip: Trip) -> Route:
    """The way as the estimate has it, which knows no roads."""
    travel_s, source = _travel(trip, replica.travel)
    return _route(trip, np.empty((0, 2)), travel_s, source)


def _travel(trip: Trip, travel: TravelModel) -> tuple[int, str]:
    """The seconds of the way, and who tells them."""
    travel_s = travel.times_s(
        lats=np.array([trip.start.lat]),
        lons=np.array([trip.start.lon]),
        destination=trip.destination,
        distances_m=np.array([distance_m(trip.start, trip.destination)]),
        modes=np.array([MODE_CODES[trip.mode]], dtype=np.int64),
        hours=np.array([trip.hour], dtype=np.int64),
    )
    return int(travel_s[0]), travel.source


def _route(trip: Trip, on_road: FloatArray, travel_s: int, source: str) -> Route:
    first, last = np.array([trip.start.lon_lat()]), np.array([trip.destination.lon_lat()])
    points = np.concatenate([first, on_road, last])
    # A place on its road is told twice.
    moves = np.append(True, (points[1:] != points[:-1]).any(axis=1))
    points = points[moves] if moves.sum() > 1 else np.concatenate([first, last])
    lons, lats = points.T
    length_m = float(distances_between_m(lats[:-1], lons[:-1], lats[1:], lons[1:]).sum())
    return Route(points, travel_s, length_m, trip.mode, source)
