from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from math import inf, nan, nextafter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.coordinates import LatLon
from geo.geodesy import FloatArray, IntArray
from geo.travel import MODE_CODES, MODES, Mode, TravelModel
from geo.travel.estimate import DEFAULT_SPEEDS, NEVER_S, EstimateTravel, ModeSpeed

DOOR = LatLon(lat=25.033, lon=121.5654)
FLAT = (1.0,) * 24

speeds_of_all_modes = st.fixed_dictionaries(
    {
        mode: st.builds(
            ModeSpeed,
            speed_kmh=st.floats(0.5, 200),
            detour=st.floats(1, 5),
            hour_factors=st.tuples(*[st.floats(1, 4)] * 24),
        )
        for mode in MODES
    }
)
some_modes = st.lists(st.sampled_from(list(MODE_CODES.values())), min_size=1, max_size=4).map(np.array)
some_hours = st.lists(st.integers(0, 23), min_size=1, max_size=4).map(np.array)


def times(model: TravelModel, metres: FloatArray, modes: IntArray, hours: IntArray) -> list[int]:
    nowhere = np.zeros(len(metres))
    answer = model.times_s(lats=nowhere, lons=nowhere, destination=DOOR, distances_m=metres, modes=modes, hours=hours)
    assert answer.dtype == np.int64
    return [int(seconds) for seconds in answer]


def test_modes_have_the_codes_of_their_positions() -> None:
    assert MODES == (Mode.FOOT, Mode.EBIKE, Mode.CAR)
    assert [MODE_CODES[mode] for mode in MODES] == [0, 1, 2]


def test_a_kilometre_takes_what_the_documented_numbers_say() -> None:
    model = EstimateTravel()
    assert model.source == "estimate"
    codes = np.array([0, 1, 2, 2, 2, 2])
    hours = np.array([8, 8, 6, 7, 18, 19])
    # 1250 m at 4.8 km/h; 1300 m at 20 km/h; 1400 m at 25 km/h, 1.4 times as long in the rush hours.
    assert times(model, np.full(6, 1000.0), codes, hours) == [938, 234, 202, 283, 283, 202]
    assert times(model, np.zeros(6), codes, hours) == [0] * 6
    assert times(model, np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)) == []


@given(speeds=speeds_of_all_modes, metres=st.floats(0, 3e7), code=st.integers(0, 2), hour=st.integers(0, 23))
def test_seconds_are_the_product_rounded_up(speeds: dict[Mode, ModeSpeed], metres: float, code: int, hour: int) -> None:
    speed = speeds[MODES[code]]
    per_metre = Decimal(speed.detour) * Decimal(speed.hour_factors[hour]) * Decimal("3.6") / Decimal(speed.speed_kmh)
    exact = Decimal(metres) * per_metre
    got = times(EstimateTravel(speeds), np.array([metres]), np.array([code]), np.array([hour]))[0]
    # Seconds per metre are rounded to nine decimals, doubles to some sixteen digits, and the least of them to 0.
    allowance = Decimal(metres) * Decimal("0.51e-9") + exact * Decimal("1e-15") + Decimal("1e-300")
    lowest, highest = (int(value.to_integral_value(ROUND_CEILING)) for value in (exact - allowance, exact + allowance))
    assert lowest <= got <= highest


@given(
    speeds=speeds_of_all_modes,
    metres=st.lists(st.floats(0, 3e7), min_size=1, max_size=5).map(np.array),
    modes=some_modes,
    hours=some_hours,
)
def test_no_mode_and_hour_of_those_given_beats_the_bound_and_one_reaches_it(
    speeds: dict[Mode, ModeSpeed], metres: FloatArray, modes: IntArray, hours: IntArray
) -> None:
    model = EstimateTravel(speeds)
    every = np.array(
        [times(model, metres, np.full(len(metres), m), np.full(len(metres), h)) for m in modes for h in hours]
    )
    bounds = model.bound_s(metres, modes=modes, hours=hours)
    assert bounds.dtype == np.int64
    assert bounds.tolist() == every.min(axis=0).tolist()
    assert [int(model.bound_s(one, modes=modes, hours=hours)) for one in metres.tolist()] == bounds.tolist()


@given(speeds=speeds_of_all_modes, budget_s=st.integers(0, 20_000), modes=some_modes, hours=some_hours)
def test_the_reach_is_the_last_distance_within_the_budget(
    speeds: dict[Mode, ModeSpeed], budget_s: int, modes: IntArray, hours: IntArray
) -> None:
    model = EstimateTravel(speeds)
    reach_m = model.reach_m(budget_s, modes=modes, hours=hours)
    assert model.bound_s(reach_m, modes=modes, hours=hours) <= budget_s
    assert model.bound_s(nextafter(reach_m, inf), modes=modes, hours=hours) > budget_s


def test_a_negative_budget_reaches_nothing_and_none_reaches_the_door() -> None:
    one = np.array([1])
    assert EstimateTravel().reach_m(-1, modes=one, hours=one) == -inf
    assert 0 <= EstimateTravel().reach_m(0, modes=one, hours=one) < 1e-300


def test_an_infinite_distance_takes_forever() -> None:
    one = np.array([1])
    model = EstimateTravel()
    assert model.bound_s(inf, modes=one, hours=one) == NEVER_S
    assert model.bound_s(np.array([inf, 0.0]), modes=one, hours=one).tolist() == [NEVER_S, 0]


def test_a_bound_over_no_mode_or_no_hour_is_refused() -> None:
    none, one = np.empty(0, np.int64), np.array([1])
    for modes, hours in ((none, one), (one, none)):
        with pytest.raises(ValueError, match="at least one mode and one hour"):
            EstimateTravel().bound_s(1.0, modes=modes, hours=hours)
        with pytest.raises(ValueError, match="at least one mode and one hour"):
            EstimateTravel().reach_m(60, modes=modes, hours=hours)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed_kmh": 0.0}, "speed_kmh is 0.0"),
        ({"speed_kmh": -3.0}, "speed_kmh is -3.0"),
        ({"speed_kmh": 0.05}, "speed_kmh is 0.05"),
        ({"speed_kmh": nan}, "speed_kmh is nan"),
        ({"speed_kmh": inf}, "speed_kmh is inf"),
        ({"detour": 0.99}, "detour is 0.99"),
        ({"detour": 101.0}, "detour is 101.0"),
        ({"detour": nan}, "detour is nan"),
        ({"hour_factors": (1.0,) * 23}, "23 hour_factors"),
        ({"hour_factors": (*FLAT[:5], 0.9, *FLAT[6:])}, "hour 5 is 0.9"),
        ({"hour_factors": (*FLAT[:23], nan)}, "hour 23 is nan"),
    ],
)
def test_speeds_that_would_break_a_bound_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DEFAULT_SPEEDS[Mode.CAR], **change)  # type: ignore[arg-type]  # wrong values are the point


def test_a_model_without_a_speed_for_each_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="foot, car"):
        EstimateTravel({Mode.EBIKE: DEFAULT_SPEEDS[Mode.EBIKE]})
