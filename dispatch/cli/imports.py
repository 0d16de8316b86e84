"""What may be typed of imports: to begin one, and to look at those there were."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dispatch.cli.options import EPILOG, DataDir, settings_of

_IMPORT_HELP = """Import stores, stock or items from a file (CSV, TSV; gzip of these), here or at an address.

\b
Examples:
dispatch import stores stores.csv --dry-run
dispatch import stock stock.csv --as-of now
dispatch import stock https://erp.example/stock.csv.gz --as-of now --header-from ERP_AUTH --every 5m
"""
imports = typer.Typer(help=_IMPORT_HELP, rich_markup_mode="rich")
past_imports = typer.Typer(rich_markup_mode="rich")

DatumName = Literal["wgs84", "gcj02", "bd09"]
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


@imports.command("stores", epilog=EPILOG)
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


@imports.command("stock", epilog=EPILOG)
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


@imports.command("items", epilog=EPILOG)
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

    settings = settings_of(data_dir=data_dir)
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

    return past_imports.run_list(settings_of(data_dir=data_dir), kind=kind, partner=partner, limit=limit)


@past_imports.command("show", epilog=EPILOG)
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

    return past_imports.run_show(settings_of(data_dir=data_dir), import_id)


@past_imports.command("undo", epilog=EPILOG)
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

    return past_imports.run_undo(settings_of(data_dir=data_dir), import_id)
