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

_EPILOG = "Every setting is an environment variable DISPATCH_… or a line of .env: dispatch settings lists them all."

app = typer.Typer(
    name="dispatch",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
_IMPORT_HELP = """Import stores, stock or items from a file (CSV, TSV; gzip of these), here or at an address.

\b
Examples:
dispatch import stores stores.csv --dry-run
dispatch import stock stock.csv --as-of now
dispatch import stock https://erp.example/stock.csv.gz --as-of now --header-from ERP_AUTH --every 5m
"""
imports = typer.Typer(help=_IMPORT_HELP, rich_markup_mode="rich")
app.add_typer(imports, name="import", epilog=_EPILOG)
past_imports = typer.Typer(rich_markup_mode="rich")
app.add_typer(past_imports, name="imports", epilog=_EPILOG)

DatumName = Literal["wgs84", "gcj02", "bd09"]
ModeName = Literal["foot", "ebike", "car"]

DataDir = Annotated[
    Path | None, typer.Option(help="Directory of the embedded database (DISPATCH_DATA_DIR).", show_default="var")
]
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


@app.command(epilog=_EPILOG)
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
        _settings(host=host, port=port, workers=workers, data_dir=data_dir, roads=roads, insecure=insecure or None),
        demo=demo,
    )


DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=FIELD", help="A column of the file that goes by another name; repeatable."),
]
Partner = Annotated[str, typer.Option(help="Whose stores these are; made if it is new.")]
Zone = Annotated[
    str | None, typer.Option("--timezone", help="IANA name, where the file has none.", show_default="from the place")
]
Encoding = Annotated[str | None, typer.Option(help="Such as gb18030 or big5.", show_default="recognised")]
Sheet = Annotated[str | None, typer.Option(help="Of a workbook: which sheet.", show_default="the first that is shown")]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile", help="The format by name, or a profile file such as ./till.toml.", show_default="recognised"
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Apply although a guard would refuse it.")]
Errors = Annotated[
    Path | None,
    typer.Option(help="Where to write bad rows; as a workbook if it ends in .xlsx.", show_default="FILE.errors.csv"),
]
File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="CSV, TSV, XLSX, JSON, JSON Lines, GeoJSON, XML, OSM PBF, or gzip of these; or its address.",
    ),
]
HeaderFrom = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VARIABLE",
        help="Of an address: variable of the environment with a header line, Authorization: Bearer …; repeatable.",
    ),
]
Every = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Of an address: fetch again and again, such as 30s, 5m, 24h, until Ctrl-C."),
]


@imports.command("stores", epilog=_EPILOG)
def import_stores(
    file: File,
    dry_run: DryRun = False,
    mode: Annotated[
        Literal["merge", "replace"],
        typer.Option(help="merge: add and change. replace: also take those not named out of service."),
    ] = "merge",
    datum: Annotated[
        DatumName | None,
        typer.Option(help="Of the coordinates; needed in mainland China.", show_default="wgs84 elsewhere"),
    ] = None,
    mapping: Mapping = None,
    id_from: Annotated[
        str | None, typer.Option(metavar="COLUMN,COLUMN…", help="Make the store id of these, if there is none.")
    ] = None,
    partner: Partner = "default",
    timezone: Zone = None,
    country: Annotated[str | None, typer.Option(help="Such as TW: a store outside of it is a bad row.")] = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    profile: ProfileName = None,
    force: Force = False,
    errors: Errors = None,
    header_from: HeaderFrom = None,
    every: Every = None,
    data_dir: DataDir = None,
) -> int:
    """Import stores. Good rows are applied even when others are bad; bad ones are written to a file, to be mended.

    Exit code 0: every row is good. 3: some rows are bad. 1: the file was refused, nothing is changed.

    \b
    Examples:
    dispatch import stores stores.csv --dry-run
    dispatch import stores shops.csv --map 纬度=lat --map 经度=lon --datum gcj02
    dispatch import stores list.tsv --id-from brand,city,address --partner acme
    dispatch import stores https://erp.example/stores.csv --header-from ERP_AUTH --every 24h
    """
    return _import(
        "stores", file, errors, data_dir, dry_run=dry_run, mode=mode, datum=datum, mapping=mapping or [],
        id_from=[id_from] if id_from else [], partner=partner, timezone=timezone, country=country, encoding=encoding,
        sheet=sheet, profile=profile, force=force, as_of=None, currency=None, header_from=header_from, every=every,
    )  # fmt: skip


