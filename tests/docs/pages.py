"""The documentation as tests see it: pages, their blocks of code, tables, links and spans."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and how far into the page it begins."""

    language: str
    text: str
    at: int


@dataclass(frozen=True)
class Page:
    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        """The page without its blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self, *languages: str) -> list[Block]:
        """The blocks in these languages, in their order; all of them if none is named."""
        found = [Block(match[1], match[2], match.start()) for match in _FENCE.finditer(self.text)]
        return [block for block in found if not languages or block.language in languages]

    def links(self) -> list[str]:
        return [match[1] or match[2] for match in _LINK.finditer(self.prose)]

    def spans(self) -> list[str]:
        """What stands between single backticks."""
        return _SPAN.findall(self.prose)

    def anchors(self) -> set[str]:
        """The headings as addresses, the way GitHub makes them."""
        return {anchor_of(heading) for heading in _HEADING.findall(self.prose)}

    def table(self, heading: str) -> list[dict[str, str]]:
        """The rows of the first table under a heading, by the table's own header; spans without their backticks."""
        after = re.split(rf"^#+ +{re.escape(heading)}\s*$", self.text, maxsplit=1, flags=re.MULTILINE)
        assert len(after) == 2, f"{self.name} has no heading {heading!r}"
        lines = list(_first_table(after[1].splitlines()))
        assert len(lines) > 2, f"{self.name} has no table under {heading!r}"
        header, _, *rows = [_cells(line) for line in lines]
        assert all(len(row) == len(header) for row in rows), f"{self.name}: a row of another width under {heading!r}"
        return [dict(zip(header, row, strict=True)) for row in rows]


@cache
def pages() -> tuple[Page, ...]:
    """README, CHANGELOG and everything under docs/."""
    paths = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(Page(path, path.read_text(encoding="utf-8")) for path in paths)


def page(name: str) -> Page:
    """One page by its path from the root."""
    return next(found for found in pages() if found.name == name)


def anchor_of(heading: str) -> str:
    """GitHub's anchor of a heading: lower case, spaces as hyphens, punctuation left out."""
    plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return plain.replace(" ", "-")


def shell_commands(text: str) -> list[list[str]]:
    """The words of each command of a shell block; a backslash joins lines, comments and here-documents are left out."""
    joined = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "", text.replace("\\\n", " "), flags=re.MULTILINE | re.DOTALL)
    lines = [line.strip() for line in _whole_lines(joined)]
    return [shlex.split(line, comments=True) for line in lines if line and not line.startswith("#")]


def here_documents(text: str) -> dict[str, str]:
    """The files that a shell block writes with ``cat > NAME <<'END'``."""
    found = re.findall(r"^cat > (\S+) <<'(\w+)'\n(.*?)^\2$", text, flags=re.MULTILINE | re.DOTALL)
    return {name: content for name, _, content in found}


def _whole_lines(text: str) -> Iterator[str]:
    """Lines, those joined over which a quote goes on."""
    waiting = ""
    for line in text.splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        if waiting.count("'") % 2 == 0:
            yield waiting
            waiting = ""
    assert not waiting, f"a quote is not closed: {waiting[:80]}"


def _first_table(lines: list[str]) -> Iterator[str]:
    begun = False
    for line in lines:
        if line.startswith("|"):
            begun = True
            yield line
        elif begun or line.startswith("#"):
            return


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [cell.strip().replace("\\|", "|").replace("`", "") for cell in cells]
