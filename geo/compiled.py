"""Functions compiled to machine code by numba when they are first called, and kept for the next start."""

from collections.abc import Callable
from typing import Any, cast

import numba


def compiled[F: Callable[..., object]](**options: Any) -> Callable[[F], F]:
    """Compile a function, with numba's ``options``; where there is room for it, what was compiled is kept on disk."""

    def compile_it(function: F) -> F:
        try:
            return cast(F, numba.njit(cache=True, **options)(function))
        except RuntimeError:
            # There is nowhere to keep it, so it is compiled at every start, which takes seconds.
            return cast(F, numba.njit(**options)(function))

    return compile_it
