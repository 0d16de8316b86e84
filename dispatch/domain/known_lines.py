"""The lines of a question with the numbers that a market has for their skus."""

from collections.abc import Sequence

from msgspec import Struct

from dispatch.domain.question import Question


class KnownLine(Struct, frozen=True, gc=False):
    """A line whose sku some store has had."""

    sku: str
    number: int
    quantity: int


def known_lines(question: Question, numbers: Sequence[int]) -> tuple[KnownLine, ...]:
    """The lines of a question, whose skus have these numbers, one for one."""
    return tuple(
        [KnownLine(line.sku, number, line.quantity) for line, number in zip(question.lines, numbers, strict=True)]
    )
