"""Isochrones: the places within so many seconds of a place, by road or as the estimate has it."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

import numpy as np
from shapely.geometry import MultiPolygon

from geo.coordinates import LatLon
from geo.polygons import disc, polygons_of
from geo.travel import MODE_CODES, Mode, TravelModel
from geo.travel.engine import RoadEngine
from geo.travel.roads import LONGEST_LEG_M, WALKING_MPS, RoadBounds

__all__ = ["area_by_estimate", "area_by_road", "leg_m"]

# Answers round corners, by which a place at the very edge must not fall out.
_ROUNDING_M: Final = 0.1


def area_by_estimate(
    travel: TravelModel, place: LatLon, *, modes: Iterable[Mode], hour: int, budget_s: int
) -> MultiPolygon:
    """The disc of the places from which, or to which, travel takes at most the budget by the fastest of the modes.

    No such place lies outside (``disc``). Empty for a negative budget or no mode.
    """
    codes = [MODE_CODES[mode] for mode in modes]
    if not codes or budget_s < 0:
        return MultiPolygon()
    reach_m = travel.reach_m(budget_s, modes=np.array(codes, dtype=np.int64), hours=np.array([hour], dtype=np.int64))
    return disc(place, reach_m + _ROUNDING_M)


def area_by_road(
    engine: RoadEngine,
    bounds: RoadBounds,
    place: LatLon,
    *,
    modes: Iterable[Mode],
    hour: int,
    budget_s: int,
    towards: bool,
) -> MultiPolygon:
    """The places from which travel to here (``towards``), or to which from here, takes at most the budget by any mode.

    Travel is as selection has it: seconds on the road x factor of the hour, and both ways off the road walked. The
    way from the place itself to its road is taken off exactly, those of the others in steps. Empty where no road
    is within 300 m. Raises EngineUnavailable.
    """
    areas = []
    for mode in modes:
        off_road_m = leg_m(engine, place, mode, towards=towards)
        if off_road_m > LONGEST_LEG_M:
            continue
        left_s = budget_s - off_road_m / WALKING_MPS
        slowed = bounds.hour_factors[mode][hour]
        areas.append(engine.area(place, mode, left_s, towards=towards, slowed=slowed))
    return polygons_of(*areas)


def leg_m(engine: RoadEngine, place: LatLon, mode: Mode, *, towards: bool = True) -> float:
    """Geodesic metres between the place and the road that comes to it (``towards``), or leads from it; inf for none.

    Raises as ``ways``.
    """
    ways = engine.ways(lats=np.array([place.lat]), lons=np.array([place.lon]), destination=place, mode=mode)
    away_m = float((ways.door_leg_m if towards else ways.place_leg_m)[0])
    return inf if np.isnan(away_m) else away_m
