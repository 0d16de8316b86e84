"""dispatch check, the roads: whether travel times come by road, and if they cannot, what to do."""

import time

import numpy as np
from numpy.typing import NDArray

from dispatch.app import engine_of, roads_dir, speeds_on_roads, times_by_osrm
from dispatch.commands.report import Report
from dispatch.settings import ENV_PREFIX, Settings
from geo.coordinates import LatLon
from geo.travel import Mode
from geo.travel.engine import EngineUnavailable, RoadEngine, Roadway
from geo.travel.osrm_inside import OsrmInside
from geo.travel.osrm_network import osrm_networks
from geo.travel.roads import LONGEST_LEG_M
from geo.travel.tiles import TilesError, road_tiles

_ANYWHERE = LatLon(lat=0.0, lon=0.001)


def check_roads(settings: Settings, places: list[LatLon], report: Report) -> None:
    """Try ways between the places, which are near each other; none: only whether a routing server answers."""
    if settings.roads is not None:
        _check_extract(settings, report)
    elif settings.roads_url is not None:
        engine = engine_of(settings)
        assert engine is not None, "an address is set"
        _check_server(settings, engine, places, report)
    else:
        report.ok("roads: none configured, travel times are estimates")


def _check_extract(settings: Settings, report: Report) -> None:
    assert settings.roads is not None, "there is one"
    try:
        tiles = road_tiles(settings.roads, roads_dir(settings))
    except TilesError as error:
        report.problem(f"roads: {error}")
        return
    size = sum(file.stat().st_size for file in tiles.rglob("*.gph"))
    report.ok(f"roads: {settings.roads.name}, {size / 2**20:,.1f} MiB of tiles")
    if not times_by_osrm(settings):
        if settings.roads_times == "osrm":
            report.ok("roads: OSRM is not to be had on this platform, Valhalla tells the times, too")
        return
    try:
        networks = osrm_networks(settings.roads, roads_dir(settings), speeds_on_roads(settings))
        OsrmInside(networks)
    except (TilesError, EngineUnavailable) as error:
        report.problem(f"roads: {error}")
        return
    size = sum(file.stat().st_size for network in networks.values() for file in network.directory.iterdir())
    report.ok(f"roads: travel times by OSRM, {size / 2**20:,.1f} MiB of networks")


def _check_server(settings: Settings, engine: RoadEngine, places: list[LatLon], report: Report) -> None:
    """Each mode is tried by itself: it may have a server of its own."""
    began = time.monotonic()
    door, others = (places[0], places[1:]) if len(places) > 1 else (_ANYWHERE, [_ANYWHERE])
    found: dict[Mode, Roadway] = {}
    for mode in Mode:
        try:
            found[mode] = _ways(engine, others, door, mode)
        except EngineUnavailable as error:
            report.problem(
                f"roads by {mode.value}: {error}. Quotes go on with the estimate meanwhile;"
                f" start the server, or correct {ENV_PREFIX}ROADS_URL and {ENV_PREFIX}ROADS_ENGINE"
            )
            return
    took_ms = (time.monotonic() - began) * 1000
    if len(places) < 2:
        report.ok(f"roads: the {engine.name} server answers; there are no two stores yet to try a way between")
        return
    for mode, ways in found.items():
        if not _has_way(ways).any():
            report.problem(
                f"roads by {mode.value}: the {engine.name} server knows no way to {door.lat:.4f} {door.lon:.4f} from"
                " the stores around it, so that they are unreachable to every quote; is its extract of another place?"
            )
            return
    report.ok(f"roads: the {engine.name} server answers, {3 * len(others)} ways in {took_ms:,.0f} ms")
    if len({tuple(ways.seconds.tolist()) for ways in found.values()}) == 1:
        report.ok(
            "roads: foot, ebike and car take equally long, for osrm-routed serves one profile a process; if stores have"
            f" several modes, name a server for each with {ENV_PREFIX}FOOT_ROADS_URL and the like"
        )


def _ways(engine: RoadEngine, places: list[LatLon], door: LatLon, mode: Mode) -> Roadway:
    lats, lons = np.array([place.lat for place in places]), np.array([place.lon for place in places])
    return engine.ways(lats=lats, lons=lons, destination=door, mode=mode)


def _has_way(ways: Roadway) -> NDArray[np.bool_]:
    return ~np.isnan(ways.seconds) & (ways.place_leg_m <= LONGEST_LEG_M) & (ways.door_leg_m <= LONGEST_LEG_M)
