"""How kernels are compiled, and kept from one process to the next.

Compiled code is cached beside the sources, in the user's cache where these cannot be written to, or where
NUMBA_CACHE_DIR says, so that a machine pays for it once; where no place can be written to, every process compiles for
itself.

numba asks whether the file of a kernel has changed, not whether a file has from which it was given functions: code
compiled with the `share` or the `exp` of yesterday would be run for ever. Here the key of compiled code holds the text
of all of `densities`; a family's own compiled functions call nothing but these and their own file. It holds for the C
functions that a sampler calls too (`c_function`).

Kernels are put whole into those that call them. Where the compiler chose, a process that had just compiled a kernel
could call another version of a callee than one that read it from disk, with the sums of a loop in another order: the
last digits would depend on who was first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.registry import cpu_target

PACKAGE = Path(__file__).parents[1]
SOURCES = sha256(b"".join(path.read_bytes() for path in sorted(PACKAGE.glob("**/*.py")))).hexdigest()


class KernelCache(FunctionCache):
    """numba's cache; code compiled with other kernels is no longer found."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), SOURCES)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keeps compiled code, unless the disk is full or may no longer be written to."""
        with suppress(OSError):
            super().save_overload(sig, data)


def kernel(fastmath: set[str]) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: compiled at the first call for each kind of arguments, without the interpreter's lock.

    `fastmath` are the liberties that the compiler may take. Division by 0 is infinite or NaN, as in NumPy.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        found: Any = njit(nogil=True, error_model="numpy", fastmath=fastmath, forceinline=True)(function)
        if not config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
            with suppress(RuntimeError):  # no place can be written to
                found._cache = KernelCache(function)
        return found

    return decorate


def processor_has(feature: str) -> bool:
    """Whether code is compiled for processors with a feature, by LLVM's name for it, such as "avx512dq".

    They are this processor's, unless NUMBA_CPU_FEATURES or NUMBA_ENABLE_AVX says otherwise. They are part of the key of
    compiled code as well: where machines of two kinds share a cache, each finds the code that was chosen for its own.
    """
    context: Any = cpu_target.target_context
    _, _, features = context.codegen().magic_tuple()
    return f"+{feature}" in features.split(",")


def c_function(signature: Any, function: Callable[..., Any]) -> Any:
    """A function to be called by its address, compiled now or read from disk. It must be kept while it is called.

    Parameters
    ----------
    signature : numba signature
        What comes and what is returned, C types.
    """
    found: Any = CFunc(function, (signature.args, signature.return_type), locals={}, options={})
    with suppress(RuntimeError):  # as above
        found._cache = KernelCache(function)
    found.compile()
    return found
