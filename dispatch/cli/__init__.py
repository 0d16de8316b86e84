"""The command line: what may be typed. What it does is in dispatch.commands, a file a command.

Those are imported when their command runs: with them, ``dispatch --help`` would take two seconds instead of a quarter.
"""

import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from dispatch.cli.imports import imports, past_imports
from dispatch.cli.options import EPILOG, DataDir, settings_of

app = typer.Typer(
    name="dispatch",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)
app.add_typer(imports, name="import", epilog=EPILOG)
app.add_typer(past_imports, name="imports", epilog=EPILOG)

ModeName = Literal["foot", "ebike", "car"]

Lat = Annotated[float, typer.Argument(metavar="LAT", help="Latitude in degrees, south negative.")]
Lon = Annotated[float, typer.Argument(metavar="LON", help="Longitude in degrees, west negative.")]
Datum = Annotated[
    Literal["wgs84", "gcj02", "bd09"], typer.Option(help="What LAT LON are given in, and the answer is told in.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the HTTP interface answers.")]


class NegativeNumbers(TyperCommand):
    """A command whose arguments may be negative numbers, which would be taken for options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # A number may have white space before it; an option may not.
        return super().parse_args(ctx, [f" {arg}" if re.match(r"-\.?\d", arg) else arg for arg in args])


@app.callback(invoke_without_command=True)
def dispatch(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Find the nearest convenience store that can keep a one-hour promise.

    \b
    Examples:
    dispatch serve --demo                 serve, with an invented city to try
    dispatch import stores stores.csv     bring in your own stores, then stock
    dispatch quote 37.87 112.55 SKU:2     which store can bring this?
    dispatch check                        is all well?
    """
    if version:
        print(f"lifecircle {installed_version('lifecircle')}")
    elif ctx.invoked_subcommand is None:
        print(ctx.get_help())


@app.command(epilog=EPILOG)
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (DISPATCH_HOST).", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0: any that is free (DISPATCH_PORT).", show_default="8000")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that answer (DISPATCH_WORKERS).", show_default="1")
    ] = None,
    data_dir: DataDir = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Load an invented city if there are no stores; date its stock anew.")
    ] = False,
    roads: Annotated[
        Path | None, typer.Option(help="OpenStreetMap extract, .osm.pbf (DISPATCH_ROADS).", show_default="estimates")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on other than loopback addresses though there are no keys.")
    ] = False,
) -> int:
    """Serve quotes and nearby searches over HTTP until Ctrl-C.

    Without DISPATCH_DATABASE_URL it starts its own PostgreSQL in the data directory, and stops it in the end.

    \b
    Examples:
    dispatch serve --demo
    dispatch serve --port 8001 --data-dir /srv/life
    dispatch serve --roads taipei.osm.pbf
    DISPATCH_DATABASE_URL=postgresql://me@db/life dispatch serve --workers 4
    """
    from dispatch.commands import serving

    return serving.run(
        settings_of(host=host, port=port, workers=workers, data_dir=data_dir, roads=roads, insecure=insecure or None),
        demo=demo,
    )


@app.command(cls=NegativeNumbers, epilog=EPILOG)
def quote(
    lat: Lat,
    lon: Lon,
    sku: Annotated[
        list[str], typer.Argument(metavar="SKU[:QUANTITY]…", help="What is wanted; quantity 1 if none is named.")
    ],
    promise_minutes: Annotated[int, typer.Option(help="5 to 240.")] = 60,
    strategy: Annotated[
        Literal["nearest", "fastest"], typer.Option(help="nearest: shortest way to the door. fastest: whole promise.")
    ] = "nearest",
    mode: Annotated[ModeName | None, typer.Option(help="How it travels.", show_default="the store's")] = None,
    alternatives: Annotated[int, typer.Option(help="So many more stores, 0 to 20.")] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Why nearer stores were passed over.")] = False,
    datum: Datum = "wgs84",
    as_json: Json = False,
    data_dir: DataDir = None,
) -> int:
    """Tell which store can bring this, when, and why no other is better. From the database; no server need run.

    \b
    Examples:
    dispatch quote 37.87 112.55 2900007982638:2 2900010063331
    dispatch quote -33.9 151.2 4710018000109 --explain --promise-minutes 30
    """
    from dispatch.commands import quoting

    asked = quoting.question_asked(
        lat=lat, lon=lon, lines=sku, datum=datum, promise_minutes=promise_minutes, strategy=strategy, mode=mode,
        alternatives=alternatives, explain=explain,
    )  # fmt: skip
    return quoting.run(settings_of(data_dir=data_dir), asked, as_json=as_json)


