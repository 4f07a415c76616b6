"""Two operations that numba does not offer."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 8

Array = TypeVar("Array")


def _transpose(_: Any, source: Any, start: Any, target: Any, begin: Any, length: Any) -> Any:
    """Transpose LANES × LANES numbers of one flat float64 buffer into another.

    The first number lies at `start` of the source and `begin` of the target; rows have `length`
    numbers. This shuffles whole vectors: a loop would compile to scattered stores, three times
    slower.
    """
    return types.void(source, types.intp, target, types.intp, types.intp), _generate_transposition


def _generate_transposition(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    source, start, target, begin, length = arguments

    def row(buffer: Any, kind: Any, first: Any, index: int) -> Any:
        data = context.make_array(kind)(context, builder, buffer).data
        offset = builder.add(first, builder.mul(length, ir.Constant(length.type, index)))
        vector = ir.VectorType(ir.DoubleType(), LANES)
        return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

    rows = [
        builder.load(row(source, signature.args[0], start, index), align=LANES)
        for index in range(LANES)
    ]
    for distance in (1, 2, 4):
        _exchange(builder, rows, distance)
    for index, vector in enumerate(rows):
        builder.store(vector, row(target, signature.args[2], begin, index), align=LANES)
    return context.get_dummy_value()


def _exchange(builder: Any, rows: list[Any], distance: int) -> None:
    """Exchange the lanes of an index bit with the rows of the same bit, which transposes it."""

    def shuffle(above: Any, below: Any, lanes: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)
        return builder.shuffle_vector(above, below, mask)

    low = [i - distance + LANES if i & distance else i for i in range(LANES)]
    high = [i + LANES if i & distance else i + distance for i in range(LANES)]
    for upper in range(LANES):
        if not upper & distance:
            above, below = rows[upper], rows[upper + distance]
            rows[upper] = shuffle(above, below, low)
            rows[upper + distance] = shuffle(above, below, high)


def _borrow(_: Any, array: Any) -> Any:
    """Return the same array without its reference count.

    Each slice of a counted array costs two atomic operations, together a fifteenth of the VIF's
    time. The result must not outlive the array.
    """
    return array(array), _generate_borrowed


def _generate_borrowed(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    made = context.make_array(signature.args[0])(context, builder, arguments[0])
    made.meminfo = ir.Constant(made.meminfo.type, None)
    made.parent = ir.Constant(made.parent.type, None)
    return made._getvalue()


transpose_lanes = cast(Callable[..., None], intrinsic(_transpose))
borrow = cast(Callable[[Array], Array], intrinsic(_borrow))
