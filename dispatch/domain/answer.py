"""What an answer to a question holds: the winner, what proves it, and who was passed over and why."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct, field

from dispatch.domain.promise import Eta
from dispatch.domain.question import Question, Reason


class Plan(StrEnum):
    SPACE_FIRST = "space_first"
    STOCK_FIRST = "stock_first"


class Certificate(Struct, gc=False):
    """Why no other store is better.

    ``examined`` stores were looked at: with space first, the nearest ones; with stock first, those around that have
    the sku ``rest_lacks``. Every other store lacks ``rest_lacks``, if it is given, or has a key of at least
    ``next_bound_s`` (None: there is no such store).
    """

    plan: Plan
    examined: int
    key_s: int | None
    next_bound_s: int | None
    rest_lacks: str | None


class Candidate(Struct, gc=False):
    """A store that can, and its promise."""

    slot: int
    store_id: str
    distance_m: float
    key_s: int
    eta: Eta


class PassedOver(Struct, gc=False):
    """A store that cannot, or is slower, and the figures behind its reason."""

    slot: int
    store_id: str
    distance_m: float
    key_s: int
    reason: Reason
    detail: dict[str, object]
    eta: Eta


def stock_age_s(question: Question, fresh_s: Iterable[int | None]) -> int:
    """Seconds since the oldest of a store's lines was counted or moved, by how fresh each is; it has them all."""
    return max(0, question.now_s - min([moment_s for moment_s in fresh_s if moment_s is not None]))


class Selection(Struct, gc=False):
    """The answer to a question. Without ``winner`` there is ``unknown_sku`` or, unless no store exists, ``miss``."""

    winner: Candidate | None = None
    alternatives: list[Candidate] = field(default_factory=list)
    certificate: Certificate | None = None
    miss: PassedOver | None = None
    unknown_sku: str | None = None
    passed_over: list[PassedOver] | None = None
    passed_over_total: int | None = None
    passed_over_reasons: dict[Reason, int] | None = None
