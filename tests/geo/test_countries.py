"""Names of countries, and what lies within one."""

import pytest

from geo.coordinates import LatLon, country_of
from geo.countries import countries_at, country_named, lands_of, lies_within


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("US", "US"), ("usa", "US"), ("U.S.A.", "US"), (" United  States of America ", "US"), ("美国", "US"),
        ("ESPAÑA", "ES"), ("espana", "ES"), ("日本", "JP"), ("中国", "CN"), ("臺灣", "TW"), ("台灣", "TW"),
        ("Hong Kong SAR", "HK"), ("대한민국", "KR"), ("The Netherlands", "NL"), ("UK", "GB"), ("GE", "GE"),
        ("Georgia", None), ("", None), ("-", None), ("Atlantis", None),
    ],
)  # fmt: skip
def test_a_country_is_known_by_its_codes_and_usual_names(text: str, code: str | None) -> None:
    assert country_named(text) == code


@pytest.mark.parametrize(
    ("lat", "lon", "country"),
    [
        (18.46, -66.10, "US"),  # San Juan
        (13.45, 144.75, "US"),  # Guam
        (18.34, -64.93, "US"),  # St Thomas
        (-14.28, -170.70, "US"),  # Pago Pago
        (15.18, 145.75, "US"),  # Saipan
        (21.31, -157.86, "US"),  # Honolulu
        (51.88, -176.65, "US"),  # Adak
        (22.30, 114.17, "CN"),  # Hong Kong
        (22.19, 113.54, "CN"),  # Macau
        (28.12, -15.43, "ES"),  # Las Palmas
        (24.45, 122.99, "JP"),  # Yonaguni
        (24.44, 118.33, "TW"),  # Kinmen
        (26.16, 119.95, "TW"),  # Matsu
        (23.57, 119.57, "TW"),  # Penghu
        (21.03, 105.85, "VN"),  # Hanoi, whose clocks are Bangkok's
        (42.66, 21.16, "XK"),  # Pristina
        (43.73, 7.42, "FR"),  # Monaco
    ],
)
def test_islands_and_territories_lie_within_their_country(lat: float, lon: float, country: str) -> None:
    assert lies_within(LatLon(lat=lat, lon=lon), country)


@pytest.mark.parametrize(
    ("lat", "lon", "country"),
    [
        (25.03, 121.56, "CN"),  # Taipei
        (24.44, 118.33, "CN"),  # Kinmen
        (40.71, -74.01, "PR"),  # New York is no part of its territory
        (21.03, 105.85, "TH"),  # Hanoi
        (43.65, -79.38, "US"),  # Toronto
    ],
)
def test_other_places_do_not(lat: float, lon: float, country: str) -> None:
    assert not lies_within(LatLon(lat=lat, lon=lon), country, tolerance_m=5_000.0)


def test_thailand_keeps_what_is_near_the_line_through_laos() -> None:
    for lat, lon in ((17.40, 104.78), (18.36, 103.65), (20.43, 99.88), (15.32, 105.50)):
        assert lies_within(LatLon(lat=lat, lon=lon), "TH")


def test_a_place_a_little_beyond_the_border_is_within_the_tolerance() -> None:
    juarez = LatLon(lat=31.735, lon=-106.487)
    assert country_of(juarez) == "MX"
    assert not lies_within(juarez, "US")
    assert lies_within(juarez, "US", tolerance_m=5_000.0)
    assert not lies_within(LatLon(lat=31.60, lon=-106.40), "US", tolerance_m=5_000.0)


def test_the_tolerance_reaches_over_the_pole_and_the_antimeridian() -> None:
    assert not lies_within(LatLon(lat=90.0, lon=0.0), "US", tolerance_m=5_000.0)
    assert lies_within(LatLon(lat=-16.8, lon=180.0), "FJ", tolerance_m=5_000.0)


def test_countries_overlap_and_are_none_at_sea() -> None:
    assert countries_at(LatLon(lat=32.10, lon=35.17)) == {"IL", "PS"}
    assert countries_at(LatLon(lat=0.0, lon=-30.0)) == frozenset()
    assert lands_of("QQ") == {"QQ"}
