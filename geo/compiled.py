"""Functions compiled to machine code by numba, and kept on disk beside the source for the next start.

What is kept is used again as long as the source is the same to the byte, and that of the modules whose constants and
functions it has taken in. It is made for any processor of the kind, so that an image can be built on another.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator
from numba.extending import intrinsic

_taken_in: dict[str, list[str]] = {}  # by file of source: the files whose contents are in what is compiled of it


def _sources(file: str) -> set[str]:
    """A file, and all whose contents are in what is compiled of it, however indirectly."""
    found, waiting = {file}, [file]
    while waiting:
        new = set(_taken_in.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


class _Stamped:
    """Where numba keeps what it has compiled of a file, stamped with all that has gone into it."""

    _py_file: str

    def get_source_stamp(self) -> bytes:
        stamp = hashlib.sha256()
        for file in sorted({__file__} | _sources(self._py_file)):
            stamp.update(Path(file).read_bytes())
        return stamp.digest()


class StampedInTree(_Stamped, InTreeCacheLocator):
    """Beside the source."""


class StampedInFolder(_Stamped, UserProvidedCacheLocator):
    """In NUMBA_CACHE_DIR."""


# Read by numba when a function is decorated, as its documentation says.
_settings: Any = numba.config
_settings.CACHE_LOCATOR_CLASSES = "geo.compiled.StampedInFolder,geo.compiled.StampedInTree"
_settings.CPU_NAME = "generic"


class Compiler:
    """Compiles the functions of one file of source, which take in constants and functions of some modules."""

    def __init__(self, file: str, *taken_in: ModuleType) -> None:
        _taken_in[file] = [str(module.__file__) for module in taken_in]

    def __call__[F: Callable[..., object]](self, **options: Any) -> Callable[[F], F]:
        """A decorator; ``options`` are numba's."""

        def compile_it(function: F) -> F:
            try:
                return cast(F, numba.njit(cache=True, **options)(function))
            except RuntimeError:
                # There is nowhere to keep it, so it is compiled at every start, which takes half a minute.
                return cast(F, numba.njit(**options)(function))

        return compile_it


def compiled_for[**P, R](function: Callable[P, R], *kinds: numba.types.Type) -> Callable[P, R]:
    """A compiled function for arguments of these types alone: to look at them takes a tenth of a microsecond."""
    dispatcher: Any = function
    return cast(Callable[P, R], dispatcher.compile(kinds))


@intrinsic
def _pointer(typingctx, address):  # type: ignore[no-untyped-def]  # numba calls it with types of its own
    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return numba.types.voidptr(numba.types.int64), codegen


@intrinsic
def _prefetch(typingctx, address):  # type: ignore[no-untyped-def]  # as above
    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], cgutils.voidptr_t)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        builder.call(fetch, [pointer, word(0), word(3), word(1)])  # to be read; to be kept in all caches; data
        return context.get_dummy_value()

    return numba.types.void(numba.types.int64), codegen


prefetch = cast(Callable[[int], None], _prefetch)
"""For compiled code: have the memory at an address brought nearer; nothing waits for it, and it may be no one's."""

_LINE_BYTES: Final = 64  # of a processor's cache


@numba.njit(inline="always")
def fetch(address: int, size: int) -> None:
    """For compiled code: as ``prefetch``, of so many bytes."""
    for offset in range(0, size, _LINE_BYTES):
        prefetch(address + offset)


_pointer_of = cast(Callable[[int], Any], _pointer)
_array_of = cast(Callable[..., np.ndarray], numba.carray)  # type: ignore[attr-defined]


@numba.njit(inline="always")
def array_at(address: int, shape: int | tuple[int, int], kind: type[np.generic] | np.dtype) -> np.ndarray:
    """For compiled code: the array of such a shape that lies at an address; nothing here keeps it alive."""
    return _array_of(_pointer_of(address), shape, kind)
