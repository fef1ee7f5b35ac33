"""The same memory under another type: arrays that a caller may not write to, as the kernels take them.

Numba compiles a kernel once for each type of its arguments, and an array that is read-only is another type. A sampler
holds its data read-only; the kernels write to none of it, so that it may be shown to them under the type that EM's own
calls have compiled already: seconds a kernel, once a machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic
from numba.np.numpy_support import carray

from emvsbayes.densities.kernels.elementary import compiled

intrinsic: Any = numba_intrinsic  # as in `vectors`


@intrinsic
def pointer(typing, address):
    """An address as a pointer."""

    def code(context, builder, signature, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), code


@compiled
def shown(array: np.ndarray) -> np.ndarray:
    """The memory of a contiguous array, no copy; it must outlive what is returned."""
    return carray(pointer(array.ctypes.data), array.shape, array.dtype)
