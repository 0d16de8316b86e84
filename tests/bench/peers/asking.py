"""A question as every system is asked it, and our own answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec import structs

from dispatch.domain.question import Question
from dispatch.domain.selection import reach_m, select
from dispatch.replica.replica import Replica
from tests.bench.world import World

SPHERE_SLACK: Final = 1.007
"""So much longer than the geodesic can a great circle between latitudes 17 and 47 be (6,341 km is the least radius of
curvature there, 6,373 that of Redis' sphere), and a bit more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``lines`` are (sku number, quantity), rarest first; ``reach_m`` is where the promise ends, geodesic."""

    question: Question
    lat: float
    lon: float
    lines: tuple[tuple[int, int], ...]
    reach_m: float


class System(Protocol):
    """Whoever answers."""

    @property
    def name(self) -> str: ...

    async def answer(self, asked: Asked) -> int | None:
        """The number of the nearest store within reach that has all lines; None if there is none.

        A system that reckons on a sphere may name a store that lies beyond reach by up to ``SPHERE_SLACK``.
        """
        ...


class Ours:
    """A quote in process, with its promise and its proof."""

    name = "ours"

    def __init__(self, replica: Replica, world: World) -> None:
        self._replica = replica
        self._world = world

    async def answer(self, asked: Asked) -> int | None:
        winner = select(self._replica, asked.question).winner
        return self._world.store_number(winner.store_id) if winner else None


def prepared(replica: Replica, world: World, questions: Iterable[Question]) -> list[Asked]:
    """The questions in the form for all systems: what any client would know beforehand is not timed.

    The stores of a world have no terms of their own, so what a promise is made of besides the way is known, and the
    reach is that of the rest.
    """
    return [_prepared(replica, world, question) for question in questions]


def _prepared(replica: Replica, world: World, question: Question) -> Asked:
    fixed_s = replica.least_fixed_s(len(question.lines))
    reach = reach_m(replica, structs.replace(question, promise_s=question.promise_s - fixed_s))
    lines = [(world.sku_number(line.sku), line.quantity) for line in question.lines]
    # A larger number is less popular; of what nobody has so much, there is least.
    lines.sort(key=lambda line: (line[1], line[0]), reverse=True)
    place = question.destination
    return Asked(question, place.lat, place.lon, tuple(lines), reach)


def all_open(replica: Replica, now_s: int, promise_s: int) -> bool:
    """Whether every store is open throughout the promise: the peers know nothing of hours."""
    states = replica.schedules.states(replica.columns.schedule[: len(replica.catalogue)], now_s)
    return bool(states.is_open.all() and (states.until_s >= now_s + promise_s).all())
