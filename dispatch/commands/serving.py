"""dispatch serve: everything in its order, from the settings to the addresses to open, and back down again."""

import contextlib
import ipaddress
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from dispatch.app import VERSION, create_app, roads_dir, speeds_on_roads, times_by_osrm
from dispatch.commands.examples import Examples, find_examples
from dispatch.commands.importing import progress_bar
from dispatch.commands.server import ReadyServer, config_of, settle_memory
from dispatch.commands.session import CommandError, database_server, opened, out
from dispatch.commands.stopping import Stopped, StopRequest
from dispatch.commands.workers import Workers, worker_environment
from dispatch.cores import Cores
from dispatch.demo import DemoState, demo_roads, demo_stores, prepare_demo
from dispatch.logs import configure_logs
from dispatch.secret_file import secret_in
from dispatch.serve_lock import acquire_serve_lock
from dispatch.settings import Settings
from dispatch.storage.migrate import migrate
from dispatch.storage.stores import some_stores
from geo.travel.osrm_network import osrm_networks
from geo.travel.tiles import TilesError, road_tiles

# Of so many stores the first around which a quote can be fulfilled makes an example.
_STORES_TRIED: Final = 12
_INVENTED: Final = "街道均为虚构 · every street is invented"


def run(settings: Settings, *, demo: bool) -> int:
    """Serve until asked to stop; 0. Raises what commands.failures tells in one line."""
    configure_logs(settings.log_level)
    places = _places(settings)
    try:
        with (
            StopRequest() as stop,
            acquire_serve_lock(settings.data_dir, _address(settings.host, settings.port)) as lock,
            _listening(settings, places) as listener,
            contextlib.ExitStack() as meanwhile,
        ):
            address = _address(settings.host, listener.getsockname()[1])
            lock.tell(address)
            if settings.secret is None:
                secret_in(settings.data_dir)  # told here in one line if it is none; the workers read it
            _prepare_roads(settings, stop)
            say(_what_database(settings))
            with Cores.of(settings.workers).in_background():
                url = meanwhile.enter_context(database_server(settings, stop, make=True, watch=True))
            settings = _prepare(settings, url, stop, demo=demo)
            lock.tell(address, roads=settings.roads)
            _Service(settings, url, listener, address, demo=demo).serve(stop)
    except Stopped:
        pass
    say("Stopped.")
    return 0


def say(text: str) -> None:
    """A line of the serving's progress; standard error is left to what goes wrong."""
    out().print(text, soft_wrap=True)


# ── where ──────────────────────────────────────────────────────────────────────────────────────────────────────────

type _Place = tuple[socket.AddressFamily, tuple[str, int]]


def _places(settings: Settings) -> list[_Place]:
    """What the host and port mean. Raises CommandError for a host that is unknown, or open to others unasked."""
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (socket.gaierror, UnicodeError) as error:
        raise CommandError(f"there is no address {settings.host}; try --host 127.0.0.1") from error
    places: list[_Place] = [(family, (str(at[0]), int(at[1]))) for family, _, _, _, at in found]
    if not settings.insecure and not all(ipaddress.ip_address(host).is_loopback for _, (host, _) in places):
        raise CommandError(
            f"{settings.host} can be reached from other machines, and without keys everybody there is admin;"
            " use --host 127.0.0.1, or add --insecure if that is meant"
        )
    return places


@contextlib.contextmanager
def _listening(settings: Settings, places: list[_Place]) -> Iterator[socket.socket]:
    """A socket on the first of the places. It listens at once, since a port that is only bound can be bound again."""
    family, place = places[0]
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
            listener.listen(2048)
        except OSError as error:
            where = f"port {settings.port} of {settings.host}"
            if isinstance(error, PermissionError):
                why = f"{where} is not for ordinary users; choose one from 1024 on, such as --port 8001"
            elif isinstance(error, OSError) and settings.port and "in use" in os.strerror(error.errno or 0):
                why = f"{where} is in use; stop what uses it, or choose another, such as --port {settings.port + 1}"
            else:
                why = f"cannot listen on {where}: {os.strerror(error.errno or 0).lower()}; choose another --host"
            raise CommandError(why) from error
        yield listener


