"""Whole HTML documents that load nothing and run nothing: what they are made of and what they are sent with."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

COLOURS: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --soft: #57606a; --late: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --soft: #9198a1; --late: #ff8f85; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.45 system-ui, sans-serif; }
"""
"""What every style begins with."""


def headers_of(style: str, *, vary: str, shows: Sequence[str] = ()) -> dict[str, str]:
    """What a page is sent with: nothing but its own style is let in, and images of the sources it ``shows``."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    images = f" img-src {' '.join(shows)};" if shows else ""
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}';{images} base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Vary": vary,
    }


def document(title: str, parts: Iterable[str], *, language: str, style: str) -> str:
    """A page under this heading; ``parts`` are HTML, those that are empty left out."""
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{style}</style></head>\n<body><main><h1>{escape(title)}</h1>\n"
        + "\n".join(filter(None, parts))
        + "\n</main></body></html>\n"
    )


def table(columns: Sequence[str], rows: Sequence[str]) -> str:
    """A table of these columns, by name, and rows in HTML."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"


def row(kind: str, columns: Sequence[str], cells: Iterable[str]) -> str:
    """A row of cells in HTML, each with the name of its column, for screens too narrow for a head."""
    told = "".join(f'<td data-label="{escape(label)}">{cell}</td>' for label, cell in zip(columns, cells, strict=True))
    return f'<tr class="{kind}">{told}</tr>' if kind else f"<tr>{told}</tr>"


def time(at: str | None, text: str) -> str:
    """A moment, RFC 3339, by the words for it."""
    return escape(text) if at is None else f'<time datetime="{escape(at)}">{escape(text)}</time>'
