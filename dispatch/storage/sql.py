"""The named statements of queries/*.sql.

Each begins with a line ``-- name: some_name`` and a comment that tells its purpose.
"""

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def statements() -> dict[str, str]:
    """Every named statement, by name. ValueError for a name that stands twice."""
    found: dict[str, str] = {}
    folder = resources.files("dispatch.storage") / "queries"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"{file.name}: the statement {name} stands twice")
            found[name] = text.strip()
    return found


def sql(name: str) -> str:
    """The statement of that name. KeyError if there is none."""
    return statements()[name]
