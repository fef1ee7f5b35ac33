"""A report on disk appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS

import emvsbayes as eb
from emvsbayes.comparison import singularity
from emvsbayes.report import page
from emvsbayes.studies import compare
from emvsbayes.studies.saving import read_result, save, writable, write_gallery


@pytest.fixture(scope="module")
def record():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(singularity, "N_STARTS", 5)
        yield compare("coins", FIVE_TRIALS, n_components=2, sampling=False, n_starts=2, title="Five trials").record


@pytest.fixture(autouse=True)
def _a_short_page(monkeypatch):
    monkeypatch.setattr(page, "render", lambda record: f"<html>{record.subject.title}</html>")


def tree(value=1.0):
    return xr.DataTree.from_dict({"posterior": xr.Dataset({"p": (("chain", "draw"), np.full((2, 3), value))})})


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_report(record, tmp_path):
    found = save(record, tree(), tmp_path / "a" / "b")
    assert found == tmp_path / "a" / "b" / "index.html"
    assert {path.name for path in found.parent.iterdir()} == {"index.html", "result.json", "posterior.nc"}
    assert read_result(found.parent / "result.json") == record
    assert found.read_text(encoding="utf-8") == page.render(record)
    with xr.open_datatree(found.parent / "posterior.nc", engine="h5netcdf") as kept:
        assert kept["posterior"]["p"].shape == (2, 3)
    for path in found.parent.iterdir():
        assert os.access(path, os.R_OK)


def test_a_report_without_a_posterior_keeps_no_old_one(record, tmp_path):
    save(record, tree(), tmp_path)
    save(record, None, tmp_path)
    assert set(contents(tmp_path)) == {"index.html", "result.json"}


def fails(*args, **more):
    raise RuntimeError("half-way")


@pytest.mark.parametrize("where", ["render", "to_json", "posterior"])
def test_a_failure_leaves_nothing(record, tmp_path, monkeypatch, where):
    target = tmp_path / "report"
    _break(where, monkeypatch)
    with pytest.raises(RuntimeError, match="half-way"):
        save(record, tree(), target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["render", "to_json", "posterior"])
def test_a_failure_leaves_the_old_report_as_it_was(record, tmp_path, monkeypatch, where):
    save(record, tree(), tmp_path)
    before = contents(tmp_path)
    _break(where, monkeypatch)
    with pytest.raises(RuntimeError, match="half-way"):
        save(record, tree(2.0), tmp_path)
    assert contents(tmp_path) == before


def _break(where, monkeypatch):
    if where == "render":
        monkeypatch.setattr(page, "render", fails)
    elif where == "to_json":
        monkeypatch.setattr("emvsbayes.studies.saving.Comparison.to_json", fails)
    else:

        def half(self, path, **options):
            Path(path).write_bytes(b"half of it")
            fails()

        monkeypatch.setattr(xr.DataTree, "to_netcdf", half)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere/report")):
        with pytest.raises(eb.InputError) as caught:
            writable(folder)
        message = str(caught.value)
        assert "\n" not in message
        assert str(folder) in message
        assert "choose another output folder" in message
    assert (tmp_path / "file").read_text() == "mine"


def test_looking_whether_a_folder_can_be_written_creates_nothing(tmp_path):
    assert writable(tmp_path / "a" / "b" / "c") == tmp_path / "a" / "b" / "c"
    assert list(tmp_path.iterdir()) == []


def test_the_message_about_a_file_in_the_way_does_not_repeat_itself(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(eb.InputError) as caught:
        writable(tmp_path / "file")
    assert str(caught.value).count(str(tmp_path / "file")) == 1


def test_a_missing_result():
    with pytest.raises(eb.InputError, match=r"nowhere\.json does not exist"):
        read_result(Path("nowhere.json"))


def test_a_broken_result_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(eb.InputError, match=r"broken\.json"):
        read_result(tmp_path / "broken.json")


def test_the_gallery_lists_the_studies(record, tmp_path):
    for name in ("one", "two & three"):
        save(record, None, tmp_path / name)
    (tmp_path / "unrelated").mkdir()
    (tmp_path / "unrelated" / "notes.txt").write_text("mine")
    gallery = write_gallery(tmp_path)
    text = gallery.read_text(encoding="utf-8")
    assert gallery == tmp_path / "index.html"
    assert text.count("Five trials") >= 2
    assert 'href="./one/index.html"' in text
    assert 'href="./two%20%26%20three/index.html"' in text
    assert "unrelated" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "one", "two & three", "unrelated"]


def test_a_result_that_cannot_be_read_is_left_out_and_told(record, tmp_path):
    save(record, None, tmp_path / "good")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "result.json").write_text("{}")
    said = []
    text = write_gallery(tmp_path, said.append).read_text(encoding="utf-8")
    assert 'href="./good/index.html"' in text
    assert 'href="./old/index.html"' not in text
    assert len(said) == 1
    assert "old" in said[0]


def test_a_gallery_that_fails_leaves_the_old_one(record, tmp_path, monkeypatch):
    save(record, None, tmp_path / "one")
    before = write_gallery(tmp_path).read_bytes()
    from emvsbayes.report import gallery

    monkeypatch.setattr(gallery, "render_gallery", fails)
    with pytest.raises(RuntimeError, match="half-way"):
        write_gallery(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "one"]
