"""The picture of the bound: it touches the log-likelihood where it was made, is tangent there, and lies below."""

import numpy as np
import pytest
from cases import posed, run

from emvsbayes.comparison.tangency import tangency

NAMES = ["gaussian_mixture-full-ml", "coins-plain-ml", "bernoulli_mixture-plain-ml", "linear_evidence-gaussian-ml"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("coordinate", [0, 1])
def test_value_and_slope_agree_where_the_bound_touches(name, coordinate):
    problem, _ = posed(name)
    found = tangency(problem.family, problem.data, run(name).params, coordinate, drop=3.0)
    assert len(found.touches) == 3
    for touch in found.touches:
        (height, bound), (slope, other) = touch.value, touch.slope
        assert bound == pytest.approx(height, abs=1e-9 * max(1, abs(height)))
        assert other == pytest.approx(slope, abs=1e-5 * max(1, abs(slope)))
        assert np.all(np.array(touch.bound) <= np.array(found.log_likelihood) + 1e-9 * abs(height))


def test_each_bound_is_made_at_the_top_of_the_one_before():
    problem, _ = posed("coins-plain-ml")
    found = tangency(problem.family, problem.data, run("coins-plain-ml").params, drop=3.0)
    for before, after in zip(found.touches, found.touches[1:], strict=False):
        assert after.at == before.top
        assert after.value[0] >= before.value[0]
        assert max(before.bound) <= after.value[0] + 1e-6
    assert found.touches[0].value[0] == pytest.approx(max(found.log_likelihood) - 3.0, abs=0.5)
    assert "probs" in found.name or "weights" in found.name
