"""The pictures of K-means: every pixel in the colour of its nearest centre, and what that loses."""

import numpy as np
import pytest

from emvsbayes.studies import STUDIES
from emvsbayes.studies.photographs import read_photograph, to_picture, to_rows
from emvsbayes.studies.supplements import images


@pytest.mark.parametrize("name", ["image-segmentation", "vector-quantisation"])
def test_rows_are_coded_by_the_nearest_centre(name):
    """Bug: responsibilities were asked of a fit that keeps none, and the study ended in an error."""
    study = STUDIES[name]
    pixels = read_photograph(study.photograph)[:64, :64]
    shown, lines = images._coded(study, pixels, (2, 4))
    assert [len(line) for line in lines] == [len(images.HEADERS)] * 2
    assert [picture.caption for picture in shown] == ["K = 2", "K = 4"]
    rows = to_rows(pixels, study.photograph.block)
    mean = ((rows - rows.mean(axis=0)) ** 2).sum() / len(rows)
    assert 0 < lines[1][2] < lines[0][2] < mean  # J / N
    assert all(line[-1] == "converged" for line in lines)
    assert np.array_equal(to_picture(rows, pixels.shape, study.photograph.block), pixels)
