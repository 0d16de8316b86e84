"""The delivery note as a page for print, on paper of any size and on the narrow roll of a till's printer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from math import ceil, cos, radians
from typing import Any, Final
from zoneinfo import ZoneInfo

from dispatch.ingest.values import currency_of
from dispatch.web.documents import COLOURS, document, headers_of, row, table, time
from dispatch.web.note_words import NoteWords

_STYLE: Final = (
    COLOURS
    + """main { max-width: 48rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .6rem; }
h2 { font-size: 1rem; margin: 1rem 0 .3rem; }
p { margin: .2rem 0; }
a { color: inherit; }
.soft { color: var(--soft); }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.due { font-size: 1.3rem; font-weight: 700; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: start; vertical-align: top; padding: .35rem .5rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td:nth-child(-n+2), th:nth-child(-n+2) { width: 1%; white-space: nowrap; }
td:nth-child(2) { font-weight: 700; text-align: end; }
.box { display: inline-block; width: 1em; height: 1em; border: 2px solid var(--ink); }
svg { display: block; width: 100%; max-width: 22rem; height: auto; border: 1px solid var(--line); }
.code { width: 9rem; height: 9rem; background: #fff; image-rendering: pixelated; }
ul { margin: .2rem 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .4rem 1rem; }
li a { display: inline-block; padding: .5rem 0; }
tr, svg, figure { break-inside: avoid; }
figure { margin: 0; }
@page { margin: 8mm; }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #999; --soft: #333; }
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
}
@media (max-width: 34rem) { .sides { grid-template-columns: 1fr; } }
@media print and (max-width: 90mm) {
  @page { margin: 2mm; }
  body { font-size: 9pt; }
  h1, .due { font-size: 11pt; }
  h2 { font-size: 9pt; }
}
"""
)

HEADERS: Final = headers_of(_STYLE, vary="Accept, Accept-Language, Authorization", shows=["data:"])
"""What the page is sent with."""

_WIDTH, _HEIGHT, _EDGE = 320.0, 200.0, 16.0
_MINUTE_S: Final = 60

type Told = Mapping[str, Any]
"""A note as GET /v1/orders/{order_id}/delivery-note tells it."""


def note_page(note: Told, words: NoteWords, *, qr_data_uri: str | None) -> str:
    """The note of an order. ``qr_data_uri``: a picture of the courier's address, ``data:image/…``; None: there is none.

    Everything that somebody has typed shows as text. Raises ValueError for a picture that would have to be fetched.
    """
    if qr_data_uri is not None and not qr_data_uri.startswith("data:image/"):
        raise ValueError("the picture of the courier's address is to be a data: address, so that nothing is fetched")
    title = words.title.format(order_id=note["order_id"])
    parts = [
        _facts(note, words),
        '<div class="sides">',
        _section(words.store, [_store(note["store"], words)]),
        _section(words.customer, [_customer(note["customer"], words)]),
        "</div>",
        _section(words.lines, [_lines(note["lines"], words)]),
        '<div class="sides">',
        _section(words.route, [_route(note["route"], words)]),
        "" if qr_data_uri is None else _code(qr_data_uri, words),
        "</div>",
        _links(note["navigation"], words),
    ]
    return document(title, parts, language=words.language, style=_STYLE)


def _facts(note: Told, words: NoteWords) -> str:
    timezone = note["store"]["timezone"]
    told = [
        ("due", words.deliver_by, note["deliver_by"]),
        ("", words.promised_by, note["promised_by"]),
        ("", words.accept_by, note["accept_by"]),
        ("", words.pickup_by, note["pickup_by"]),
        ("", words.created_at, note["created_at"]),
    ]
    moments = [(kind, name, time(at, _local(at, timezone))) for kind, name, at in told if at is not None]
    others = [
        ("", words.status, escape(words.statuses[note["status"]])),
        ("", words.attempt, escape(str(note["attempt"]))),
    ]
    return _list([*moments, *others]) + f'<p class="soft">{escape(words.local_time.format(timezone=timezone))}</p>'


def _local(at: str, timezone: str) -> str:
    """A moment as the store's clock shows it."""
    return f"{datetime.fromisoformat(at).astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def _store(store: Told, words: NoteWords) -> str:
    name = store["store_id"] if store["name"] is None else f"{store['name']} ({store['store_id']})"
    return _typed([(words.store_name, name), (words.address, store["address"]), (words.phone, store["phone"])])


def _customer(customer: Told | None, words: NoteWords) -> str:
    if customer is None or not any(customer.values()):
        return f'<p class="soft">{escape(words.no_customer)}</p>'
    return _typed([(getattr(words, name), customer[name]) for name in ("name", "phone", "address", "note")])


def _typed(entries: Iterable[tuple[str, str | None]]) -> str:
    """What somebody has typed; what is not told is left out."""
    return _list([("", name, escape(text)) for name, text in entries if text])


def _list(entries: Iterable[tuple[str, str, str]]) -> str:
    """Names and what they stand for, in HTML, each of a kind."""
    told = "".join(
        f"<dt>{escape(name)}</dt>" + (f'<dd class="{kind}">{value}</dd>' if kind else f"<dd>{value}</dd>")
        for kind, name, value in entries
    )
    return f"<dl>{told}</dl>"


def _section(heading: str, parts: Sequence[str]) -> str:
    return f"<section><h2>{escape(heading)}</h2>\n" + "\n".join(parts) + "\n</section>"


def _lines(lines: Sequence[Told], words: NoteWords) -> str:
    columns = (words.packed, words.quantity, words.item)
    rows = []
    for line in lines:
        price = _price(line["price"], line["currency"], words)
        item = f"{escape(line['name'] or line['sku'])}<br>" if line["name"] else ""
        cells = [
            '<span class="box" aria-hidden="true"></span>',
            f"{line['quantity']:,}",
            f'{item}<span class="soft">{escape(line["sku"])} · {escape(price)}</span>',
        ]
        rows.append(row("", columns, cells))
    return table(columns, rows)


def _price(minor: int | None, currency: str | None, words: NoteWords) -> str:
    if minor is None or currency is None:
        return words.no_price
    code, decimals = currency_of(currency)
    return words.each.format(price=f"{Decimal(minor).scaleb(-decimals)} {code}")


def _route(route: Told, words: NoteWords) -> str:
    told = route["properties"]
    words_for = words.route_estimated if told["travel_source"] == "estimate" else words.route_told
    said = words_for.format(
        km=f"{told['length_m'] / 1000:.1f}",
        minutes=ceil(told["travel_s"] / _MINUTE_S),
        mode=words.modes[told["mode"]],
    )
    drawn = _drawing(route["geometry"]["coordinates"], said)
    legend = f'<span class="soft">{escape(words.legend)}</span>'
    return f"<figure>{drawn}<figcaption>{escape(said)}<br>{legend}</figcaption></figure>"


def _drawing(coordinates: Sequence[Sequence[float]], name: str) -> str:
    """The line as a picture, true to its angles; a square where it begins, a ring where it ends."""
    narrow = cos(radians(coordinates[0][1]))
    # Across the antimeridian the shorter way round is drawn.
    first_lon = coordinates[0][0]
    xs = [((lon - first_lon + 180.0) % 360.0 - 180.0) * narrow for lon, _ in coordinates]
    ys = [-lat for _, lat in coordinates]
    across, down = max(xs) - min(xs), max(ys) - min(ys)
    scale = min(
        (_WIDTH - 2 * _EDGE) / across if across else float("inf"),
        (_HEIGHT - 2 * _EDGE) / down if down else float("inf"),
    )
    scale = scale if scale != float("inf") else 0.0
    left, top = (_WIDTH - across * scale) / 2, (_HEIGHT - down * scale) / 2
    points = [(left + (x - min(xs)) * scale, top + (y - min(ys)) * scale) for x, y in zip(xs, ys, strict=True)]
    shown = _thinned(points)
    (from_x, from_y), (to_x, to_y) = points[0], points[-1]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in shown)
    return (
        f'<svg role="img" aria-label="{escape(name)}" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}">'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="3" stroke-linejoin="round"/>'
        f'<rect x="{from_x - 6:.1f}" y="{from_y - 6:.1f}" width="12" height="12" fill="currentColor"/>'
        f'<circle cx="{to_x:.1f}" cy="{to_y:.1f}" r="6" fill="none" stroke="currentColor" stroke-width="3"/></svg>'
    )


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without those that lie where the one before does, to a tenth."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        at = (round(x, 1), round(y, 1))
        if not kept or kept[-1] != at:
            kept.append(at)
    return kept


def _code(qr_data_uri: str, words: NoteWords) -> str:
    return (
        f'<figure><img class="code" src="{escape(qr_data_uri)}" alt="{escape(words.scan)}">'
        f"<figcaption>{escape(words.scan)}</figcaption></figure>"
    )


def _links(navigation: Told, words: NoteWords) -> str:
    """For a phone; paper has no use for them."""
    told = [
        f'<p>{escape(heading)}</p><ul aria-label="{escape(heading)}">'
        + "".join(
            f'<li><a rel="noreferrer" href="{escape(url)}">{escape(words.maps[name])}</a></li>'
            for name, url in navigation[end].items()
        )
        + "</ul>"
        for end, heading in (("store", words.to_store), ("door", words.to_door))
    ]
    return f'<nav aria-labelledby="navigate"><h2 id="navigate">{escape(words.navigate)}</h2>{"".join(told)}</nav>'
