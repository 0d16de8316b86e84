"""What was made of a value, remembered: a file says the same few stores, quantities and prices over and over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dispatch.ingest.values import BadValueError

# Skus may not repeat, so what is kept is bounded.
MEMO_SIZE: Final = 100_000


class Memo[K, V](dict[K, V]):
    """A bounded cache of what a function made of a value, BadValueError included."""

    def __init__(self, parse: Callable[[K], V]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, key: K) -> V:
        if len(self) >= MEMO_SIZE:
            self.clear()
        value = self[key] = self._parse(key)
        return value


def told[T](parse: Callable[[str], T]) -> Callable[[str], T | BadValueError]:
    """The parser with its refusal as a value, so that a refusal is remembered too."""

    def tell(text: str) -> T | BadValueError:
        try:
            return parse(text)
        except BadValueError as bad:
            # A traceback would keep the frames of the row alive.
            return bad.with_traceback(None)

    return tell
