"""What travels arrives as it left: arrays of their own, aligned, whatever address the message had."""

import pickle

import numpy as np
from cases import posed

from emvsbayes.core.records import record_fields
from emvsbayes.workers.wire import Parcel, aligned, packed, unpacked


def arrived(parcel):
    """The parcel as Dask brings it: its arrays are views into a message, here at odd addresses that are read-only."""
    buffers = []
    message = pickle.dumps(parcel, protocol=5, buffer_callback=buffers.append)
    odd = [memoryview(b"x" + bytes(buffer.raw()))[1:] for buffer in buffers]
    assert odd
    return pickle.loads(message, buffers=odd)


def arrays_of(record):
    return {name: value for name, value in record_fields(record).items() if isinstance(value, np.ndarray)}


def test_a_record_that_arrives_has_arrays_of_its_own():
    data = posed("gaussian_mixture-full-labelled-weighted")[0].data
    found = arrays_of(arrived(Parcel(data)).record)
    assert found.keys() == arrays_of(data).keys()
    for name, array in found.items():
        assert array.flags.aligned, name
        assert array.flags.writeable, name
        assert np.array_equal(array, getattr(data, name))


def test_a_record_that_is_aligned_is_itself():
    data = posed("gaussian_mixture-full-labelled-weighted")[0].data
    whole = arrived(Parcel(data)).record
    assert aligned(whole) is whole
    assert aligned(3) == 3


def test_the_weight_of_a_parcel_is_that_of_its_arrays():
    data = posed("gaussian_mixture-full-labelled-weighted")[0].data
    nbytes = sum(array.nbytes for array in arrays_of(data).values())
    assert nbytes <= Parcel(data).__sizeof__() < nbytes + 1000
    assert Parcel(None).__sizeof__() < 1000


def test_functions_travel_by_value():
    assert unpacked(packed(lambda x: x + 1))(2) == 3
