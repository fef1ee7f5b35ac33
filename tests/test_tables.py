"""Data as they arrive: every way in, and one sentence for whatever cannot be used."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import emvsbayes as eb
from emvsbayes.tables import as_table, read_table

ROWS = np.array([[1.5, 2.0], [3.0, -4.25], [1e-3, 6e7]])


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# what can be used


@pytest.mark.parametrize("with_header", [True, False])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_csv(tmp_path, with_header, line_end, bom):
    lines = (["a, b"] if with_header else []) + [f"{x},{y}" for x, y in ROWS.tolist()]
    table = read_table(written(tmp_path, "data.csv", bom + line_end.join(lines)))
    assert table.columns == (("a", "b") if with_header else ("x0", "x1"))
    assert np.array_equal(table.numbers(), ROWS)


def test_csv_with_blank_lines_quotes_and_spaces(tmp_path):
    text = '\n"a","b"\n\n 1.5 ,"2"\n\n\n3,-4.25\n\n0.001,6e7\n\n'
    assert np.array_equal(read_table(written(tmp_path, "data.csv", text)).numbers(), ROWS)


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NULL", "None", " na "])
def test_missing_cells_are_nan(tmp_path, cell):
    table = read_table(written(tmp_path, "data.csv", f"a,b\n1,{cell}\n2,3\n"))
    np.testing.assert_array_equal(table.numbers(), [[1, np.nan], [2, 3]])


def test_suffix_in_capitals_and_str_paths(tmp_path):
    path = written(tmp_path, "DATA.CSV", "a\n1\n2\n")
    assert np.array_equal(as_table(str(path)).numbers(), [[1.0], [2.0]])


def test_npy_npz_parquet(tmp_path):
    np.save(tmp_path / "d.npy", ROWS)
    np.savez(tmp_path / "d.npz", a=ROWS[:, 0], b=ROWS[:, 1])
    np.savez(tmp_path / "x.npz", X=ROWS)
    pd.DataFrame(ROWS, columns=["a", "b"]).to_parquet(tmp_path / "d.parquet")
    for name, columns in {
        "d.npy": ("x0", "x1"),
        "d.npz": ("a", "b"),
        "x.npz": ("x0", "x1"),
        "d.parquet": ("a", "b"),
    }.items():
        table = read_table(tmp_path / name)
        assert table.columns == columns
        assert np.array_equal(table.numbers(), ROWS)


@pytest.mark.parametrize(
    "X",
    [
        ROWS,
        ROWS.tolist(),
        {"X": ROWS},
        {"a": ROWS[:, 0], "b": ROWS[:, 1]},
        {0: ROWS[:, 0], 1: list(ROWS[:, 1])},
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS, columns=["a", "b"], index=[7, 7, 9]),
        ROWS.astype(object),
        ROWS.astype(str),
        np.asfortranarray(ROWS),
        ROWS.astype(">f8"),
    ],
    ids=lambda X: type(X).__name__,
)
def test_rectangular_data(X):
    assert np.array_equal(as_table(X).numbers(), ROWS)


@pytest.mark.parametrize("X", [ROWS[:, 0], list(ROWS[:, 0]), pd.Series(ROWS[:, 0]), {"a": ROWS[:, 0]}])
def test_one_axis_is_one_column(X):
    assert np.array_equal(as_table(X).numbers(), ROWS[:, :1])


def test_whole_numbers_and_truth_values_are_numbers():
    assert np.array_equal(as_table(np.array([True, False])).numbers(), [[1.0], [0.0]])
    assert np.array_equal(as_table(np.array([[1, 2]], dtype=np.uint8)).numbers(), [[1.0, 2.0]])


def test_missing_in_frames():
    """pandas writes a missing whole number as NA, and a missing text as None."""
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([None, "2.5"], dtype=object)})
    np.testing.assert_array_equal(as_table(frame).numbers(), [[1, np.nan], [np.nan, 2.5]])


@given(arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-1e300, 1e300)))
def test_csv_round_trips_every_number(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_text(
        "\n".join(
            [",".join(f"c{i}" for i in range(values.shape[1]))] + [",".join(map(repr, r)) for r in values.tolist()]
        )
    )
    assert np.array_equal(read_table(path).numbers(), values)


def test_select():
    table = as_table({"a": [1], "b": [2], "c": [3]})
    assert np.array_equal(table.select(["c", "a"]).numbers(), [[3.0, 1.0]])
    with pytest.raises(eb.InputError, match="'waiting'"):
        as_table({"waiting": [1]}).select(["wating"])


# what cannot


def refused(X, *named):
    with pytest.raises(eb.InputError) as caught:
        as_table(X).numbers()
    message = str(caught.value)
    assert "\n" not in message
    for words in named:
        assert words in message, message


def test_missing_file(tmp_path):
    refused(tmp_path / "nowhere.csv", "nowhere.csv", "exist")


def test_directories(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "folder.csv")
    refused(tmp_path, str(tmp_path))


@pytest.mark.parametrize("name", ["data.csv", "data.npy", "data.npz", "data.parquet"])
def test_empty_and_broken_files(tmp_path, name):
    refused(written(tmp_path, name, ""), name, "empty")
    if name != "data.csv":
        refused(written(tmp_path, name, b"\x00\x01 not such a file"), name)


def test_unknown_suffix(tmp_path):
    refused(written(tmp_path, "data.xlsx", "a\n1"), ".csv", ".parquet", ".npy", ".npz")


@pytest.mark.parametrize("text", ["\n\n", ",,\n,,\n", "a,b\n", "a,b\n\n,\n"])
def test_files_without_rows(tmp_path, text):
    refused(written(tmp_path, "data.csv", text), "data.csv", "one row of numbers")


def test_text_column_is_named_with_row_and_line(tmp_path):
    refused(written(tmp_path, "data.csv", "a,kind\n1,2\n3,dog\n"), "'kind'", "'dog'", "row 1", "line 3")


def test_text_after_blank_lines_names_the_row(tmp_path):
    refused(written(tmp_path, "data.csv", "a,kind\n\n1,2\n\n3,dog\n"), "'kind'", "'dog'", "row 1")


def test_ragged_rows_name_the_line(tmp_path):
    refused(written(tmp_path, "data.csv", "a,b\n1,2\n\n3\n"), "line 4", "1 cells", "2 were expected")
    refused(written(tmp_path, "data.csv", "a,b\n1,2,3\n"), "line 2", "3 cells")
    refused([[1, 2], [3]], "rectangular")


def test_duplicate_headers(tmp_path):
    refused(written(tmp_path, "data.csv", "a,a\n1,2\n"), "same name")
    refused(pd.DataFrame(ROWS, columns=["a", "a"]), "a")


def test_other_encodings(tmp_path):
    refused(written(tmp_path, "data.csv", "a,b\n1,2\n".encode("utf-16")), "data.csv")
    refused(written(tmp_path, "data.csv", b"a,\xe9\n1,2\n"), "data.csv")


def test_other_delimiters_are_text(tmp_path):
    refused(written(tmp_path, "data.csv", "a;b\n1;2\n"), "'a;b'", "semicolons", "separate them by commas")
    refused(written(tmp_path, "data.csv", "a\tb\n1\t2\n"), "tabs", "separate them by commas")


@pytest.mark.parametrize(
    "X",
    [
        np.array(["a", "b"]),
        np.array([object(), 1]),
        np.array([[1.0], [[2.0]]], dtype=object),
        np.array([1 + 2j], dtype=object),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.array([3], dtype="m8[s]"),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        pd.DataFrame({"x0": ["u", "v"]}),
        pd.DataFrame({"x0": pd.Categorical(["u", "v"])}),
        pd.DataFrame({"x0": pd.to_datetime(["2020-01-01"])}),
    ],
    ids=lambda X: str(getattr(X, "dtype", "frame")),
)
def test_columns_that_are_no_numbers(X):
    refused(X, "'x0'")


@pytest.mark.parametrize(
    "X",
    [
        None,
        5,
        object(),
        {1, 2},
        (x for x in [1, 2]),
        b"abc",
        np.zeros((2, 2, 2)),
        {},
        [],
        np.zeros((0, 2)),
        np.zeros((3, 0)),
    ],
)
def test_things_that_are_no_table(X):
    refused(X)


def test_mappings_of_unequal_columns():
    refused({"a": [1, 2], "b": [1]}, "unequal", "a: 2", "b: 1")
    refused({"a": [[1, 2]], "b": [1]}, "'a'")
    refused({"a": 1}, "'a'")


# known to fail


def test_complex_numbers_are_refused():
    """Bug: float() of numpy's complex drops the imaginary part with a warning."""
    refused(np.array([1 + 2j, 2]), "'x0'")


