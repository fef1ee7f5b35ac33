"""Every family has every method of the vocabulary, and one table pins what each can do by nature."""

import inspect
from collections import Counter

import pytest
from cases import CASES, HARD_ONLY, posed, starting

from emvsbayes.core.protocol import CAPABILITIES, Family
from emvsbayes.core.twin import Twin
from emvsbayes.families import FAMILIES

CAN = {
    "coins": {"rowwise", "density", "conjugate", "components", "twin", "bounded"},
    "gaussian_mixture": {"rowwise", "density", "conjugate", "components", "twin"},
    "bernoulli_mixture": {"rowwise", "density", "conjugate", "components", "twin", "bounded"},
    "linear_evidence": {"density", "conjugate", "twin"},
    "kmeans": {"rowwise", "density", "conjugate", "components", "twin", "bounded"},
}
VOCABULARY = [name for name in vars(Family) if not name.startswith("_")]
BEYOND = ["check", "check_prior", "proper_prior", "complete_start", "component_axes"]  # what `problem` and twins call


def test_the_vocabulary_is_read_from_the_protocol():
    assert {"e_step", "expect", "m_step", "expected_log_joint", "pseudo_stats", "from_vector"} <= set(VOCABULARY)


@pytest.mark.parametrize("method", VOCABULARY + BEYOND)
@pytest.mark.parametrize("name", FAMILIES)
def test_family_has_method(name, method):
    family = FAMILIES[name].family(n_components=2)
    assert hasattr(family, method)
    declared = vars(Family).get(method)
    if inspect.isfunction(declared):
        ours = list(inspect.signature(getattr(family, method)).parameters)
        assert ours == list(inspect.signature(declared).parameters)[1:]


def test_capabilities_are_pinned():
    assert {name: set(twin.family(n_components=2).capabilities) for name, twin in FAMILIES.items()} == CAN


def test_capabilities_are_words_with_a_meaning():
    assert set().union(*CAN.values()) <= set(CAPABILITIES)


def test_families_know_their_own_name():
    for name, twin in FAMILIES.items():
        assert isinstance(twin, Twin)
        assert twin.family(n_components=3).name == name
        assert twin.family(n_components=3).n_components == 3
        assert twin.builder.startswith(f"emvsbayes.families.{name}.bayes:")


def test_every_family_has_cases_of_every_kind():
    kinds = Counter()
    for case in CASES.values():
        kinds[case.family, "prior"] += case.prior is not None
        kinds[case.family, "ml"] += case.prior is None
        kinds[case.family, "labels"] += case.labels is not None
        kinds[case.family, "sample_weight"] += case.sample_weight is not None
        kinds[case.family, "fixed"] += case.fixed is not None
    for name in FAMILIES:
        for kind in ("prior", "ml", "labels", "sample_weight", "fixed"):
            # rows without components have no labels: such a case would be refused
            assert (kinds[name, kind] > 0) is (kind != "labels" or "components" in CAN[name]), (name, kind)


def test_every_setting_has_cases():
    every = [*CASES.values(), *HARD_ONLY.values()]
    for name, twin in FAMILIES.items():
        for setting, values in twin.settings.items():
            given = {case.settings.get(setting) for case in every if case.family == name}
            assert given == set(values) if isinstance(values, tuple) else given - {None}, (name, setting)


def test_component_axes_have_the_length_of_the_components():
    for name, case in CASES.items():
        family = posed(name)[0].family
        for field, axes in family.component_axes.items():
            shape = getattr(starting(name), field).shape
            assert all(shape[axis] == case.k for axis in axes), (name, field)
