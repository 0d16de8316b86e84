"""Links to maps: each with the place in its own datum, whatever the place is called."""

import random
from collections.abc import Callable
from math import atan2, cos, hypot, pi, sin, sqrt
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from pyproj import Geod

from geo.coordinates import LatLon
from geo.map_links import MAPS, map_links
from geo.travel import Mode

SEED: Final = 20261206
GEOD: Final = Geod(ellps="WGS84")
TAIPEI: Final = LatLon(lat=25.033, lon=121.5654)

type Pair = tuple[float, float]


# ── the published formulas, written anew ───────────────────────────────────────────────────────────────────────────


def gcj02_of(place: LatLon) -> Pair:
    """Latitude and longitude of a place in mainland China."""
    x, y = place.lon - 105.0, place.lat - 35.0
    waves = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + waves
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + waves
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    phi = place.lat / 180.0 * pi
    a, e2 = 6378245.0, 0.00669342162296594323
    magic = 1 - e2 * sin(phi) ** 2
    lat = place.lat + north * 180.0 / (a * (1 - e2) / (magic * sqrt(magic)) * pi)
    return lat, place.lon + east * 180.0 / (a / sqrt(magic) * cos(phi) * pi)


def bd09_of(lat: float, lon: float) -> Pair:
    radius = hypot(lon, lat) + 0.00002 * sin(lat * pi * 3000 / 180)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * pi * 3000 / 180)
    return radius * sin(angle) + 0.006, radius * cos(angle) + 0.0065


# ── what a link says ───────────────────────────────────────────────────────────────────────────────────────────────


def parameters_of(url: str) -> dict[str, str]:
    found = parse_qs(urlsplit(url).query, strict_parsing=True, keep_blank_values=True)
    assert all(len(values) == 1 for values in found.values()), url
    return {name: values[0] for name, values in found.items()}


def of_amap(url: str) -> tuple[Pair, str]:
    lon, lat, name = parameters_of(url)["to"].split(",")
    return (float(lat), float(lon)), name


def of_tencent(url: str) -> tuple[Pair, str]:
    lat, lon = parameters_of(url)["tocoord"].split(",")
    return (float(lat), float(lon)), parameters_of(url)["to"]


def of_baidu(url: str) -> tuple[Pair, str]:
    place, name = parameters_of(url)["destination"].split("|")
    lat, lon = place.removeprefix("latlng:").split(",")
    return (float(lat), float(lon)), name.removeprefix("name:")


def of_apple(url: str) -> tuple[Pair, str | None]:
    lat, lon = parameters_of(url)["daddr"].split(",")
    return (float(lat), float(lon)), None


def of_google(url: str) -> tuple[Pair, str | None]:
    lat, lon = parameters_of(url)["destination"].split(",")
    return (float(lat), float(lon)), None


READ: Final[dict[str, Callable[[str], tuple[Pair, str | None]]]] = {
    "amap": of_amap, "tencent": of_tencent, "baidu": of_baidu, "apple": of_apple, "google": of_google,
}  # fmt: skip


def apart_m(a: Pair, b: Pair) -> float:
    return float(GEOD.inv(a[1], a[0], b[1], b[0])[2])


def test_in_mainland_china_each_map_gets_its_own_datum() -> None:
    rng = random.Random(SEED)
    for _ in range(200):
        # Around Taiyuan and Beijing: far from every border.
        place = LatLon(lat=rng.uniform(35, 41), lon=rng.uniform(108, 117))
        links = map_links(place, "家", rng.choice(list(Mode)))
        assert tuple(links) == MAPS == tuple(READ)
        gcj02 = gcj02_of(place)
        assert apart_m(gcj02, (place.lat, place.lon)) > 100
        for name, url in links.items():
            shown, label = READ[name](url)
            wanted = bd09_of(*gcj02) if name == "baidu" else gcj02
            assert apart_m(shown, wanted) < 0.5, f"{name}, seed {SEED}: {place}"
            assert label in ("家", None)


@pytest.mark.parametrize("place", [TAIPEI, LatLon(lat=22.28, lon=114.16), LatLon(lat=-33.86, lon=151.21)])
def test_elsewhere_only_baidu_shifts(place: LatLon) -> None:
    for name, url in map_links(place, "home", Mode.CAR).items():
        wanted = bd09_of(place.lat, place.lon) if name == "baidu" else (place.lat, place.lon)
        assert apart_m(READ[name](url)[0], wanted) < 0.2


@pytest.mark.parametrize(
    ("mode", "amap", "tencent", "baidu", "apple", "google"),
    [
        (Mode.FOOT, "walk", "walk", "walking", "w", "walking"),
        (Mode.EBIKE, "ride", "drive", "driving", "d", "bicycling"),
        (Mode.CAR, "car", "drive", "driving", "d", "driving"),
    ],
)
def test_each_map_is_told_how_in_its_own_words(
    mode: Mode, amap: str, tencent: str, baidu: str, apple: str, google: str
) -> None:
    links = map_links(TAIPEI, "home", mode)
    named = {"amap": "mode", "tencent": "type", "baidu": "mode", "apple": "dirflg", "google": "travelmode"}
    assert {name: parameters_of(links[name])[parameter] for name, parameter in named.items()} == {
        "amap": amap, "tencent": tencent, "baidu": baidu, "apple": apple, "google": google,
    }  # fmt: skip
    assert parameters_of(links["amap"])["coordinate"] == "gaode"
    assert parameters_of(links["baidu"])["coord_type"] == "bd09ll"
    assert parameters_of(links["baidu"])["output"] == "html"
    assert parameters_of(links["google"])["api"] == "1"
    assert all(urlsplit(url).scheme == "https" for url in links.values())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("5F, 7 Some Lane", "5F 7 Some Lane"),
        ("a|b:c;d", "a b c d"),
        ("<b>&\"'=?#/+ %41", "<b>&\"'=?#/+ %41"),
        ("  ", "lifecircle"),
        ("", "lifecircle"),
        ("\U0001f3e0家", "\U0001f3e0家"),
        ("長" * 500, "長" * 60),
    ],
)
def test_a_name_breaks_no_link(name: str, shown: str) -> None:
    links = map_links(TAIPEI, name, Mode.FOOT)
    for which in ("amap", "tencent", "baidu"):
        (lat, lon), label = READ[which](links[which])
        assert label == shown
        assert abs(lat - TAIPEI.lat) < 0.01
        assert abs(lon - TAIPEI.lon) < 0.01
    for url in links.values():
        assert url.isascii()
        assert not set(url) & set(" \"'<>|")
