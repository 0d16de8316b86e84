"""Every command shown can be typed as it is shown."""

import re

import pytest
import typer.exceptions

from tests.docs.commands import is_group, options_of, parsed
from tests.docs.pages import Page, pages, shell_commands

EVERY_PAGE = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


def words_of(page: Page) -> list[list[str]]:
    commands = [words for block in page.blocks("sh") for words in shell_commands(block.text)]
    return [words for words in commands if words and words[0] == "dispatch"]


@EVERY_PAGE
def test_commands_in_blocks_are_taken_with_these_options(page: Page) -> None:
    for words in words_of(page):
        try:
            parsed(words)
        except typer.exceptions.Exit:
            pass  # --version and --help have said what they say
        except typer.exceptions.TyperException as error:
            pytest.fail(f"{page.name}: {' '.join(words)}: {error.format_message()}")


@EVERY_PAGE
def test_commands_in_sentences_exist_with_these_options(page: Page) -> None:
    for span in page.spans():
        if not span.startswith("dispatch ") or "…|" in span:
            continue
        words = span.split()[1:]
        names = words[:1]
        assert options_of(names) is not None, f"{page.name}: {span}"
        if is_group(names) and words[1:]:
            names = words[:2]
        known = options_of(names)
        assert known is not None, f"{page.name}: {span}"
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", span):
            assert option in known, f"{page.name}: {span}: {option}"


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(words_of(page)) for page in pages()) > 8
