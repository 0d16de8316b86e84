"""dispatch import stores|stock https://…: a file that is fetched and imported, once or on a schedule."""

import asyncio
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from dispatch.commands.failures import line_of
from dispatch.commands.importing import SOME_ROWS_FAILED, carry_out, request_typed, summarize
from dispatch.commands.schedule import Chance, Schedule, retry_after_s, seconds_of
from dispatch.commands.session import CommandError, aside, database_server, opened, out, quiet_logs
from dispatch.commands.stopping import Stopped, StopRequest
from dispatch.domain.errors import ImportNotFound
from dispatch.services.addresses import Address, PullError, address_of, header_of
from dispatch.services.imports import ImportOutcome, ImportRequest
from dispatch.services.pulling import Fetched, Limits, Received, Validators, fetch
from dispatch.services.pulls import Memory, Pulled, fingerprint
from dispatch.settings import Settings
from dispatch.storage.imports import read_import
from dispatch.storage.migrate import migrate
from dispatch.storage.pool import Database

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COUNTS: Final = ("created", "updated", "unchanged", "removed", "failed", "ignored", "warnings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """What to fetch, and what to do with it: ``request``, whose file, name and moments are those of each time."""

    address: Address
    headers: dict[str, str] = field(repr=False)
    request: ImportRequest
    as_of_now: bool
    errors: Path
    folder: Path
    limits: Limits

    @property
    def file_name(self) -> str:
        return self.address.file_name or self.request.kind


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one time. ``outcome`` None: the file is unchanged ``since``, and nothing was imported.

    ``since`` None: the file is a new one.
    """

    request: ImportRequest
    since: datetime | None
    outcome: ImportOutcome | None


def pull_typed(
    settings: Settings, kind: str, address: str, *, header_from: Sequence[str], errors: Path | None, **asked: Any
) -> Pull:
    """What is asked, from what was typed. Raises CommandError, PullError and InvalidInput before anything is begun."""
    source = address_of(address)
    return Pull(
        address=source,
        headers=_headers_of(header_from),
        request=request_typed(kind, Path(source.file_name or kind), **asked),
        as_of_now=asked["as_of"] == "now",
        errors=errors or Path(f"{source.file_name or kind}.errors.csv"),
        folder=settings.data_dir / "pulls",
        limits=Limits(most_bytes=settings.max_file_bytes),
    )


def _headers_of(variables: Sequence[str]) -> dict[str, str]:
    """The headers that variables of the environment hold. Raises CommandError, which repeats none of them."""
    headers: dict[str, str] = {}
    for variable in variables:
        if not _VARIABLE.fullmatch(variable):
            raise CommandError(
                "--header-from: is not the name of a variable; put the header into the environment, where the list of"
                " processes does not show it, and name the variable here"
            )
        line = os.environ.get(variable)
        if not line:
            raise CommandError(f"--header-from: there is no variable {variable} in the environment, or it is empty")
        try:
            name, value = header_of(line)
        except ValueError as error:
            raise CommandError(f"--header-from: the variable {variable} {error}") from None
        if name.lower() in map(str.lower, headers):
            raise CommandError(f"--header-from: the variable {variable} holds the header {name} a second time")
        headers[name] = value
    return headers


def run(settings: Settings, pull: Pull, *, every: str | None) -> int:
    """Fetch and import, once or until asked to stop. 0: all is good, or it was asked to stop; 3: some rows failed."""
    quiet_logs(settings)
    every_s = None if every is None else seconds_of(every)
    with StopRequest() as stop, database_server(settings, stop, make=True, watch=every_s is not None) as url:
        puller = Puller(url, pull)
        if every_s is None:
            return _told(stop.run(puller.once()), pull)
        try:
            keep_pulling(
                lambda: stop.run(puller.once()),
                every_s=every_s,
                clock=time.monotonic,
                wait=lambda wait_s: stop.run(asyncio.sleep(wait_s)),
                chance=random.random,
                say=lambda came: _say(came, pull),
                complain=_complain,
            )
        except Stopped:
            aside().print("Stopped.")
            return 0


def keep_pulling(
    pull_once: Callable[[], Came],
    *,
    every_s: float,
    clock: Callable[[], float],
    wait: Callable[[float], object],
    chance: Chance,
    say: Callable[[Came], object],
    complain: Callable[[Exception, float], object],
) -> NoReturn:
    """Pull now and then on the schedule, one after the other, until ``pull_once`` or ``wait`` raises Stopped.

    What fails is tried again, sooner than the schedule says where that may help, and never ends it.
    """
    schedule = Schedule.begun(clock(), every_s=every_s, chance=chance)
    failures = 0
    while True:
        try:
            came = pull_once()
        except Stopped:
            raise
        except Exception as error:
            failures += 1
            wait_s = _wait_s(error, failures, schedule, now_s=clock(), chance=chance)
            complain(error, wait_s)
        else:
            failures = 0
            say(came)
            now_s = clock()
            wait_s = schedule.next_after(now_s) - now_s
        wait(wait_s)


def _wait_s(error: Exception, failures: int, schedule: Schedule, *, now_s: float, chance: Chance) -> float:
    told_s = error.retry_after_s if isinstance(error, PullError) else None
    if isinstance(error, PullError) and not error.soon:
        return max(schedule.next_after(now_s) - now_s, told_s or 0.0)
    return retry_after_s(failures, every_s=schedule.every_s, chance=chance, told_s=told_s)


class Puller:
    """Pulls into the database at ``url``, which is brought to this version the first time."""

    def __init__(self, url: str, pull: Pull, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url = url
        self._pull = pull
        self._now = now
        self._asked = fingerprint(pull.request, as_of_now=pull.as_of_now)
        self._migrated = False

    async def once(self) -> Came:
        """Fetch, and import what has come, or what the server confirms where that has to be counted anew.

        Raises PullError, CommandError for a file that is refused, ImportRunning, InvalidInput, DatabaseUnavailable.
        """
        pull = self._pull
        if not self._migrated:
            await migrate(self._url)
            self._migrated = True
        async with opened(self._url) as database:
            kind, partner = pull.request.kind, pull.request.partner
            with Memory.held(pull.folder, pull.address, kind=kind, partner=partner) as memory:
                last = None if pull.request.dry_run else await self._last(database, memory)
                return await self._pull_after(last, database, memory)

    async def _last(self, database: Database, memory: Memory) -> Pulled | None:
        """The last pull, if it went into this database: another one knows nothing of it."""
        last = memory.recall(self._asked)
        if last is not None:
            with suppress(ImportNotFound):
                await read_import(database, last.import_id)
                return last
        return None

    async def _pull_after(self, last: Pulled | None, database: Database, memory: Memory) -> Came:
        asked_at = self._now()
        came = await self._fetch(memory.part, last, asked_at)
        pulled = last if came is None else self._noted(came, last, asked_at)
        assert pulled is not None, "only what is remembered can be confirmed"
        file = memory.copy if came is None else memory.part
        request = replace(self._pull.request, path=file, now=self._now(), filename=pulled.filename)
        if self._pull.as_of_now:
            # The count is no newer than the question: what was sold while the file came may still be in it.
            request = replace(request, as_of=asked_at)
        since = last.since if last is not None and last.sha256 == pulled.sha256 else None
        outcome = None
        if since is None or pulled.again:
            outcome = await self._import(database, request, memory)
            again = self._pull.as_of_now or outcome.counts.failed > 0
            pulled = msgspec.structs.replace(pulled, import_id=outcome.import_id, again=again)
        if not request.dry_run:
            memory.remember(pulled, file)
        return Came(request, since, outcome)

    def _noted(self, came: Fetched, last: Pulled | None, at: datetime) -> Pulled:
        """What will be remembered of a file that has come; of the same bytes as before, what is known of them."""
        same = last if last is not None and last.sha256 == came.sha256 else None
        return Pulled(
            address=self._pull.address.shown,
            asked=self._asked,
            sha256=came.sha256,
            import_id="" if same is None else same.import_id,
            since=at if same is None else same.since,
            filename=came.file_name or self._pull.file_name,
            again=same is not None and same.again,
            etag=came.validators.etag,
            last_modified=came.validators.last_modified,
        )

    async def _fetch(self, to: Path, last: Pulled | None, now: datetime) -> Fetched | None:
        pull, given_up = self._pull, threading.Event()

        def fetch_it(received: Received) -> Fetched | None:
            return fetch(
                pull.address,
                to,
                headers=pull.headers,
                known=Validators() if last is None else last.validators,
                whole=pull.request.effective_mode in ("replace", "snapshot"),
                limits=pull.limits,
                now=now,
                received=received,
                cancelled=given_up.is_set,
            )

        with _download_bar(f"Fetching {pull.file_name}") as received:
            try:
                # It looks at the clock itself, except while a name is looked up or headers drip.
                async with asyncio.timeout(pull.limits.total_s):
                    return await _in_daemon(lambda: fetch_it(received))
            except TimeoutError:
                raise pull.limits.too_slow(pull.address) from None
            finally:
                given_up.set()

    async def _import(self, database: Database, request: ImportRequest, memory: Memory) -> ImportOutcome:
        def begun() -> None:
            if not request.dry_run:
                memory.forget()

        return await carry_out(database, request, self._pull.errors, name=self._pull.address.shown, begun=begun)


async def _in_daemon[T](work: Callable[[], T]) -> T:
    """What ``work`` returns or raises, from a thread that the end of this process does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], object]) -> None:
        # Whoever waited may have gone, and the loop with him.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if done.done() else settled())

    def run_there() -> None:
        try:
            result = work()
        except BaseException as error:
            failure = error
            settle(lambda: done.set_exception(failure))
        else:
            settle(lambda: done.set_result(result))

    threading.Thread(target=run_there, name="download", daemon=True).start()
    return await done


@contextmanager
def _download_bar(title: str) -> Iterator[Received]:
    """A bar on standard error; nothing where that is no terminal."""
    console = aside()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(title, total=None)
        yield lambda size, total: shown.update(task, completed=size, total=total)


def _told(came: Came, pull: Pull) -> int:
    """Print what came of a single pull; its exit code."""
    if came.outcome is None:
        out().print(f"{came.request.filename}: {_unchanged(came)}; nothing was imported", soft_wrap=True)
        return 0
    if came.since is not None:
        out().print(f"{came.request.filename}: {_unchanged(came)}, imported again", soft_wrap=True)
    summarize(came.request, came.outcome, pull.errors)
    return SOME_ROWS_FAILED if came.outcome.counts.failed else 0


def _unchanged(came: Came) -> str:
    assert came.since is not None
    return f"unchanged since {_moment(came.since)}"


def _say(came: Came, pull: Pull) -> None:
    """One line for one time of many."""
    console = out()
    console.print(f"{_moment(datetime.now(UTC))} {_in_a_line(came, pull)}", soft_wrap=True)
    console.file.flush()


def _in_a_line(came: Came, pull: Pull) -> str:
    status = "imported" if came.since is None else _unchanged(came)
    if came.outcome is None:
        return f"{status}: {came.request.filename}"
    counts = came.outcome.counts
    told = [f"{counts.rows:,} rows"]
    told += [f"{getattr(counts, name):,} {name}" for name in _COUNTS if getattr(counts, name)]
    dry = " (dry run)" if came.request.dry_run else ""
    bad = f" (see {pull.errors})" if counts.failed else ""
    again = ", imported again" if came.since is not None else ""
    return f"{status}{again}: {came.request.filename}{dry}: {', '.join(told)}{bad}"


def _complain(error: Exception, wait_s: float) -> None:
    # What a fault of ours says might repeat anything.
    line = line_of(error) or f"this is a fault of lifecircle ({type(error).__name__})"
    console = aside()
    told = "failed" if not isinstance(error, PullError) or error.soon else "failed, and somebody has to mend it"
    console.print(f"{_moment(datetime.now(UTC))} {told}: {line}; again in {_span(wait_s)}", soft_wrap=True)
    console.file.flush()


def _moment(at: datetime) -> str:
    return at.astimezone().isoformat(timespec="seconds")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
