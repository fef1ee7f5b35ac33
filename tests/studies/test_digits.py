"""The study of digits: what it shows, its scores against their definitions, and other files in the place of its own."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import stats
from sklearn.metrics import rand_score

import emvsbayes as eb
from emvsbayes.cli import main
from emvsbayes.comparison import singularity
from emvsbayes.families.bernoulli_mixture.em import BernoulliMixture
from emvsbayes.families.bernoulli_mixture.records import BernoulliData, BernoulliParams
from emvsbayes.studies import STUDIES, run_study
from emvsbayes.studies.supplements.completion import pair_agreement
from emvsbayes.studies.supplements.completion_scores import upper_half
from emvsbayes.studies.supplements.rasters import raster, strip
from emvsbayes.tables import as_table

PARAMS = BernoulliParams(np.array([0.3, 0.7]), np.array([[0.9, 0.6, 0.2, 0.5], [0.25, 0.5, 0.8, 0.1]]))
FAMILY = BernoulliMixture(2)


def small(path: Path, rows: int = 120, scale: float = 1.0) -> Path:
    """A file with some of the digits."""
    table = as_table(STUDIES["digits-completion"].table())
    np.savez(path, **{name: scale * values[:rows] for name, values in zip(table.columns, table.values, strict=True)})
    return path


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(singularity, "N_STARTS", 3)


def test_the_completion_score_is_that_of_the_hidden_half_given_the_other():
    """p(x_3, x_4 | x_1, x_2) from the joint distribution, by enumeration; it sums to 1 over the hidden half."""
    total = 0.0
    for hidden in product((0.0, 1.0), repeat=2):
        x = np.array([1.0, 0.0, *hidden])
        data = BernoulliData.read(x[None])
        part = upper_half(replace(data, columns=("r0c0", "r0c1", "r1c0", "r1c1")))
        assert part.observed.tolist() == [[1, 1, 0, 0]]
        joint, seen = (
            sum(w * stats.bernoulli.pmf(x[:d], p[:d]).prod() for w, p in zip(PARAMS.weights, PARAMS.probs, strict=True))
            for d in (4, 2)
        )
        score = FAMILY.completion_score(PARAMS, data, part)
        np.testing.assert_allclose(score, np.log(joint / seen), rtol=1e-12)
        total += float(np.exp(score[0]))
    assert total == pytest.approx(1.0, abs=1e-12)


def test_an_impossible_image_scores_minus_infinity():
    params = replace(PARAMS, probs=np.zeros((2, 4)))
    for x in ([0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]):
        data = replace(BernoulliData.read(np.array([x])), columns=("r0c0", "r0c1", "r1c0", "r1c1"))
        assert FAMILY.completion_score(params, data, upper_half(data)) == -np.inf


def test_the_log_score_is_a_mean_over_new_rows():
    X = (np.random.default_rng(0).random((40, 4)) < 0.5).astype(float)
    fit = eb.fit("bernoulli_mixture", X[:30], n_components=2, prior="default", n_starts=2)
    rows = [
        np.log(sum(w * stats.bernoulli.pmf(x, p).prod() for w, p in zip(*_values(fit.params), strict=True)))
        for x in X[30:]
    ]
    assert fit.log_score(X[30:]) == pytest.approx(np.mean(rows), rel=1e-12)


def _values(params: BernoulliParams):
    return params.weights, params.probs


def test_pairs_that_two_groupings_agree_on():
    one, other = np.random.default_rng(0).integers(0, 4, (2, 50))
    assert pair_agreement(one, other) == pytest.approx(rand_score(one, other))
    assert pair_agreement(one, 3 - one) == 1.0


def test_pictures_are_the_pixels_and_equal_bytes():
    pixels = np.random.default_rng(0).random((3, 2, 4))
    made = raster(strip(pixels), "three", 5)
    assert made == raster(strip(pixels), "three", 5)
    assert (made.width, made.height, made.scale) == (3 * 4 + 2, 2, 5)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(made.png))))
    np.testing.assert_array_equal(shown[:, :4], np.rint(255 * pixels[0]))
    assert (shown[:, 4] == 255).all()
    assert raster(np.zeros((2, 2, 3)), "in colour").width == 2


def test_another_file_in_the_place_of_the_studys_own(tmp_path: Path, few: None):
    found = run_study(STUDIES["digits-completion"], data=small(tmp_path / "some.npz"), sampling=False)
    record = found.record
    assert (record.subject.n_rows, record.subject.source) == (120, "some.npz")
    assert record.provenance.command.startswith("emvsbayes run digits-completion --data ")
    pictures, scores = record.supplements
    assert len(pictures.rasters) == 4  # images, what is seen, MAP, components
    assert {r.height for row in pictures.rasters for r in row} == {8}
    new, own = scores.sheets
    assert [row[0] for row in new.rows] == ["one component", "ML (EM)", "MAP (EM)"]
    for row in own.rows:
        assert isinstance(row[1], float)
        assert row[1] < 0
    assert type(record).from_json(record.to_json()) == record


def test_known_labels_are_the_supervised_m_step(tmp_path: Path, few: None):
    labels = np.arange(120) % 10
    found = run_study(STUDIES["digits-completion"], data=small(tmp_path / "s.npz"), labels=labels, sampling=False)
    X = as_table(tmp_path / "s.npz").numbers()
    for digit in range(10):
        ones = X[labels == digit].sum(axis=0)
        np.testing.assert_allclose(found.ml.params.probs[digit], ones / 12, atol=1e-12)
        np.testing.assert_allclose(found.map.params.probs[digit], (ones + 1) / 14)
    names = [row[0] for row in found.record.supplements[1].sheets[0].rows]
    assert names[-2:] == ["ML, digits known", "MAP, digits known"]


def test_large_files_are_not_sampled_and_the_page_says_so(tmp_path: Path, few: None, monkeypatch):
    from emvsbayes.studies import runner

    monkeypatch.setattr(runner, "LARGE", 1000)
    record = run_study(STUDIES["digits-completion"], data=small(tmp_path / "some.npz")).record
    assert record.switching is None
    assert record.subject.notes == [
        "120 rows of 64 numbers are more than 1000 entries: nothing was sampled, and EM had 3 starts."
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["two-coins", "old-faithful", "--data", "x.csv"], "--data stands in for the data of one study; 2 are named."),
        (["digits-completion", "--labels", "x"], "--labels belong to --data"),
        (["digits-completion", "--data", "none.csv"], "does not exist"),
    ],
)
def test_bad_use_of_data_is_one_sentence(words: list[str], message: str, tmp_path: Path):
    done = CliRunner().invoke(main, ["run", *words, "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert message in done.output


def test_pixels_out_of_range_and_coded_1_and_2(tmp_path: Path):
    for scale, word in ((16.0, "[0, 1]"), (1.0, "coded 1 and 2")):
        path = small(tmp_path / "bad.npz", scale=scale)
        if scale == 1.0:
            with np.load(path) as held:
                np.savez(tmp_path / "bad2.npz", **{name: 1 + held[name] for name in held.files})
            path = tmp_path / "bad2.npz"
        with pytest.raises(eb.InputError) as caught:
            run_study(STUDIES["digits-completion"], data=path, sampling=False)
        assert word in str(caught.value)


@pytest.mark.sampling
def test_mnist_in_30_seconds_from_one_start():
    """In `make test-all` only: EMVSBAYES_DATA names the folder that holds mnist/t10k-images-idx3-ubyte.gz."""
    folder = os.environ.get("EMVSBAYES_DATA")
    assert folder, "set EMVSBAYES_DATA to the folder that holds mnist/t10k-images-idx3-ubyte.gz, and run this again."
    table = as_table(Path(folder) / "mnist" / "t10k-images-idx3-ubyte.gz")
    assert (table.n_rows, len(table.columns)) == (10_000, 784)
    began = perf_counter()
    fit = eb.fit("bernoulli_mixture", table, n_components=10, prior="default", n_starts=1, record=False)
    assert perf_counter() - began < 30
    assert fit.status.name == "CONVERGED"
    assert -170 < fit.log_score(table) < -160