def test_masked_entries_are_missing():
    """Bug: the numbers under the mask are used."""
    masked = np.ma.array([[1.0, 2.0], [3.0, 99.0]], mask=[[0, 0], [0, 1]])
    np.testing.assert_array_equal(as_table(masked).numbers(), [[1, 2], [3, np.nan]])


def test_ragged_columns_of_a_mapping():
    """Bug: numpy's own ValueError."""
    refused({"a": [[1], [1, 2]], "b": [1, 2]}, "'a'")


def test_whole_numbers_beyond_floats():
    """Bug: OverflowError."""
    refused(np.array([10**400, 1], dtype=object), "'x0'")


@pytest.mark.parametrize("damage", ["no zip", "cut", "bit flipped"])
def test_broken_npz(tmp_path, damage):
    """Bug: zipfile.BadZipFile is neither an OSError nor a ValueError."""
    np.savez(tmp_path / "d.npz", a=np.arange(5.0), b=np.arange(5.0))
    content = bytearray((tmp_path / "d.npz").read_bytes())
    assert zipfile.is_zipfile(tmp_path / "d.npz")
    if damage == "no zip":
        content = b"PK\x03\x04 nonsense"
    elif damage == "cut":
        content = content[:-30]
    else:
        content[140] ^= 0xFF
    refused(written(tmp_path, "d.npz", bytes(content)), "d.npz")


