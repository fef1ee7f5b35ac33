"""Eight numbers added at once, at places that are only known when the program runs.

A compiler turns a loop into vectors where it can show that what is written is not what is read. Of table rows picked by
the data it cannot, and asks at every row; these four lines of LLVM say it. Places count doubles from the start of a
contiguous array, and are not checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic as numba_intrinsic

intrinsic: Any = numba_intrinsic  # the first parameter is the compiler's, which a type checker cannot know
LANES = 8
EIGHT = ir.VectorType(ir.DoubleType(), LANES)


def _at(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    """A pointer to eight doubles of an array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), EIGHT.as_pointer())


@intrinsic
def add_four_to_one(typing, out, to, table, a, b, c, d):
    """out[to:to+8] += table[a:a+8] + table[b:b+8] + table[c:c+8] + table[d:d+8]."""

    def code(context, builder, signature, args):
        out, to, table, *places = args
        kinds = signature.args
        w, x, y, z = (builder.load(_at(context, builder, kinds[2], table, p), align=8) for p in places)
        sum_ = builder.fadd(builder.fadd(w, x), builder.fadd(y, z))
        target = _at(context, builder, kinds[0], out, to)
        builder.store(builder.fadd(builder.load(target, align=8), sum_), target, align=8)
        return context.get_dummy_value()

    place = types.intp
    return types.void(out, place, table, place, place, place, place), code


@intrinsic
def add_one_to_four(typing, out, a, b, c, d, table, at):
    """out[a:a+8] += table[at:at+8], and so for b, c and d, one after the other."""

    def code(context, builder, signature, args):
        out, *places, table, at = args
        kinds = signature.args
        row = builder.load(_at(context, builder, kinds[5], table, at), align=8)
        for p in places:
            target = _at(context, builder, kinds[0], out, p)
            builder.store(builder.fadd(builder.load(target, align=8), row), target, align=8)
        return context.get_dummy_value()

    place = types.intp
    return types.void(out, place, place, place, place, table, place), code
