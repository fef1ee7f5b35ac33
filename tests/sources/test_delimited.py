"""A CSV file in blocks is the CSV file read whole: the same names, the same numbers, the same refusals."""

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.sources import delimited
from emvsbayes.sources.opening import as_reader
from emvsbayes.tables import read_table

ROWS = "1,2.5\n-3e-2, 4\n5,.5\n"


def in_blocks(path):
    blocks = list(as_reader(path).blocks(2))
    assert [block.start for block in blocks] == list(np.cumsum([0, *(b.table.n_rows for b in blocks[:-1])]))
    return blocks[0].table.columns, np.vstack([block.table.numbers() for block in blocks])


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        ROWS.strip(),
        "a,b\n" + ROWS,
        "\n\na,b\n" + ROWS + "\n\n",
        "\n" + ROWS,
        "\ufeffa,b\n" + ROWS,
        ("a,b\n" + ROWS).replace("\n", "\r\n"),
        "a,b\n1,2\n\n3,4\n",
        "a,2\n" + ROWS,  # a word among them: names
        "na,2\n" + ROWS,  # a missing cell: a row
        '"a\nb",c\n' + ROWS,
        'a,b\n"1","2"\n,NA\nnan,NULL\n""," 7 "\n',
        "a,\n" + ROWS,
        "a\n1\n\n3\n",  # of one column an empty line is a missing cell
        "1\n2\n3\n",
    ],
)
def test_the_rows_are_those_of_the_file_read_whole(text, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    names, numbers = in_blocks(path)
    whole = read_table(path)
    assert names == whole.columns
    np.testing.assert_array_equal(numbers, whole.numbers())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "has a header but no rows"),
        ("a,b", "has a header but no rows"),
        ("\n\n", "is empty"),
        ("a;b\n1;2\n", "separated by semicolons"),
        ("a\tb\n1\t2\n", "separated by tabs"),
        ("a,a\n1,2\n", "two columns of the same name"),
        ("a,b\n1,2\n3,four\n", r"column 'b' of .*rows.csv holds text \('four' at row 1"),
        ("\na,b\n1,2\n\n3,four\n", r"column 'b' of .*rows.csv holds text \('four' at row 1"),
        ("1,2\nx,2\n", r"column 'x0' of .*rows.csv holds text \('x' at row 1"),
        ("a,b\n1,2\n3\n", "has 1 cells where 2 were expected; every line needs as many cells as the first"),
        ("a,b\n1,2\n3,4,5\n", "has 3 cells where 2 were expected"),
    ],
)
def test_the_refusals_are_those_of_the_file_read_whole(text, message, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    for chunk in (2, None):
        with pytest.raises(eb.InputError, match=message) as told:
            eb.fit("gaussian_mixture", path, n_components=1, chunk=chunk)
        assert "\n" not in str(told.value)


def test_lines_within_a_cell(tmp_path, monkeypatch):
    """Wherever a block of bytes ends."""
    monkeypatch.setattr(delimited, "BYTES", 100)
    path = tmp_path / "rows.csv"
    path.write_text("a,note,b\n" + "".join(f'{i},"of two\n\nlines",{-i}\n' for i in range(100)))
    blocks = list(as_reader(path, ["a", "b"]).blocks(30))
    assert len(blocks) > 10
    found = np.vstack([block.table.numbers() for block in blocks])
    np.testing.assert_array_equal(found, np.c_[np.arange(100), -np.arange(100)])
