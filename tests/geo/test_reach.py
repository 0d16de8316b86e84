"""Areas within reach by road, against the engine's own times of each place."""

import os
from collections.abc import Iterator
from typing import Final

import numpy as np
import pytest
import shapely

from geo.coordinates import LatLon
from geo.geodesy import FloatArray
from geo.reach import area_by_road, leg_m
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable
from geo.travel.roads import LONGEST_LEG_M, WALKING_MPS, RoadBounds
from geo.travel.valhalla_asking import area_of
from tests.geo.roads import places_along, valhalla_of

SEED: Final = 20261125
OFF_M: Final = 100.0
# All 500 with LIFECIRCLE_ALL_PLACES=1: they take a minute.
PLACES: Final = 500 if os.environ.get("LIFECIRCLE_ALL_PLACES") else 120
DOORS: Final = 10
# Of few places the share is known to 1.4 % only.
AGREEING: Final = 0.97 if PLACES == 500 else 0.95
HOUR: Final = 8
FACTORS: Final = tuple(1.4 if hour == HOUR else 1.0 for hour in range(24))
# Within the default hour, and so short that about half of the places are out of reach.
BUDGETS_S: Final = {Mode.FOOT: (3090, 6000), Mode.EBIKE: (3090, 1500), Mode.CAR: (3090, 700)}


def bounds(factors: tuple[float, ...] = (1.0,) * 24) -> RoadBounds:
    engine = valhalla_of("jinan")
    return RoadBounds({mode: engine.top_speed_mps(mode) for mode in Mode}, dict.fromkeys(Mode, factors))


def travel_s(
    door: LatLon, lats: FloatArray, lons: FloatArray, mode: Mode, *, towards: bool, factor: float
) -> FloatArray:
    """The engine's time of each way and both ways off the road; inf without a way."""
    engine = valhalla_of("jinan")
    if towards:
        ways = engine.ways(lats=lats, lons=lons, destination=door, mode=mode)
        seconds, legs_m, near = ways.seconds, ways.place_leg_m + ways.door_leg_m, ways.place_leg_m <= LONGEST_LEG_M
    else:
        # Only ways to one door can be asked: each place is the door of one.
        one_by_one = [
            engine.ways(
                lats=np.array([door.lat]), lons=np.array([door.lon]), destination=LatLon(lat=lat, lon=lon), mode=mode
            )
            for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)
        ]
        seconds = np.array([way.seconds[0] for way in one_by_one])
        legs_m = np.array([way.place_leg_m[0] + way.door_leg_m[0] for way in one_by_one])
        near = np.array([way.door_leg_m[0] for way in one_by_one]) <= LONGEST_LEG_M
    total = seconds * factor + legs_m / WALKING_MPS
    return np.where(near & ~np.isnan(seconds), total, np.inf)


def agreement(
    mode: Mode, budget_s: int, *, towards: bool, factors: tuple[float, ...] = (1.0,) * 24
) -> tuple[float, float]:
    """Which share of random places is in the area just when it can be reached, and which can; over ten doors."""
    rng = np.random.default_rng([SEED, budget_s, towards])
    agreeing, reached = [], []
    for _ in range(DOORS):
        lats, lons = places_along("jinan", rng, 1)
        door = LatLon(lat=float(lats[0]), lon=float(lons[0]))
        lats, lons = places_along("jinan", rng, PLACES // DOORS, off_m=OFF_M)
        area = area_by_road(
            valhalla_of("jinan"), bounds(factors), door, modes=[mode], hour=HOUR, budget_s=budget_s, towards=towards
        )
        assert area.is_valid
        inside = shapely.intersects_xy(area, lons, lats)
        can = travel_s(door, lats, lons, mode, towards=towards, factor=factors[HOUR]) <= budget_s
        agreeing.append(inside == can)
        reached.append(can)
    return float(np.concatenate(agreeing).mean()), float(np.concatenate(reached).mean())


def cases() -> Iterator[tuple[Mode, int, bool]]:
    for mode in Mode:
        for budget_s in BUDGETS_S[mode]:
            for towards in (True, False):
                yield mode, budget_s, towards


@pytest.mark.parametrize(("mode", "budget_s", "towards"), list(cases()))
def test_an_area_agrees_with_the_engines_own_times(mode: Mode, budget_s: int, towards: bool) -> None:
    share, reached = agreement(mode, budget_s, towards=towards)
    direction = "towards" if towards else "from"
    print(f"{mode.value:5} {direction:7} {budget_s:5} s: {share:.1%} of {PLACES} places agree, {reached:.0%} in reach")
    assert share >= AGREEING


def test_the_factor_of_the_hour_shortens_the_way() -> None:
    share, slow = agreement(Mode.EBIKE, 1500, towards=True, factors=FACTORS)
    _, free = agreement(Mode.EBIKE, 1500, towards=True)
    assert share >= AGREEING
    assert slow < free, "some places are out of reach at that hour alone"


def test_islands_and_holes_stay() -> None:
    """Valhalla's default leaves the largest piece alone, without its holes."""
    lats, lons = places_along("jinan", np.random.default_rng(SEED), 1)
    door = LatLon(lat=float(lats[0]), lon=float(lons[0]))
    area = area_by_road(valhalla_of("jinan"), bounds(), door, modes=[Mode.CAR], hour=0, budget_s=700, towards=True)
    assert len(area.geoms) > 1
    assert any(len(part.interiors) for part in area.geoms)


def test_modes_together_reach_what_each_reaches() -> None:
    lats, lons = places_along("jinan", np.random.default_rng(SEED), 1)
    door = LatLon(lat=float(lats[0]), lon=float(lons[0]))
    engine = valhalla_of("jinan")
    walked, both = (
        area_by_road(engine, bounds(), door, modes=modes, hour=0, budget_s=900, towards=True)
        for modes in ([Mode.FOOT], [Mode.FOOT, Mode.EBIKE])
    )
    assert walked.difference(both).area < 1e-9
    assert both.area > 2 * walked.area


def test_without_a_road_or_time_there_is_no_area() -> None:
    engine, far = valhalla_of("jinan"), LatLon(lat=10.0, lon=20.0)
    assert leg_m(engine, far, Mode.EBIKE) > LONGEST_LEG_M
    lats, lons = places_along("jinan", np.random.default_rng(SEED), 1)
    near = LatLon(lat=float(lats[0]), lon=float(lons[0]))
    assert leg_m(engine, near, Mode.EBIKE) < 100
    for place, budget_s in ((far, 3000), (near, 5), (near, 0), (near, -60)):
        assert area_by_road(
            engine, bounds(), place, modes=[Mode.EBIKE], hour=0, budget_s=budget_s, towards=True
        ).is_empty


@pytest.mark.parametrize(
    "answer", [{}, {"features": [{}]}, {"features": 5}, {"features": [{"properties": {"contour": 1}}]}]
)
def test_an_answer_of_another_shape_is_no_area(answer: dict[str, object]) -> None:
    with pytest.raises(EngineUnavailable, match="no area"):
        area_of(answer, LatLon(lat=36.0, lon=117.0))