@imports.command("stock", epilog=_EPILOG)
def import_stock(
    file: File,
    dry_run: DryRun = False,
    mode: Annotated[
        Literal["partial", "snapshot"],
        typer.Option(help="partial: the rows named. snapshot: whole shelves, what is not named is 0."),
    ] = "partial",
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="When it was counted: now, or 2026-11-21T22:00:00+08:00.", show_default="column as_of"
        ),
    ] = None,
    mapping: Mapping = None,
    partner: Partner = "default",
    timezone: Annotated[
        str | None, typer.Option(help="Of times without an offset.", show_default="each store's")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Of prices, such as TWD; or a column currency.")] = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    profile: ProfileName = None,
    force: Force = False,
    errors: Errors = None,
    header_from: HeaderFrom = None,
    every: Every = None,
    data_dir: DataDir = None,
) -> int:
    """Import stock counts. Good rows are applied even when others are bad; bad ones leave the shelf as it was.

    Exit code 0: every row is good. 3: some rows are bad. 1: the file was refused, nothing is changed.

    \b
    Examples:
    dispatch import stock stock.csv --as-of now --currency CNY
    dispatch import stock night.csv.gz --mode snapshot --as-of 2026-11-21T22:00:00+08:00
    dispatch import stock till.csv --map 条码=sku --map 数量=on_hand --as-of now --dry-run
    dispatch import stock https://erp.example/stock.csv.gz --as-of now --header-from ERP_AUTH --every 5m
    """
    return _import(
        "stock", file, errors, data_dir, dry_run=dry_run, mode=mode, as_of=as_of, mapping=mapping or [],
        partner=partner, timezone=timezone, currency=currency, encoding=encoding, sheet=sheet, profile=profile,
        force=force, datum=None, country=None, id_from=[], header_from=header_from, every=every,
    )  # fmt: skip


@imports.command("items", epilog=_EPILOG)
def import_items(
    file: File,
    dry_run: DryRun = False,
    mode: Annotated[
        Literal["merge", "replace"],
        typer.Option(help="merge: add and change. replace: also drop the partner's codes that are not named."),
    ] = "merge",
    mapping: Mapping = None,
    partner: Annotated[str, typer.Option(help="Whose codes these are; made if it is new.")] = "default",
    encoding: Encoding = None,
    sheet: Sheet = None,
    profile: ProfileName = None,
    force: Force = False,
    errors: Errors = None,
    header_from: HeaderFrom = None,
    every: Every = None,
    data_dir: DataDir = None,
) -> int:
    """Import a partner's own item codes, by which its stock is read. Good rows are applied even when others are bad.

    Columns: partner_code, sku, and if you like name and units_per_case (pieces in a case that is counted by the code).

    Exit code 0: every row is good. 3: some rows are bad. 1: the file was refused, nothing is changed.

    \b
    Examples:
    dispatch import items items.csv --partner acme --dry-run
    dispatch import items all.csv --partner acme --mode replace
    dispatch import items list.csv --map 编码=partner_code --map 国标码=sku --map 每箱=units_per_case
    """
    return _import(
        "items", file, errors, data_dir, dry_run=dry_run, mode=mode, mapping=mapping or [], partner=partner,
        encoding=encoding, sheet=sheet, profile=profile, force=force, as_of=None, timezone=None, currency=None,
        datum=None, country=None, id_from=[], header_from=header_from, every=every,
    )  # fmt: skip


