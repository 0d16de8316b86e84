"""What a page says, read from its own words, so that tests find things by what a reader sees."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_STATIC: Final = Path(__file__).parents[2] / "dispatch" / "web" / "static"
_ENTRY: Final = re.compile(r'^ {4}(\w+): ("(?:[^"\\]|\\.)*"),$', re.MULTILINE)


@cache
def words_of(page: str, language: str) -> Mapping[str, str]:
    """The words of a page's folder in a language, by their keys; `{name}` in them stands for a value."""
    path = _STATIC / page / ("common_words.js" if page == "lib" else "words.js")
    text = path.read_text(encoding="utf-8")
    start = text.index(f"\n  {language}: {{")
    return {key: json.loads(told) for key, told in _ENTRY.findall(text[start : text.index("\n  },", start)])}
