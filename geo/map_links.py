"""Links that open a map at the way to a place, each with the place in the map's own datum.

The way begins where the phone is. What each map takes in an address, as its maker documents it:

amap     https://lbs.amap.com/api/uri-api/guide/travel/route
tencent  https://lbs.qq.com/webApi/uriV1/uriGuide/uriWebRoute
baidu    https://lbsyun.baidu.com/index.php?title=uri/api/web
apple    https://developer.apple.com/library/archive/featuredarticles/iPhoneURLScheme_Reference/MapLinks/MapLinks.html
google   https://developers.google.com/maps/documentation/urls/get-started
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlencode

from geo.coordinates import LatLon
from geo.datums import Datum, from_wgs84, turned
from geo.travel import Mode

__all__ = ["MAPS", "map_links"]

MAPS: Final = ("amap", "tencent", "baidu", "apple", "google")

# Tencent's and Baidu's pages know no bicycles (their apps do), nor does Apple's address: there an e-bike goes as a car.
_AMAP: Final = {Mode.FOOT: "walk", Mode.EBIKE: "ride", Mode.CAR: "car"}
_TENCENT: Final = {Mode.FOOT: "walk", Mode.EBIKE: "drive", Mode.CAR: "drive"}
_BAIDU: Final = {Mode.FOOT: "walking", Mode.EBIKE: "driving", Mode.CAR: "driving"}
_APPLE: Final = {Mode.FOOT: "w", Mode.EBIKE: "d", Mode.CAR: "d"}
_GOOGLE: Final = {Mode.FOOT: "walking", Mode.EBIKE: "bicycling", Mode.CAR: "driving"}
# Who sends the courier there; the makers ask for it.
_FROM: Final = "lifecircle"
# What parts a name from what stands beside it.
_PARTING: Final = re.compile(r"[\s,|:;]+")
_LONGEST_NAME: Final = 60


def map_links(place: LatLon, name: str, mode: Mode) -> dict[str, str]:
    """By map (MAPS), the address that shows the way to a place (WGS84), which is called ``name`` there.

    AMap, Tencent, Apple and Google show GCJ-02 in mainland China and WGS84 elsewhere, which is what GCJ-02 is there;
    Baidu shows BD-09. Degrees have six decimals, as the makers want it: a decimetre. A name is cut to 60 characters.
    """
    name = _PARTING.sub(" ", name).strip()[:_LONGEST_NAME].strip() or _FROM
    lat, lon = _shown(place, Datum.GCJ02)
    baidu_lat, baidu_lon = _shown(place, Datum.BD09)
    return {
        "amap": _address(
            "https://uri.amap.com/navigation",
            to=f"{lon},{lat},{name}",
            mode=_AMAP[mode],
            src=_FROM,
            coordinate="gaode",
            callnative="1",
        ),
        "tencent": _address(
            "https://apis.map.qq.com/uri/v1/routeplan",
            type=_TENCENT[mode],
            to=name,
            tocoord=f"{lat},{lon}",
            referer=_FROM,
        ),
        "baidu": _address(
            "https://api.map.baidu.com/direction",
            destination=f"latlng:{baidu_lat},{baidu_lon}|name:{name}",
            coord_type="bd09ll",
            mode=_BAIDU[mode],
            output="html",
            src=f"webapp.{_FROM}.{_FROM}",
        ),
        "apple": _address("https://maps.apple.com/", daddr=f"{lat},{lon}", dirflg=_APPLE[mode]),
        "google": _address(
            "https://www.google.com/maps/dir/", api="1", destination=f"{lat},{lon}", travelmode=_GOOGLE[mode]
        ),
    }


def _shown(place: LatLon, datum: Datum) -> tuple[str, str]:
    """Latitude and longitude in a datum."""
    lon, lat = turned(place.lon, place.lat, from_wgs84, datum)
    return f"{lat:.6f}", f"{lon:.6f}"


def _address(base: str, **parameters: str) -> str:
    # Spaces as %20: a plus is one only in forms, and not every map reads addresses as these.
    return f"{base}?{urlencode(parameters, quote_via=quote, safe=',')}"
