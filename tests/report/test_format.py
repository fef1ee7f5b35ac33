"""Numbers in print."""

from __future__ import annotations

import pytest

from emvsbayes.report import format as fmt


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (-0.5, "−0.5000"),
        (12.3456, "12.35"),
        (9.99996, "10.000"),
        (272, "272"),
        (-1130.26396, "−1\u2009130"),
        (3.1e-13, "3.10\u00a0×\u00a010⁻¹³"),
        (-2.5e9, "−2.50\u00a0×\u00a010⁹"),
        (1e-10, "10⁻¹⁰"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (float("nan"), "not a number"),
    ],
)
def test_number(value, text):
    assert fmt.number(value) == text


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(-1130.26396, 4, "−1\u2009130.2640"), (-0.00001, 3, "0.000"), (0.5, 0, "0"), (2.5, -3, "2")],
)
def test_fixed(value, places, text):
    assert fmt.fixed(value, places) == text


def test_decimals_show_the_digits_asked_for():
    assert fmt.decimals([0.0123, None], 3) == 4
    assert fmt.decimals([1234.5], 4) == 0
    assert fmt.decimals([None, 0.0, float("inf")]) == 2


def test_shares():
    assert [fmt.percent(x) for x in (None, 0, 1e-5, 0.625, 0.99999, 1)] == [
        "–",
        "0.0 %",
        "< 0.1 %",
        "62.5 %",
        "> 99.9 %",
        "100.0 %",
    ]


def test_words():
    assert fmt.listed(range(10), 3) == "0, 1, 2 and 7 more"
    assert fmt.listed([4, 5]) == "4, 5"
    assert fmt.plural(1, "start") == "1 start"
    assert fmt.plural(2, "switch", "es") == "2 switches"
    assert fmt.values([[1, 0.25], "tied"]) == "[[1, 0.2500], tied]"


@pytest.mark.parametrize(
    ("text", "short"),
    [("SINGULAR", "collapsed"), ("Converged: the last pass …", "Converged"), ("CONVERGED", "converged")],
)
def test_status(text, short):
    assert fmt.status(text) == short


def test_collapsed_by_name_and_by_sentence():
    assert fmt.is_collapsed("SINGULAR")
    assert fmt.is_collapsed("Singular: the likelihood is unbounded …")
    assert not fmt.is_collapsed("CONVERGED")
