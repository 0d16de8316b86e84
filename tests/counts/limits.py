"""Counts against the table of limits.toml."""

import tomllib
from collections.abc import Mapping
from math import ceil, floor
from pathlib import Path
from typing import Any, Final

_TABLE: Final = Path(__file__).with_name("limits.toml")
# A limit that is farther above the count would let too much pass; one without headroom is the count itself.
_TOO_WIDE: Final = 1.5


def hold(section: str, counts: Mapping[str, float]) -> None:
    """Compare all counts of a section by name. AssertionError tells all that is wrong, and the lines that would hold.

    Each name must stand in the table, and no others, so that nothing is limited that is not counted.
    """
    complaints = complaints_of(section, counts, _table_of(section))
    assert not complaints, "\n".join(complaints)


def _table_of(section: str) -> Mapping[str, Any]:
    """The part of limits.toml of that dotted name. KeyError if there is none."""
    table: dict[str, Any] = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    for part in section.split("."):
        table = table[part]
    return table


def complaints_of(section: str, counts: Mapping[str, float], table: Mapping[str, Any]) -> list[str]:
    """What is wrong, a line each, and then the section as it would be right; nothing if nothing is.

    ``table`` has a ``headroom``, which times the count a limit is, and ``{measured, most}`` by name.
    """
    too_wide = _TOO_WIDE if table["headroom"] > 1 else 1.0
    limits = {name: entry["most"] for name, entry in table.items() if isinstance(entry, dict)}
    unlimited, uncounted = sorted(counts.keys() - limits.keys()), sorted(limits.keys() - counts.keys())
    complaints = [f"{section}: {name} is counted and has no limit" for name in unlimited]
    complaints += [f"{section}: {name} has a limit and is not counted" for name in uncounted]
    for name in sorted(counts.keys() & limits.keys()):
        count, most = counts[name], limits[name]
        if count > most:
            complaints.append(f"{section}: {name} is {count:g}, more than {most:g}: see tests/counts/__init__.py")
        elif most > count * too_wide:
            complaints.append(f"{section}: {name} is {count:g}, and its limit {most:g}: lower it")
    if complaints:
        complaints += [f"As counted it would be, in {_TABLE.name}:", *_lines(section, counts, table["headroom"])]
    return complaints


def _lines(section: str, counts: Mapping[str, float], headroom: float) -> list[str]:
    told = []
    for name, count in counts.items():
        digits = 0 if count == int(count) or count >= 100 else 2
        unit = 10**-digits
        measured = round(ceil(count / unit - 1e-9) * unit, digits)
        most = max(measured, round(floor(count * headroom / unit + 1e-9) * unit, digits))
        told.append(f'"{name}" = {{ measured = {measured:.{digits}f}, most = {most:.{digits}f} }}')
    return [f"[{section}]", f"headroom = {headroom}", *told]
