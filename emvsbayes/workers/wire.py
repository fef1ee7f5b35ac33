"""What travels between processes, so that it arrives as it left, to the bit.

An array that Dask brings over a connection is a view into the message, at any address. A compiled pass takes an array
that is not aligned for another kind of array: it is compiled again, for seconds, and may round differently. Hence small
things (functions, parameters, statistics) are packed here into bytes, from which arrays come out aligned, and a data
record travels in a `Parcel`, which copies its arrays into memory of their own on arrival, once a worker.
"""

from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np


def packed(value: Any) -> bytes:
    """A value as bytes, functions by value where they cannot be imported."""
    import cloudpickle

    return cloudpickle.dumps(value)


def unpacked(message: bytes) -> Any:
    """The inverse of `packed`."""
    return pickle.loads(message)


class Parcel:
    """A data record on its way to a worker, or there."""

    def __init__(self, record: Any) -> None:
        self.record = record

    def __sizeof__(self) -> int:
        """Bytes of the arrays: what Dask weighs before it moves work to data, or data to work."""
        return 64 + sum(getattr(getattr(self.record, f.name), "nbytes", 0) for f in _fields(self.record))

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        return _arrived, (self.record,)


def _arrived(record: Any) -> Parcel:
    return Parcel(aligned(record))


def aligned(record: Any) -> Any:
    """A data record whose arrays are aligned and may be written to; itself where they are, or where it is no record."""
    arrays = {f.name: value for f in _fields(record) if isinstance(value := getattr(record, f.name), np.ndarray)}
    copied = {name: a.copy() for name, a in arrays.items() if not (a.flags.aligned and a.flags.writeable)}
    return replace(record, **copied) if copied else record


def _fields(record: Any) -> tuple[Any, ...]:
    return fields(record) if is_dataclass(record) else ()
