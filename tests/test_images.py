"""Images: IDX files, good and broken, packed bits, and the shape that the names of the pixels tell."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import emvsbayes as eb
from emvsbayes.images import binarised, image_shape, pack, packed_labels, read_labels, unpack
from emvsbayes.studies.spec import FOLDER
from emvsbayes.tables import as_table

PIXELS = np.array([[[0, 255, 51], [102, 0, 255]], [[255, 255, 0], [0, 0, 204]]], dtype=np.uint8)  # two of 2 x 3


def idx(values: np.ndarray) -> bytes:
    values = values.astype(np.uint8)
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.mark.parametrize(
    ("name", "packed"),
    [("t10k-images-idx3-ubyte.gz", True), ("t10k-images-idx3-ubyte", False), ("mine.idx", False), ("x.idx3.gz", True)],
)
def test_images_become_rows_of_pixels(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(idx(PIXELS), mtime=0) if packed else idx(PIXELS))
    table = as_table(path)
    assert table.columns == ("r0c0", "r0c1", "r0c2", "r1c0", "r1c1", "r1c2")
    np.testing.assert_allclose(table.numbers(), PIXELS.reshape(2, 6) / 255)
    assert image_shape(table.columns) == (2, 3)


def test_labels_are_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx(np.array([7, 2, 1])))
    assert read_labels(path).tolist() == [7, 2, 1]
    assert as_table(path).columns == ("label",)
    images = tmp_path / "images-idx3-ubyte"
    images.write_bytes(idx(PIXELS))
    with pytest.raises(eb.InputError, match="holds images"):
        read_labels(images)
    with pytest.raises(eb.InputError, match="does not exist"):
        read_labels(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PNG and so on", ["magic number is 0x504e4720", "0x00000803"]),
        (b"\0\0", ["magic number"]),
        (b"\0\0\x0d\x03" + bytes(12), ["type 0x0d", "unsigned bytes"]),
        (idx(PIXELS)[:-1], ["truncated", "2 x 2 x 3 needs 12 bytes", "11"]),
        (idx(PIXELS)[:9], ["truncated", "header"]),
        (idx(PIXELS) + b"\0", ["too long", "13"]),
        (idx(PIXELS[:0]), ["no images", "0 x 2 x 3"]),
        (gzip.compress(idx(PIXELS), mtime=0)[:-9], ["broken gzip"]),
        (b"", ["empty"]),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: bytes, words: list[str]) -> None:
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(eb.InputError) as caught:
        as_table(path)
    for word in (str(path), *words):
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_grey_levels_are_fitted_as_expected_bits_and_can_be_binarised(tmp_path: Path) -> None:
    path = tmp_path / "images.idx"
    path.write_bytes(idx(PIXELS))
    grey = as_table(path).numbers()
    fit = eb.fit("bernoulli_mixture", path, n_components=1)
    np.testing.assert_allclose(fit.params.probs[0], grey.mean(axis=0))
    np.testing.assert_array_equal(binarised(np.array([[0, 0.49, 0.5, 1]])), [[0, 0, 1, 1]])
    assert set(np.unique(binarised(grey))) == {0.0, 1.0}


def test_shapes() -> None:
    assert image_shape([f"x{i}" for i in range(64)]) == (8, 8)
    with pytest.raises(eb.InputError, match="not the pixels of an image"):
        image_shape(["a", "b", "c"])


def test_packing_there_and_back() -> None:
    bits = np.random.default_rng(0).random((5, 15)) < 0.5
    packed = pack(bits, (3, 5), np.arange(5), "made up")
    assert packed["bits"].shape == (5, 2)
    columns = unpack(packed)
    assert image_shape(list(columns)) == (3, 5)
    np.testing.assert_array_equal(np.column_stack(list(columns.values())), bits)


def test_the_embedded_digits_are_those_of_scikit_learn() -> None:
    """How the file was made: np.savez_compressed(path, **pack(load_digits().data >= 8, (8, 8), target, source))."""
    digits, path = load_digits(), FOLDER / "data" / "digits.npz"
    made = pack(digits.data >= 8, (8, 8), digits.target, "")
    with np.load(path) as held:
        for name in ("bits", "shape", "labels"):
            np.testing.assert_array_equal(held[name], made[name])
        assert "Alpaydin and Kaynak (1998)" in str(held["source"])
    assert path.stat().st_size < 10_000
    np.testing.assert_array_equal(as_table(path).numbers(), digits.data >= 8)
    labels = packed_labels(path)
    assert labels is not None
    np.testing.assert_array_equal(labels, digits.target)
