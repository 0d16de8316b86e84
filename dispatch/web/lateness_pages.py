"""Pages that tell whose upload is late today; whole HTML documents that load nothing and run nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from urllib.parse import quote

from dispatch.web.documents import COLOURS, document, headers_of, row, table, time
from dispatch.web.words import Words

_STYLE: Final = (
    COLOURS
    + """main { max-width: 80rem; margin: 0 auto; padding: 1rem; overflow-x: auto; }
h1 { font-size: 1.4rem; }
a { color: inherit; }
p { color: var(--soft); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: start; vertical-align: top; padding: .5rem .6rem; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
thead th { color: var(--soft); font-weight: 600; }
.late .state { color: var(--late); font-weight: 700; }
@media (max-width: 48rem) {
  thead { position: absolute; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  tr { border: 1px solid var(--line); border-radius: .5rem; margin-bottom: .8rem; }
  tbody td { display: flex; gap: 1rem; justify-content: space-between; text-align: end; overflow-wrap: anywhere; }
  td::before { content: attr(data-label); color: var(--soft); text-align: start; }
  tr > :last-child { border-bottom: 0; }
}
"""
)

HEADERS: Final = headers_of(_STYLE, vary="Accept-Language")
"""What a page is sent with."""

type Told = Mapping[str, Any]
"""An entry as GET /v1/uploads tells it."""

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


def partners_page(uploads: Sequence[Told], now: datetime, next_cursor: str | None, words: Words) -> str:
    """Every partner, in the order given, which is late ones first."""
    if not uploads:
        return _page(words.title, [_told_at(now, words), f"<p>{escape(words.no_partners)}</p>"], words)
    columns = (
        words.partner, words.state, words.due, words.stores, words.never_counted, words.newest, words.oldest,
        words.last_stock, words.last_stores,
    )  # fmt: skip
    rows = [_partner_row(told, columns, now, words) for told in uploads]
    return _page(words.title, [_told_at(now, words), table(columns, rows), _next(next_cursor, words)], words)


def stores_page(
    partner: str, due_at: str | None, stores: Sequence[Told], now: datetime, next_cursor: str | None, words: Words
) -> str:
    """A partner's late stores, in the order given, which is worst first."""
    back = f'<p><a href="/uploads">{escape(words.all_partners)}</a></p>'
    columns = (words.store, words.name, words.due, words.counted)
    rows = [row("", columns, _store_cells(told, words)) for told in stores]
    said = words.nobody_late if due_at is not None else words.no_time
    body = [table(columns, rows), _next(next_cursor, words)] if rows else [f"<p>{escape(said)}</p>"]
    return _page(words.late_stores_of.format(partner=partner), [back, _told_at(now, words), *body], words)


def _partner_row(told: Told, columns: Sequence[str], now: datetime, words: Words) -> str:
    cells = [
        escape(told["partner"]),
        _state(told, words),
        escape(told["stock_due_at"] or words.none),
        f"{told['stores']:,}",
        f"{told['stores_never_counted']:,}",
        _count(told["newest_count"], words),
        _count(told["oldest_count"], words),
        _import(told["last_stock_import"], now, words),
        _import(told["last_stores_import"], now, words),
    ]
    return row("late" if told["late"] else "", columns, cells)


def _state(told: Told, words: Words) -> str:
    if told["late"]:
        text = words.late.format(late=f"{told['stores_late']:,}", stores=f"{told['stores']:,}")
        return f'<a class="state" href="/uploads/{quote(told["partner"], safe="")}">{escape(text)}</a>'
    if not told["stores"]:
        return escape(words.no_stores)
    return escape(words.no_time if told["stock_due_at"] is None else words.nobody_late)


def _store_cells(told: Told, words: Words) -> list[str]:
    counted = words.never
    if told["counted_at"] is not None:
        counted = words.ago.format(age=_age(told["age_s"], words))
    return [
        escape(told["store_id"]),
        escape(told["name"] or ""),
        escape(f"{told['due_at'][:10]} {told['due_at'][11:16]}"),
        time(told["counted_at"], counted),
    ]


def _count(told: Told | None, words: Words) -> str:
    if told is None:
        return escape(words.never)
    return time(told["counted_at"], words.ago.format(age=_age(told["age_s"], words)))


def _import(told: Told | None, now: datetime, words: Words) -> str:
    """The status of an import, its rows, and how long ago it ended, or began if it runs."""
    if told is None:
        return escape(words.none)
    at = told["ended_at"] or told["created_at"]
    age = words.ago.format(age=_age(max(0, int((now - datetime.fromisoformat(at)).total_seconds())), words))
    rows = words.rows_failed.format(rows=f"{told['rows']:,}", failed=f"{told['failed']:,}")
    status = {"running": words.running, "failed": words.failed, "undone": words.undone}.get(told["status"], words.done)
    link = f"/v1/imports/{quote(told['import_id'], safe='')}"
    return f'<span><a href="{link}">{escape(status)}</a>, {time(at, age)}; {escape(rows)}</span>'


def _age(seconds: int, words: Words) -> str:
    """A duration as people say it, in its two largest units."""
    minutes = words.minutes.format(n=seconds % _HOUR_S // _MINUTE_S)
    if seconds < _HOUR_S:
        return minutes
    hours = words.hours.format(n=seconds % _DAY_S // _HOUR_S)
    if seconds < _DAY_S:
        return f"{hours} {minutes}"
    return f"{words.days.format(n=seconds // _DAY_S)} {hours}"


def _told_at(now: datetime, words: Words) -> str:
    return f"<p>{escape(words.told_at.format(at=f'{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC'))}</p>"


def _next(cursor: str | None, words: Words) -> str:
    if cursor is None:
        return ""
    return f'<p><a rel="next" href="?cursor={quote(cursor, safe="")}">{escape(words.next_page)}</a></p>'


def _page(title: str, parts: Iterable[str], words: Words) -> str:
    return document(title, parts, language=words.language, style=_STYLE)
