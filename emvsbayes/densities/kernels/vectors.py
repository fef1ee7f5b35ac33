"""Eight numbers added at once, at places that are only known when the program runs.

A compiler turns a loop into vectors where it can show that what is written is not what is read. Of table rows picked by
the data it cannot, and asks at every row; these few lines of LLVM say it.

Places count numbers from the start of an array, whatever its shape. That the array is contiguous is checked when a
kernel is compiled; that a place, and the seven numbers after it, lie inside is not checked at all. It is so because
rows that are read or written here are padded to whole vectors, a place is a row's number times its padded length, and
that number is below the number of rows: a byte below 256, four bits below 16, a component below K, a label below K
(`densities.passes` looks), a row of the block below its size.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic as numba_intrinsic

intrinsic: Any = numba_intrinsic  # the first parameter is the compiler's, which a type checker cannot know
LANES = 8
TOGETHER, PAIR = 5, 2  # components and bytes whose ten sums stay in registers
EIGHT = ir.VectorType(ir.DoubleType(), LANES)


def _contiguous(*kinds: Any, narrow: bool = False) -> None:
    """Refuses arrays whose numbers do not lie one after another, or are no doubles (float32 where `narrow`)."""
    for kind in kinds:
        if kind.layout != "C" or kind.dtype not in ((types.float64, types.float32) if narrow else (types.float64,)):
            raise TypingError(f"eight numbers at a time need a contiguous array of floats; this is {kind}.")


def _eight_times(builder: Any, number: Any) -> Any:
    """The same number in all lanes."""
    first = builder.insert_element(ir.Constant(EIGHT, ir.Undefined), number, ir.IntType(32)(0))
    same = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(first, ir.Constant(EIGHT, ir.Undefined), same)


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

    _contiguous(out, table)
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

    _contiguous(out, table)
    place = types.intp
    return types.void(out, place, place, place, place, table, place), code


@intrinsic
def sum_where_set(typing, out, bytes_, at, apart, flip, table, from_, long, rows):
    """out[g, 8c + i] = Σ_r table[from_ + g long + r] where bit i of bytes_[at + c apart + r] ^ flip is set.

    r runs over `rows`, g over TOGETHER rows of the table, c over PAIR bytes; out is (5, 16). A byte is the mask of
    eight numbers: processors that have registers for masks add under it.
    """

    def code(context, builder, signature, args):
        out, bytes_, at, apart, flip, table, from_, long, rows = args
        kinds, one = signature.args, at.type
        bits = context.make_array(kinds[1])(context, builder, bytes_).data
        numbers = context.make_array(kinds[5])(context, builder, table).data
        nothing = ir.Constant(EIGHT, None)
        sums = [[cgutils.alloca_once_value(builder, nothing) for _ in range(PAIR)] for _ in range(TOGETHER)]
        lanes = ir.VectorType(ir.IntType(1), LANES)
        with cgutils.for_range(builder, rows) as loop:
            masks = []
            for c in range(PAIR):
                place = builder.add(builder.add(at, builder.mul(apart, one(c))), loop.index)
                masks.append(builder.bitcast(builder.xor(builder.load(builder.gep(bits, [place])), flip), lanes))
            for g in range(TOGETHER):
                place = builder.add(builder.add(from_, builder.mul(long, one(g))), loop.index)
                number = _eight_times(builder, builder.load(builder.gep(numbers, [place])))
                for c in range(PAIR):
                    old = builder.load(sums[g][c])
                    builder.store(builder.select(masks[c], builder.fadd(old, number), old), sums[g][c])
        for g in range(TOGETHER):
            for c in range(PAIR):
                target = _at(context, builder, kinds[0], out, one((g * PAIR + c) * LANES))
                builder.store(builder.load(sums[g][c]), target, align=8)
        return context.get_dummy_value()

    _contiguous(out, table)
    if bytes_.layout != "C" or bytes_.dtype != types.uint8:
        raise TypingError(f"bits come as a contiguous array of bytes; this is {bytes_}.")
    place = types.intp
    return types.void(out, bytes_, place, place, types.uint8, table, place, place, place), code


@intrinsic
def copy_eight(typing, out, to, table, at):
    """out[to:to+8] = table[at:at+8], which may be float32."""

    def code(context, builder, signature, args):
        out, to, table, at = args
        kinds = signature.args
        target = _at(context, builder, kinds[0], out, to)
        if kinds[2].dtype == types.float32:
            data = context.make_array(kinds[2])(context, builder, table).data
            narrow = builder.bitcast(builder.gep(data, [at]), ir.VectorType(ir.FloatType(), LANES).as_pointer())
            row = builder.fpext(builder.load(narrow, align=4), EIGHT)
        else:
            row = builder.load(_at(context, builder, kinds[2], table, at), align=8)
        builder.store(row, target, align=8)
        return context.get_dummy_value()

    _contiguous(out)
    _contiguous(table, narrow=True)
    place = types.intp
    return types.void(out, place, table, place), code


@intrinsic
def squared_difference(typing, one, at, other, from_, size):
    """Σ (one[at + i] - other[from_ + i])² over i below `size`, a multiple of eight."""

    def code(context, builder, signature, args):
        one, at, other, from_, size = args
        kinds = signature.args
        total = cgutils.alloca_once_value(builder, ir.Constant(EIGHT, None))
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (i, _):
            x = builder.load(_at(context, builder, kinds[0], one, builder.add(at, i)), align=8)
            y = builder.load(_at(context, builder, kinds[2], other, builder.add(from_, i)), align=8)
            z = builder.fsub(x, y)
            builder.store(builder.fadd(builder.load(total), builder.fmul(z, z, ("contract",)), ("contract",)), total)
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), EIGHT])
        add = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.fadd.v8f64")
        return builder.call(add, [ir.Constant(ir.DoubleType(), 0.0), builder.load(total)], fastmath=("reassoc",))

    _contiguous(one, other)
    place = types.intp
    return types.float64(one, place, other, place, place), code


@intrinsic
def add_scaled_difference(typing, out, to, weight, one, at, other, from_, size):
    """out[to + i] += weight (one[at + i] - other[from_ + i]) for i below `size`, a multiple of eight."""

    def code(context, builder, signature, args):
        out, to, weight, one, at, other, from_, size = args
        kinds = signature.args
        weights = _eight_times(builder, weight)
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (i, _):
            x = builder.load(_at(context, builder, kinds[3], one, builder.add(at, i)), align=8)
            y = builder.load(_at(context, builder, kinds[5], other, builder.add(from_, i)), align=8)
            target = _at(context, builder, kinds[0], out, builder.add(to, i))
            more = builder.fmul(weights, builder.fsub(x, y), ("contract",))
            builder.store(builder.fadd(builder.load(target, align=8), more, ("contract",)), target, align=8)
        return context.get_dummy_value()

    _contiguous(out, one, other)
    place = types.intp
    return types.void(out, place, types.float64, one, place, other, place, place), code
