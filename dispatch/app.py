"""The one place that wires everything: settings in, a running service out. Nothing is built at import."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from dispatch.api import (
    closures,
    events,
    finding,
    import_changes,
    imports,
    items,
    lateness,
    maps,
    movements,
    notes,
    operating,
    orders,
    partners,
    reach,
    stores,
    tokens,
    turned_places,
)
from dispatch.api.cross_origin import answer_pages_of
from dispatch.api.docs_page import serve_docs_page
from dispatch.api.documents import DESCRIPTION, describe
from dispatch.api.envelope import Envelope
from dispatch.api.gate import Gate
from dispatch.api.pages import serve_pages
from dispatch.api.problems import answer_with_problems
from dispatch.api.shortcuts import Shortcut, ShortcutApp
from dispatch.api.state import Limits, MapTiles, Service
from dispatch.cores import Cores
from dispatch.domain.promise import PromiseDefaults
from dispatch.logs import configure_logs
from dispatch.replica.catalogue import StoreDefaults
from dispatch.replica.follower import Follower
from dispatch.replica.warming import warm_up
from dispatch.secret_file import secret_in
from dispatch.services.background import Background
from dispatch.services.housekeeping import keep_house
from dispatch.services.import_processes import ImportProcesses
from dispatch.services.lateness import keep_lateness_told
from dispatch.services.live import Hub
from dispatch.services.metrics import Metrics, keep_metrics
from dispatch.services.orders.ordering import Ordering
from dispatch.services.orders.sweeping import keep_sweeping
from dispatch.services.road_tiles import RoadTiles
from dispatch.services.roads import Roads
from dispatch.services.tokens import Tokens
from dispatch.settings import Settings, load_settings
from dispatch.storage.hot_writes import writers_on
from dispatch.storage.pool import Database
from geo.datums import Datum
from geo.travel import Mode
from geo.travel.engine import RoadEngine
from geo.travel.estimate import EstimateTravel, ModeSpeed
from geo.travel.osrm import Osrm, OsrmMode
from geo.travel.osrm_inside import OsrmInside
from geo.travel.osrm_network import is_osrm_there, osrm_networks
from geo.travel.roads import RoadBounds
from geo.travel.tiles import box_of, road_tiles
from geo.travel.valhalla import Valhalla
from geo.travel.valhalla_asking import ModeOnRoads
from geo.travel.valhalla_server import ValhallaServer

VERSION = "0.1.0"

# A group commit takes milliseconds; whatever takes longer waits for somebody who holds on.
_OF_HOT_WRITES = {"statement_timeout": "5s", "lock_timeout": "1s"}
# The longest of the others compares the file of a dry run with what is there.
_OF_OTHERS = {"statement_timeout": "900s", "lock_timeout": "10s"}

_ENGINE_THREADS = 2
_SERVER_THREADS = 8

# Less than anybody's patience; a replica that takes longer is told of by /readyz.
_SOON_S = 2.0

# A delivery note and a courier's link stand before the actions on orders, whose addresses look alike.
_MODULES = (
    finding, reach, maps, items, tokens, notes, orders, events, stores, closures, movements, partners, imports,
    import_changes, lateness, operating, turned_places,
)  # fmt: skip

type Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def travel_of(settings: Settings) -> EstimateTravel:
    """The estimate with the speeds of the settings."""
    return EstimateTravel(
        {
            Mode.FOOT: ModeSpeed(
                speed_kmh=settings.foot_speed_kmh, detour=settings.foot_detour, hour_factors=settings.foot_hour_factors
            ),
            Mode.EBIKE: ModeSpeed(
                speed_kmh=settings.ebike_speed_kmh,
                detour=settings.ebike_detour,
                hour_factors=settings.ebike_hour_factors,
            ),
            Mode.CAR: ModeSpeed(
                speed_kmh=settings.car_speed_kmh, detour=settings.car_detour, hour_factors=settings.car_hour_factors
            ),
        }
    )


def roads_of(settings: Settings) -> Roads:
    """The routing engine of the settings, with what no way on its roads beats; none: everything is estimated.

    Builds road tiles and networks if there are none yet of the extract, which takes from seconds to hours. Raises
    TilesError. A routing server is not asked yet: it may come up later.
    """
    engine = engine_of(settings)
    if engine is None:
        return Roads()
    roads = _roads_by(engine, settings)
    if engine.of_areas is not engine:
        roads.areas = _roads_by(engine.of_areas, settings)
        roads.areas.counts = roads.counts
    return roads


def _roads_by(engine: RoadEngine, settings: Settings) -> Roads:
    factors = {
        Mode.FOOT: settings.foot_hour_factors,
        Mode.EBIKE: settings.ebike_hour_factors,
        Mode.CAR: settings.car_hour_factors,
    }
    bounds = RoadBounds({mode: engine.top_speed_mps(mode) for mode in Mode}, factors)
    # One in this process is as fast as its processors; one elsewhere is mostly waited for.
    threads = _ENGINE_THREADS if settings.roads_url is None else _SERVER_THREADS
    within = box_of(settings.roads) if settings.roads is not None and settings.roads_estimate_outside else None
    return Roads(engine, bounds, threads=threads, patience_s=settings.roads_patience_s, within=within)


def engine_of(settings: Settings) -> RoadEngine | None:
    """The routing engine alone, as in ``roads_of``."""
    modes = {mode: ModeOnRoads(kmh) for mode, kmh in speeds_on_roads(settings).items()}
    if settings.roads is not None:
        valhalla = Valhalla(road_tiles(settings.roads, roads_dir(settings)), modes)
        if not times_by_osrm(settings):
            return valhalla
        return OsrmInside(osrm_networks(settings.roads, roads_dir(settings), speeds_on_roads(settings)), areas=valhalla)
    if settings.roads_url is None:
        return None
    top_kmh = {
        Mode.FOOT: settings.foot_roads_top_kmh,
        Mode.EBIKE: settings.ebike_roads_top_kmh,
        Mode.CAR: settings.car_roads_top_kmh,
    }
    if settings.roads_engine == "valhalla":
        return ValhallaServer(settings.roads_url, modes, top_kmh, patience_s=settings.roads_patience_s)
    asked = {
        Mode.FOOT: (settings.foot_roads_url, settings.foot_roads_profile),
        Mode.EBIKE: (settings.ebike_roads_url, settings.ebike_roads_profile),
        Mode.CAR: (settings.car_roads_url, settings.car_roads_profile),
    }
    by_mode = {
        mode: OsrmMode(url or settings.roads_url, profile, top_kmh[mode]) for mode, (url, profile) in asked.items()
    }
    return Osrm(by_mode, patience_s=settings.roads_patience_s)


def times_by_osrm(settings: Settings) -> bool:
    """Whether OSRM tells the times on an extract: unless the settings say otherwise, where it is to be had."""
    return settings.roads is not None and settings.roads_times == "osrm" and is_osrm_there()


def speeds_on_roads(settings: Settings) -> dict[Mode, float]:
    """Of each mode on an extract, km/h: by car on the fastest roads."""
    return {
        Mode.FOOT: settings.foot_speed_kmh,
        Mode.EBIKE: settings.ebike_road_kmh,
        Mode.CAR: settings.car_road_kmh,
    }


def roads_dir(settings: Settings) -> Path:
    """Where road tiles, and networks, are kept."""
    return settings.data_dir / "roads"


def map_tiles(settings: Settings) -> MapTiles | None:
    """The tiles of the settings for maps; none: maps show vectors alone."""
    if settings.tiles_url is None or settings.tiles_attribution is None:
        return None
    return MapTiles(
        url=settings.tiles_url,
        attribution=settings.tiles_attribution,
        datum=Datum(settings.tiles_datum),
        max_zoom=settings.tiles_max_zoom,
    )


def store_defaults(settings: Settings) -> StoreDefaults:
    """What holds for a store that does not say."""
    promise = PromiseDefaults(
        prepare_s=settings.prepare_s,
        prepare_line_s=settings.prepare_line_s,
        queue_per_order_s=settings.queue_per_order_s,
        courier_s=settings.courier_s,
        handover_s=settings.handover_s,
        mode=Mode(settings.mode),
    )
    return StoreDefaults(promise, settings.stock_stale_after_s)


@asynccontextmanager
async def _serving(
    app: FastAPI, *, settings: Settings, clock: Clock, settle: Callable[[], None] | None
) -> AsyncIterator[None]:
    """All that answers need, from the start of the app to its end."""
    if settings.database_url is None:
        raise ValueError("create_app needs a database_url; dispatch serve starts the embedded database")
    secret = settings.secret
    if secret is None:
        secret = await asyncio.to_thread(secret_in, settings.data_dir)
    url, pool_max = settings.database_url, settings.pool_max
    cores = Cores.of(settings.workers)
    helpers = ThreadPoolExecutor(thread_name_prefix="helper", initializer=cores.keep_to_background)
    asyncio.get_running_loop().set_default_executor(helpers)
    await asyncio.to_thread(warm_up)
    database = await Database.open(url, pool_min=settings.pool_min, pool_max=pool_max, server_settings=_OF_OTHERS)
    # Connections of its own: writers that wait for a lock must not keep the replica from following.
    feed = await Database.open(url, pool_min=1, pool_max=2)
    # Orders and the like must not wait for a connection behind imports, nor long for anything.
    writes = await Database.open(
        url,
        pool_min=min(settings.pool_min, settings.write_pool_max),
        pool_max=settings.write_pool_max,
        server_settings=_OF_HOT_WRITES,
    )
    follower = Follower(
        feed,
        defaults=store_defaults(settings),
        travel=travel_of(settings),
        every_s=settings.follow_every_s,
        stale_after_s=settings.replica_stale_after_s,
        monotonic=time.monotonic,
        settle=settle,
    )
    background = Background()
    writers = writers_on(writes, wait_s=settings.write_wait_s)
    roads = roads_of(settings)
    tiles_of_roads = RoadTiles(roads)
    live = Hub(database, every_s=settings.follow_every_s)
    metrics = Metrics(roads, follower, live)
    ordering = Ordering(
        database=database,
        follower=follower,
        writer=writers.orders,
        roads=roads,
        clock=clock,
        accept_s=settings.accept_s,
        wait_s=settings.write_wait_s,
    )
    app.state.service = Service(
        database=database,
        follower=follower,
        ordering=ordering,
        roads=roads,
        road_tiles=tiles_of_roads,
        map_tiles=map_tiles(settings),
        roads_attribution=settings.roads_attribution,
        metrics=metrics,
        writers=writers,
        background=background,
        imports=ImportProcesses(
            url, prepare=partial(configure_logs, settings.log_level), lag_s=lambda: follower.lag_s, cores=cores
        ),
        live=live,
        clock=clock,
        uploads=settings.data_dir / "uploads",
        limits=Limits(
            max_body_bytes=settings.max_body_bytes,
            max_file_bytes=settings.max_file_bytes,
            min_version_wait_s=settings.min_version_wait_s,
        ),
        tokens=Tokens(secret),
        public_url=settings.public_url,
    )
    follower.start()
    # A replica that is loaded soon is waited for: whoever comes then waits with it, rather than being refused.
    await follower.read_since(0.0, at_most_s=_SOON_S)
    background.start(keep_house(database, settings.data_dir / "uploads"), name="housekeeping")
    background.start(keep_metrics(metrics), name="metrics")
    background.start(keep_lateness_told(metrics, database, clock), name="lateness")
    background.start(keep_sweeping(ordering), name="sweeper")
    background.start(live.run(), name="live events")
    try:
        yield
    finally:
        live.end()
        await background.stop()
        await follower.stop()
        await feed.close()
        await writers.stop()
        tiles_of_roads.close()
        roads.close()
        await writes.close()
        await database.close()


def create_app(settings: Settings, *, clock: Clock = utc_now, settle: Callable[[], None] | None = None) -> FastAPI:
    """The service on the database of ``settings.database_url``, which must be migrated.

    ``settle`` is called once its replica is loaded, before anybody is answered from it.
    """

    app = ShortcutApp(
        title="lifecircle",
        version=VERSION,
        summary="The nearest store that can keep a one-hour promise",
        description=DESCRIPTION,
        lifespan=partial(_serving, settings=settings, clock=clock, settle=settle),
        # The page at /docs comes with the service: FastAPI's own is fetched from foreign hosts.
        docs_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redoc_url=None,
        strict_content_type=False,
    )
    serve_docs_page(app)
    serve_pages(app, tiles_url=settings.tiles_url)
    answer_with_problems(app)
    for module in _MODULES:
        app.include_router(module.router)
    app.add_middleware(Envelope)
    app.shorten(
        {
            ("POST", "/v1/quotes"): finding.quoted,
            ("POST", "/v1/quotes/batch"): finding.quoted_many,
            ("GET", "/v1/stores/nearby"): Shortcut(finding.read_nearby, finding.nearby_answered),
            ("PUT", "/v1/orders/"): Shortcut(orders.read_order_id, orders.order_put),
        }
    )
    app.wrap(lambda inner: Gate(inner, lambda: app.state.service))
    describe(app)
    # Around everything: errors and the shortest answers, too, are for pages elsewhere.
    answer_pages_of(app, settings.cors_origins)
    return app


def create_app_from_environment(*, settle: Callable[[], None] | None = None) -> FastAPI:
    """For the workers that ``dispatch serve`` starts: the settings come by the environment."""
    settings = load_settings()
    configure_logs(settings.log_level)
    # What dispatch serve has checked and opened; a worker alone must not start a database of its own.
    if settings.database_url is None:
        raise ValueError(f"DISPATCH_DATABASE_URL is not set (process {os.getpid()})")
    return create_app(settings, settle=settle)
