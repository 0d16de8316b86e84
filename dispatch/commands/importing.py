"""dispatch import stores|stock|items FILE: a file into the database, every row accounted for."""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dispatch.api.imports import mapping_of
from dispatch.api.places import split_commas
from dispatch.commands.session import CommandError, aside, database_server, opened, out, quiet_logs
from dispatch.commands.stopping import StopRequest
from dispatch.domain.errors import InvalidInput
from dispatch.services.import_errors import bad_rows_workbook
from dispatch.services.imports import ImportOutcome, ImportRequest, bad_rows_csv, look_over, open_import, run_import
from dispatch.settings import Settings
from dispatch.storage.imports import ImportCounts, read_import
from dispatch.storage.migrate import migrate
from dispatch.storage.pool import Database
from geo.datums import Datum

SOME_ROWS_FAILED: Final = 3
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SAMPLES: Final = 5
_MAX_PROFILE_BYTES: Final = 100_000
_COUNTS: Final = ("rows", "created", "updated", "unchanged", "removed", "failed", "ignored", "warnings")


def is_address(file: str) -> bool:
    """Whether it has to be fetched (commands.pulling) rather than opened."""
    return _ADDRESS.match(file) is not None


def import_request(kind: str, file: Path, **asked: Any) -> ImportRequest:
    """What is asked, from what was typed. Raises CommandError and InvalidInput before anything is begun."""
    request = request_typed(kind, file, **asked)
    if not file.is_file():
        raise CommandError(f"{file} is not a file" if file.exists() else f"there is no file {file}")
    if not os.access(file, os.R_OK):
        raise CommandError(f"{file} cannot be read; mend its mode")
    return request


def request_typed(
    kind: str,
    file: Path,
    *,
    partner: str,
    mode: str | None,
    dry_run: bool,
    datum: str | None,
    as_of: str | None,
    timezone: str | None,
    country: str | None,
    currency: str | None,
    encoding: str | None,
    sheet: str | None,
    profile: str | None,
    force: bool,
    id_from: Sequence[str],
    mapping: Sequence[str],
) -> ImportRequest:
    """What is asked of a file that need not be there yet. Raises InvalidInput."""
    now = datetime.now(UTC)
    request = ImportRequest(
        kind=kind,
        path=file,
        now=now,
        filename=file.name,
        partner=partner,
        mode=mode,
        dry_run=dry_run,
        datum=None if datum is None else Datum(datum),
        as_of=_moment(as_of, now),
        timezone=timezone,
        country=country,
        currency=currency,
        encoding=encoding,
        sheet=sheet,
        profile=_profile(profile),
        force=force,
        id_from=split_commas(id_from),
        mapping=mapping_of(list(mapping)),
    )
    assert request.effective_mode
    return request


def _profile(asked: str | None) -> str | None:
    """The name of a profile as it is; of a path, which ends in .toml or has a slash, the text of that file."""
    if asked is None or not (asked.endswith(".toml") or "/" in asked):
        return asked
    path = Path(asked)
    if not path.is_file():
        raise CommandError(f"{path} is not a file" if path.exists() else f"there is no profile file {path}")
    if path.stat().st_size > _MAX_PROFILE_BYTES:
        raise CommandError(f"{path} is larger than a profile may be, {_MAX_PROFILE_BYTES:,} bytes")
    try:
        # What has a line end is the text of a profile, not the name of one.
        return path.read_text(encoding="utf-8-sig") + "\n"
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 (byte {error.start})") from error


def _moment(text: str | None, now: datetime) -> datetime | None:
    if text is None or text == "now":
        return now if text else None
    try:
        if not text[10:]:
            raise ValueError("a day is no moment")
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput([("/query/as_of", "is neither now nor a time like 2026-11-21T22:00:00+08:00")]) from error


def run(settings: Settings, request: ImportRequest, *, errors: Path | None) -> int:
    """Import; print what became of every row. 0: all rows are good, 1: the file was refused, 3: some rows failed."""
    quiet_logs(settings)
    errors = errors or request.path.with_name(request.path.name + ".errors.csv")
    _check_place(errors, request.path)
    with StopRequest() as stop, database_server(settings, stop, make=True) as url:
        stop.run(migrate(url))
        return stop.run(_import(url, request, errors))


def _check_place(errors: Path, file: Path) -> None:
    """Raises CommandError where the bad rows cannot be written, or would take the place of the file itself."""
    if errors.exists() and file.exists() and errors.samefile(file):
        raise CommandError(f"--errors {errors}: that is the file itself; name another place for its bad rows")
    if errors.is_dir() or not errors.parent.is_dir():
        wrong = "is a folder" if errors.is_dir() else "lies in no folder that there is"
        raise CommandError(f"--errors {errors}: {wrong}; name a file for the bad rows")