@app.command(cls=NegativeNumbers, epilog=EPILOG)
def nearby(
    lat: Lat,
    lon: Lon,
    radius_m: Annotated[float, typer.Option(help="In metres, at most 50000.")] = 3000.0,
    limit: Annotated[int, typer.Option(help="At most 200.")] = 20,
    sku: Annotated[list[str] | None, typer.Option(help="Only stores that have it; repeatable.")] = None,
    open_now: Annotated[bool, typer.Option("--open-now", help="Only open stores.")] = False,
    datum: Datum = "wgs84",
    as_json: Json = False,
    data_dir: DataDir = None,
) -> int:
    """List the stores around a place, nearest first. From the database; no server need run.

    \b
    Examples:
    dispatch nearby 37.87 112.55 --radius-m 800
    dispatch nearby 37.87 112.55 --sku 2900007982638 --open-now
    """
    from dispatch.commands import looking

    asked = looking.nearby_asked(
        lat=lat, lon=lon, datum=datum, radius_m=radius_m, limit=limit, skus=sku or [], open_now=open_now
    )
    return looking.run(settings_of(data_dir=data_dir), asked, as_json=as_json)


@app.command(epilog=EPILOG)
def check(data_dir: DataDir = None) -> int:
    """Look whether all is well: database, migrations, replica, stock, roads; each problem with what mends it.

    Exit code 0: all is well. 1: something is not.

    \b
    Examples:
    dispatch check --data-dir /srv/life
    """
    from dispatch.commands import checking

    return checking.run(settings_of(data_dir=data_dir))


@app.command(epilog=EPILOG)
def migrate(data_dir: DataDir = None) -> int:
    """Bring the database to this version. serve and import do it by themselves.

    \b
    Examples:
    DISPATCH_DATABASE_URL=postgresql://me@db/life dispatch migrate
    """
    from dispatch.commands import migrating

    return migrating.run(settings_of(data_dir=data_dir))


@app.command(epilog=EPILOG)
def profiles(
    kind: Annotated[
        Literal["stores", "stock"] | None, typer.Argument(help="Only those of stores, or of stock.", show_default="all")
    ] = None,
) -> int:
    """List the formats of files that are known by name, and the columns by which each is recognised.

    \b
    Examples:
    dispatch profiles
    dispatch profiles stock
    """
    from dispatch.commands import profiles

    return profiles.run(kind)


@app.command()
def settings() -> int:
    """List every setting: its variable, default, what it is now where that differs, and its meaning.

    \b
    Examples:
    DISPATCH_EBIKE_SPEED_KMH=18 dispatch settings
    """
    from dispatch.commands import listing

    return listing.run(settings_of())


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. What goes wrong is told in one line on standard error."""
    try:
        code = app(args=list(arguments), prog_name="dispatch", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except TyperException as error:
        context = getattr(error, "ctx", None)
        name = context.command_path if context is not None else "dispatch"
        return _fail(f"{error.format_message().rstrip('.')}; see {name} --help", error.exit_code, name)
    except BrokenPipeError:
        # Whoever read our output has gone; flushing the rest at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return _fail("interrupted", 128 + signal.SIGINT)
    except Exception as error:
        from dispatch.commands.failures import line_of
        from dispatch.commands.stopping import Stopped

        if isinstance(error, Stopped):
            return _fail("stopped", 128 + signal.SIGINT)
        if (line := line_of(error)) is not None:
            return _fail(line, 1)
        if os.environ.get("DISPATCH_LOG_LEVEL", "").lower() == "debug":
            traceback.print_exc()
        said = " ".join(str(error).split())
        return _fail(
            f"this is a fault of lifecircle ({type(error).__name__}: {said}); DISPATCH_LOG_LEVEL=debug tells more", 70
        )


def _fail(line: str, code: int, name: str = "dispatch") -> int:
    print(f"{name}: {' '.join(line.split())}", file=sys.stderr)
    return code


def main() -> None:
    """The command ``dispatch``."""
    sys.exit(run(sys.argv[1:]))