def test_cells_beyond_the_limit_of_csv(tmp_path):
    """Bug: csv.Error is neither an OSError nor a ValueError."""
    refused(written(tmp_path, "data.csv", 'a,b\n"' + "x" * 200_000 + '",2\n'), "data.csv")


def test_names_no_file_system_takes():
    """Bug: OSError from is_file()."""
    refused("a" * 5000 + ".csv", "exist")


@pytest.mark.parametrize("cell", ["NA", ""])
def test_a_first_row_with_a_missing_cell_is_no_header(tmp_path, cell):
    """Bug: without a header, a first row with a missing cell was taken for column names, and its numbers lost."""
    table = read_table(written(tmp_path, "data.csv", f"1.0,{cell}\n2.0,3.0\n"))
    assert table.columns == ("x0", "x1")
    np.testing.assert_array_equal(table.numbers(), [[1, np.nan], [2, 3]])


@pytest.mark.parametrize(("text", "expected"), [
    ("a,b\n1,2\n,\n3,4\n", [[1, 2], [np.nan, np.nan], [3, 4]]),
    ("a\n1\n\n3\n\n\n", [[1], [np.nan], [3]]),
])  # fmt: skip
def test_a_row_with_nothing_in_it_is_a_row_of_missing_cells(tmp_path, text, expected):
    np.testing.assert_array_equal(read_table(written(tmp_path, "data.csv", text)).numbers(), expected)