def _address(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _what_database(settings: Settings) -> str:
    if settings.database_url is not None:
        return "Using the database of DISPATCH_DATABASE_URL"
    first = "" if (settings.data_dir / "postgres").is_dir() else ", made now"
    return f"Starting PostgreSQL in {settings.data_dir}{first}"


# ── the roads ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare_roads(settings: Settings, stop: StopRequest) -> None:
    """Build road tiles and networks, once for each extract. Raises TilesError."""
    if settings.roads_url is not None:
        say(f"Travel times by road from the {settings.roads_engine} server of DISPATCH_ROADS_URL, once it answers")
    if settings.roads is None:
        return
    began = time.monotonic()
    try:
        with progress_bar(f"Road tiles of {settings.roads.name}") as bar:
            road_tiles(settings.roads, roads_dir(settings), progress=lambda _what, share: bar(share) if share else None)
        if times_by_osrm(settings):
            with progress_bar(f"Networks of {settings.roads.name}") as bar:
                osrm_networks(
                    settings.roads,
                    roads_dir(settings),
                    speeds_on_roads(settings),
                    progress=lambda _what, share: bar(share) if share else None,
                )
    except TilesError:
        stop.check()  # Ctrl-C ends the builder too, which is then no fault of the extract
        raise
    stop.check()
    by = "OSRM" if times_by_osrm(settings) else "Valhalla"
    say(f"Travel times by road on {settings.roads.name}, by {by}, ready after {time.monotonic() - began:.1f} s")
    if by == "Valhalla" and settings.roads_times == "osrm":
        say("OSRM is not to be had on this platform (osrm-bindings is not installed): Valhalla tells the times, too")


# ── the data ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare(settings: Settings, url: str, stop: StopRequest, *, demo: bool) -> Settings:
    """Make the database ready; the settings to serve it with, which differ on the roads of the demo city."""
    if applied := stop.run(migrate(url)):
        say(f"Migrated the database: {', '.join(applied)}")
    if not demo:
        return settings
    state = stop.run(_prepare_demo(settings, url))
    if settings.roads is not None or settings.roads_url is not None or not state.stores:
        return settings
    if state.others:
        say("There are stores beside those of the demo: travel times are estimates; by road with --roads FILE.osm.pbf")
        return settings
    # Whoever brings stores of another city in finds them estimated, as without the demo.
    of_demo = {"roads": demo_roads(settings.data_dir), "roads_estimate_outside": True, "roads_attribution": _INVENTED}
    on_its_roads = settings.model_copy(update=of_demo)
    _prepare_roads(on_its_roads, stop)
    say("The demo city's roads are synthetic too: every street and bridge is invented")
    return on_its_roads


async def _prepare_demo(settings: Settings, url: str) -> DemoState:
    async with opened(url) as database:
        with progress_bar("Loading the demo city") as bar:
            state = await prepare_demo(
                database, settings.data_dir, clock=lambda: datetime.now(UTC), progress=bar, say=say
            )
    if state.loaded:
        say(f"Loaded {state.stores:,} invented stores with their stock")
    elif state.stores:
        say(f"The stock of the {state.stores:,} invented stores counts as of now")
    else:
        say("The database has stores of its own: the demo city is left out")
    return state


# ── the service ────────────────────────────────────────────────────────────────────────────────────────────────────


class _Service:
    def __init__(self, settings: Settings, url: str, listener: socket.socket, address: str, *, demo: bool) -> None:
        self._settings = settings
        self._url = url
        self._listener = listener
        self._address = address
        self._demo = demo
        self._began = time.monotonic()

    def serve(self, stop: StopRequest) -> None:
        """Serve until stopped: in this process, or in several that it looks after."""
        if self._settings.workers > 1:
            environment = worker_environment(self._settings, self._url)
            workers = Workers(self._settings.workers, self._listener, environment, self._announce)
            stop.run(workers.run())
            return
        app = create_app(self._settings.model_copy(update={"database_url": self._url}), settle=settle_memory)
        server = ReadyServer(config_of(app, self._settings.log_level), app, self._announce)

        def end() -> None:
            server.should_exit = True

        with stop.obeyed_by(end):
            server.serve_until_told(self._listener)

    async def _announce(self) -> None:
        """Say what to open, once everything answers."""
        async with opened(self._url) as database:
            # Answers are made on this loop already: a list of all stores would hold them up for half a second.
            stores, some = await some_stores(database, _STORES_TRIED)
            of_demo = await demo_stores(database, self._settings.data_dir)
        examples = await find_examples(self._address, some)
        show(out(), self._settings, self._address, stores, of_demo, examples)


def show(
    console: Console, settings: Settings, address: str, stores: int, of_demo: int, examples: Examples | None
) -> None:
    """Print the addresses to open. Long lines stay whole, so that they can be copied."""

    def line(text: str = "") -> None:
        console.print(text, soft_wrap=True)

    workers = f"{settings.workers} workers" if settings.workers > 1 else "1 worker"
    line()
    line(f"lifecircle {VERSION} serves {address} ({stores:,} stores, {workers})")
    if of_demo:
        others = "" if of_demo == stores else f" ({of_demo:,} of {stores:,})"
        line(f"Demo stores{others} are synthetic: every store, chain, product, price and count is invented.")
    line()
    line(f"  The shopper's map   {address}/")
    line(f"  The ops console     {address}/ops")
    if examples is not None:
        line(f"  A store's screen    {address}{examples.store_path}")
    line(f"  API documentation   {address}/docs")
    if examples is not None:
        line(f"  Stores nearby       {address}{examples.nearby_path}")
        line("  A quote")
        line(f"    {examples.quote_command}")
        line(f"    {examples.quote_says}")
    elif not stores:
        line("  There are no stores yet: dispatch import stores FILE, or start with --demo on an empty database.")
    line()
    line("Ctrl-C stops it.")
    console.file.flush()