def _import(
    kind: str,
    file: str,
    errors: Path | None,
    data_dir: Path | None,
    *,
    header_from: list[str] | None,
    every: str | None,
    **asked: Any,
) -> int:
    from dispatch.commands import importing

    settings = _settings(data_dir=data_dir)
    if importing.is_address(file):
        from dispatch.commands import pulling

        pull = pulling.pull_typed(settings, kind, file, header_from=header_from or [], errors=errors, **asked)
        return pulling.run(settings, pull, every=every)
    if header_from or every is not None:
        raise typer.BadParameter("--header-from and --every are for a FILE that is an address, https://…")
    return importing.run(settings, importing.import_request(kind, Path(file), **asked), errors=errors)


@past_imports.callback(invoke_without_command=True)
def list_imports(
    ctx: typer.Context,
    partner: Annotated[str | None, typer.Option(help="Only those of this partner.")] = None,
    kind: Annotated[Literal["stores", "stock", "items"] | None, typer.Option(help="Only those of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many at most.")] = 20,
    data_dir: DataDir = None,
) -> int:
    """List what was imported, newest first: by whom, when, and what came of it.

    \b
    Examples:
    dispatch imports
    dispatch imports --partner acme --kind stock --limit 50
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from dispatch.commands import past_imports

    return past_imports.run_list(_settings(data_dir=data_dir), kind=kind, partner=partner, limit=limit)


@past_imports.command("show", epilog=_EPILOG)
def show_import(
    import_id: Annotated[str, typer.Argument(metavar="ID", help="As dispatch imports lists it.")],
    data_dir: DataDir = None,
) -> int:
    """Tell what became of one import.

    \b
    Examples:
    dispatch imports show 5a0c31e59f4f4d0fb4e0ad6a5f0b7ab1
    """
    from dispatch.commands import past_imports

    return past_imports.run_show(_settings(data_dir=data_dir), import_id)


@past_imports.command("undo", epilog=_EPILOG)
def undo_import(
    import_id: Annotated[str, typer.Argument(metavar="ID", help="As dispatch imports lists it.")],
    data_dir: DataDir = None,
) -> int:
    """Put back what was before an import of the last 7 days; what was changed since stays, and is told.

    \b
    Examples:
    dispatch imports undo 5a0c31e59f4f4d0fb4e0ad6a5f0b7ab1
    """
    from dispatch.commands import past_imports

    return past_imports.run_undo(_settings(data_dir=data_dir), import_id)


@app.command(cls=NegativeNumbers, epilog=_EPILOG)
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
    return quoting.run(_settings(data_dir=data_dir), asked, as_json=as_json)


@app.command(cls=NegativeNumbers, epilog=_EPILOG)
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
    return looking.run(_settings(data_dir=data_dir), asked, as_json=as_json)


@app.command(epilog=_EPILOG)
def check(data_dir: DataDir = None) -> int:
    """Look whether all is well: database, migrations, replica, stock, roads; each problem with what mends it.

    Exit code 0: all is well. 1: something is not.

    \b
    Examples:
    dispatch check --data-dir /srv/life
    """
    from dispatch.commands import checking

    return checking.run(_settings(data_dir=data_dir))


@app.command(epilog=_EPILOG)
def migrate(data_dir: DataDir = None) -> int:
    """Bring the database to this version. serve and import do it by themselves.

    \b
    Examples:
    DISPATCH_DATABASE_URL=postgresql://me@db/life dispatch migrate
    """
    from dispatch.commands import migrating

    return migrating.run(_settings(data_dir=data_dir))


@app.command(epilog=_EPILOG)
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

    return listing.run(_settings())


def _settings(**overrides: Any) -> Any:
    from dispatch.commands.session import settings_of

    return settings_of(**overrides)


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
