"""`emvsbayes em --errors`: a table, a sentence where there is none, and a wrong name before anything is fitted."""

import pytest
from cases import OLD_FAITHFUL
from click.testing import CliRunner

from emvsbayes.cli import main

EM = ["em", str(OLD_FAITHFUL), "-f", "gaussian_mixture", "-k", "2", "--starts", "1"]


def test_a_table_by_method():
    done = CliRunner().invoke(
        main, [*EM, "--covariance", "diag", "--errors", "louis,sem,bootstrap", "--replicates", "10"]
    )
    assert done.exit_code == 0, done.output
    head = next(line for line in done.stdout.splitlines() if "louis" in line)
    assert head.split() == ["estimate", "louis", "sem", "bootstrap", "95%", "interval", "missing"]
    assert "bootstrap: 10 replicates" in done.stdout


def test_a_singular_fit_keeps_its_exit_code():
    done = CliRunner().invoke(main, [*EM, "--start", "random_scales", "--seed", "3", "--errors", "louis"])
    assert done.exit_code == 4
    assert "there are no standard errors: the fit is singular" in done.stdout


@pytest.mark.parametrize("options", [["--replicates", "1"], ["--level", "1.5"], ["--level", "0"]])
def test_a_number_that_cannot_be_is_refused_before_the_fit(options):
    done = CliRunner().invoke(main, [*EM, "--errors", "bootstrap", *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert options[0] in done.stderr


def test_a_wrong_name_is_refused():
    done = CliRunner().invoke(main, [*EM, "--errors", "luis"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "did you mean 'louis'" in done.stderr