async def _import(url: str, request: ImportRequest, errors: Path) -> int:
    async with opened(url) as database:
        outcome = await carry_out(database, request, errors, name=str(request.path))
    summarize(request, outcome, errors)
    return SOME_ROWS_FAILED if outcome.counts.failed else 0


async def carry_out(
    database: Database, request: ImportRequest, errors: Path, *, name: str, begun: Callable[[], object] = lambda: None
) -> ImportOutcome:
    """Import under a progress bar, and write the bad rows to ``errors``, if there are any.

    ``begun`` is called when the import is about to change what is there. Raises CommandError, which calls the file by
    ``name``, for one that is refused; ImportRunning, InvalidInput.
    """
    await asyncio.to_thread(look_over, request)
    import_id = await open_import(database, request)
    begun()
    with progress_bar(f"Importing {request.filename}") as bar:
        outcome = await run_import(database, import_id, request, bar)
    if outcome.status == "failed":
        raise CommandError(f"{name}: {refusal(outcome.report)}; nothing was imported")
    if outcome.counts.failed:
        await _write_errors(database, import_id, errors)
    return outcome


@contextlib.contextmanager
def progress_bar(title: str) -> "Iterator[_Bar]":
    """A bar on standard error for shares from 0 to 1; nothing where that is no terminal."""
    console = aside()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        yield _Bar(shown, title)


class _Bar:
    def __init__(self, shown: Progress, title: str) -> None:
        self._shown = shown
        self._task = shown.add_task(title, total=1.0)

    def __call__(self, share: float) -> None:
        self._shown.update(self._task, completed=share)


def refusal(report: Mapping[str, Any]) -> str:
    """Why an import as a whole failed, with the places."""
    places = "; ".join(f"{entry['place']}: {entry['detail']}" for entry in report.get("errors", []))
    told = f"{report['message']} ({places})" if places and places not in report["message"] else report["message"]
    return f"{told} [{report['code']}]"


async def _write_errors(database: Database, import_id: str, path: Path) -> None:
    """Write the bad rows, all or none of them; as a workbook where the name ends so, else as CSV."""
    record = await read_import(database, import_id)
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("w+b") as file:
            if path.suffix.lower() == ".xlsx":
                await bad_rows_workbook(database, record, file, tmp_dir=path.parent)
            else:
                async for page in bad_rows_csv(database, record):
                    file.write(page)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise CommandError(
            f"the good rows are imported, but the bad ones could not be written to {path} ({error.strerror});"
            " name another place with --errors and import again"
        ) from error


def summarize(request: ImportRequest, outcome: ImportOutcome, errors: Path) -> None:
    """Print what became of every row."""
    console, counts = out(), outcome.counts
    dry = ", dry run: nothing was changed" if request.dry_run else ""
    console.print(f"{request.filename}: {request.kind}, {request.effective_mode}{dry}", style="bold", soft_wrap=True)
    print_account(console, counts, outcome.report)
    if counts.failed:
        console.print(f"Bad rows: {errors} (mend them there, then import that file)", soft_wrap=True)


def print_account(console: Console, counts: ImportCounts, report: Mapping[str, Any]) -> None:
    """What became of the rows, and what was wrong or odd in them: how many of each code, and some of them."""
    table = Table("", "", show_header=False)
    table.columns[1].justify = "right"
    for name in _COUNTS:
        table.add_row(name, f"{getattr(counts, name):,}")
    console.print(table)
    if (profile := report.get("file", {}).get("profile")) is not None:
        console.print(f"Read by the profile {profile}", soft_wrap=True)
    for code, count in report.get("ignored_by_code", {}).items():
        console.print(f"{count:,} × {code} (ignored)", soft_wrap=True)
    for what in ("errors", "warnings"):
        for code, count in sorted(report.get(f"{what}_by_code", {}).items(), key=lambda entry: (-entry[1], entry[0])):
            console.print(f"{count:,} × {code} ({what.removesuffix('s')})", soft_wrap=True)
            samples = [sample for sample in report.get(what, []) if sample["code"] == code]
            for sample in samples[:_SAMPLES]:
                column = f", {sample['column']}" if sample["column"] else ""
                console.print(f"    row {sample['row']}{column}: {sample['message']}", soft_wrap=True)
    for note in ("not_removed", "not_zeroed", "read_as_part"):
        if note in report:
            console.print(report[note], soft_wrap=True)
