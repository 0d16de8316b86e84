"""``make faults``: break a running service on purpose, and see that it keeps what it has promised."""

import argparse
import asyncio
import importlib
import inspect
import os
import pkgutil
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import uvloop

from tests import faults
from tests.faults.experiments import EXPERIMENTS, Ground, Outcome

# In memory where there is enough of it: what is killed are processes, not the machine.
MEMORY: Final = Path("/dev/shm")
ROOMY_BYTES: Final = 4 * 2**30
MOST_TOLD: Final = 10
AMOUNTS: Final = {
    "seeds": "how often, each with a seed of its own",
    "seconds": "how long",
    "orders": "how many at each seed",
    "holds": "how many",
    "ids": "how many",
}


def main() -> None:
    for module in pkgutil.iter_modules(faults.__path__):
        if module.name != "__main__":
            importlib.import_module(f"{faults.__name__}.{module.name}")
    asked = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(sorted(EXPERIMENTS))}; none: all")
    asked.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the same chances again")
    for name, meaning in AMOUNTS.items():
        asked.add_argument(f"--{name}", type=int, help=meaning)
    options = asked.parse_args()
    if unknown := sorted(set(options.names) - EXPERIMENTS.keys()):
        asked.error(f"there is no experiment {unknown[0]}; there are {', '.join(sorted(EXPERIMENTS))}")
    amounts = {name: getattr(options, name) for name in AMOUNTS if getattr(options, name) is not None}
    failed = [name for name in options.names or sorted(EXPERIMENTS) if not run(name, options.seed, amounts)]
    sys.exit(1 if failed else 0)


def run(name: str, seed: int, amounts: Mapping[str, int]) -> bool:
    """Run one experiment and print its line; whether all went well. What a failed one wrote is kept."""
    known = inspect.signature(EXPERIMENTS[name]).parameters
    chosen: dict[str, Any] = {amount: value for amount, value in amounts.items() if amount in known}
    _aside(f"{name}: begins, seed {seed}")
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOMY_BYTES
    directory = Path(tempfile.mkdtemp(prefix="lc-faults-", dir=MEMORY if roomy else None))
    ground = Ground(directory, random.Random(f"{name} {seed}"), _aside)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcome: Outcome = runner.run(EXPERIMENTS[name](ground, **chosen))
    except Exception as error:
        traceback.print_exc()
        outcome = Outcome("", "", (f"{type(error).__name__}: {error}",))
    verdict = "FAILED" if outcome.problems else "ok"
    print(f"{name:<10} seed {seed:<7} {outcome.done} | {outcome.result} | {verdict}", flush=True)
    for problem in outcome.problems[:MOST_TOLD]:
        print(f"  FAILED: {problem}", flush=True)
    if len(outcome.problems) > MOST_TOLD:
        print(f"  and {len(outcome.problems) - MOST_TOLD} more", flush=True)
    if outcome.problems:
        print(f"  what it wrote is kept in {directory}", flush=True)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return not outcome.problems


def _aside(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
