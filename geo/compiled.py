"""Functions compiled to machine code by numba when they are first called, and kept for the next start."""

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numba.core import cgutils
from numba.extending import intrinsic


def compiled[F: Callable[..., object]](**options: Any) -> Callable[[F], F]:
    """Compile a function, with numba's ``options``; where there is room for it, what was compiled is kept on disk."""

    def compile_it(function: F) -> F:
        try:
            return cast(F, numba.njit(cache=True, **options)(function))
        except RuntimeError:
            # There is nowhere to keep it, so it is compiled at every start, which takes seconds.
            return cast(F, numba.njit(**options)(function))

    return compile_it


@intrinsic
def _pointer(typingctx, address):  # type: ignore[no-untyped-def]  # numba calls it with types of its own
    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return numba.types.voidptr(numba.types.int64), codegen


_pointer_of = cast(Callable[[int], Any], _pointer)
_array_of = cast(Callable[..., np.ndarray], numba.carray)  # type: ignore[attr-defined]


@compiled(inline="always")
def array_at(address: int, count: int, kind: type[np.generic]) -> np.ndarray:
    """For compiled code: the array of so many elements that lies at an address; nothing here keeps it alive."""
    return _array_of(_pointer_of(address), count, kind)
