"""What the documentation points to is there."""

import ast
import re
from functools import cache
from urllib.parse import unquote

import pytest

from dispatch.settings import ENV_PREFIX, Settings
from tests.docs.pages import ROOT, Page, pages

PATH = re.compile(r"(?:dispatch|geo|data|tests|docs)/[\w./-]+\.\w+|(?:dispatch|geo|data|tests|docs)(?:/\w+)+/?")
VARIABLE = re.compile(rf"\b{ENV_PREFIX}[A-Z0-9_]*[A-Z0-9]\b")
EVERY_PAGE = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


@EVERY_PAGE
def test_links_lead_to_a_file_and_a_heading_that_exist(page: Page) -> None:
    for link in page.links():
        if re.match(r"https?:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.is_file(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link}"
        if anchor:
            assert anchor in Page(target, target.read_text(encoding="utf-8")).anchors(), f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    by_path = {page.path: page for page in pages()}
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path not in by_path:
            continue
        reached.add(path)
        waiting += [(path.parent / link.split("#")[0]).resolve() for link in by_path[path].links()]
    assert reached == set(by_path)


@EVERY_PAGE
def test_files_that_are_named_exist(page: Page) -> None:
    for span in page.spans():
        if PATH.fullmatch(span):
            assert (ROOT / span).exists(), f"{page.name}: {span}"


@EVERY_PAGE
def test_variables_that_are_named_are_settings(page: Page) -> None:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(VARIABLE.findall(page.text)) <= known


@EVERY_PAGE
def test_targets_of_make_exist(page: Page) -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shell = "\n".join(block.text for block in page.blocks("sh"))
    named = re.findall(r"^make ([a-z]+)", shell, re.MULTILINE) + re.findall(r"`make ([a-z]+)", page.prose)
    assert set(named) <= targets


@cache
def texts_of_the_program() -> tuple[str, ...]:
    """Every constant text of the program; of f-strings the parts between the braces."""
    files = [path for folder in ("dispatch", "geo") for path in sorted((ROOT / folder).rglob("*.py"))]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return tuple(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_the_errors_at_the_start_are_those_that_the_program_tells() -> None:
    [start] = [page for page in pages() if page.name == "docs/start.md"]
    rows = start.table("When it does not start")
    assert len(rows) > 10
    for row in rows:
        for part in filter(None, (part.strip() for part in row["line"].split("…"))):
            assert any(part in text for text in texts_of_the_program()), f"nothing says {part!r}"
