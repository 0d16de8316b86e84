"""How many calls of functions a piece of work makes, by Python's own monitoring."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Final

_TOOL: Final = 4  # debuggers, coverage, profilers and optimizers have numbers of their own
_EVENTS: Final = sys.monitoring.events


@dataclass(slots=True)
class Calls:
    """``made`` by Python code, of Python functions and of others, such as numpy's; ``entered``: Python functions run.

    What compiled code does within is not seen.
    """

    made: int = 0
    entered: int = 0


@contextlib.contextmanager
def counted() -> Iterator[Calls]:
    """What this thread does meanwhile. What the block itself calls counts, and so does the leaving of it: 3 or so."""
    calls, thread = Calls(), threading.get_ident()

    def made(_code: CodeType, _offset: int, _called: object, _argument: object) -> None:
        if threading.get_ident() == thread:
            calls.made += 1

    def entered(_code: CodeType, _offset: int) -> None:
        if threading.get_ident() == thread:
            calls.entered += 1

    sys.monitoring.use_tool_id(_TOOL, "counts of calls")
    try:
        sys.monitoring.register_callback(_TOOL, _EVENTS.CALL, made)
        sys.monitoring.register_callback(_TOOL, _EVENTS.PY_START, entered)
        sys.monitoring.set_events(_TOOL, _EVENTS.CALL | _EVENTS.PY_START)
        yield calls
    finally:
        sys.monitoring.set_events(_TOOL, _EVENTS.NO_EVENTS)
        sys.monitoring.free_tool_id(_TOOL)
