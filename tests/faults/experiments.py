"""What an experiment is, and the experiments there are, by name. Each lies in a file of its own."""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Ground:
    """Where an experiment takes place: an empty directory of its own, and the chances of its seed."""

    directory: Path
    chance: random.Random
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``done`` and ``result`` are told in a line; ``problems`` are what must not be, none when all went well."""

    done: str
    result: str
    problems: tuple[str, ...] = ()


type Experiment = Callable[[Ground], Coroutine[Any, Any, Outcome]]

EXPERIMENTS: Final[dict[str, Experiment]] = {}


def experiment[E: Experiment](name: str) -> Callable[[E], E]:
    """Register an experiment under a name of its own. What it takes besides the ground has defaults."""

    def register(run: E) -> E:
        assert name not in EXPERIMENTS, f"{name} stands twice"
        EXPERIMENTS[name] = run
        return run

    return register
