"""The random permutation sampler: every draw under a labelling drawn at random.

    p(s) ~ uniform over the K! permutations (over those within the classes),   θ(s) <- p(s) θ(s)

A posterior that is symmetric in its components has K! equal copies, and a chain that stays in one has not seen the
others. With a random labelling for each draw the draws are from all copies alike: the marginal of every component is
then the same, which is what the symmetric posterior says. It is the opposite of relabelling: for teaching, for plots in
which the copies show (no labelling has to be chosen to see how many components there are), and for estimates that
must be symmetric, such as a bridge-sampling proposal.

Source: Frühwirth-Schnatter (2001), Markov chain Monte Carlo estimation of classical and dynamic switching and mixture
models, JASA 96, 194-209, where each sweep of a Gibbs sampler ends with such a draw; a permutation leaves the posterior
as it is, so that it may as well be drawn after the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.alignment import shuffled
from emvsbayes.core.checks import Integers, real_array, whole_number
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.arguments import checked_classes, checked_draws, whole, within
from emvsbayes.relabelling.axes import DIM, components_of, left_in_place, posterior_of
from emvsbayes.relabelling.draws import Relabelling
from emvsbayes.relabelling.given import no_nan, read_labels
from emvsbayes.relabelling.permuting import permute_tree


def permute_at_random(
    draws: Any,
    seed: int,
    *,
    dim: str | Sequence[str] = DIM,
    allocations: str | Sequence[str] | None = None,
    first_label: int | None = None,
    classes: ArrayLike | None = None,
) -> Any:
    """Every draw under a random labelling, all its fields jointly.

    Parameters
    ----------
    draws : xarray.DataTree, or a mapping of arrays (S, K, …)
    seed : int
    dim, first_label
        As in `relabel`, for a tree.
    allocations : str or several
        Entries of the mapping (S, N), or variables of the posterior, whose values are component labels.
    classes : (K,)
        Components change places only within their class; one class by default. Where known rows, held fields or the
        prior tell components apart (`relabelling.attrs["classes"]` of a tree relabelled to a fit), other labels are
        another point.

    Returns
    -------
    The same kind as `draws`; a tree has the permutations in its group `relabelling`.

    Raises
    ------
    InputError
        As `relabel` and `relabel_draws`.
    """
    rng = np.random.default_rng(whole_number(seed, 0, "seed"))
    if isinstance(draws, Mapping) and not hasattr(draws, "children"):  # a tree is a mapping too
        return _arrays(draws, rng, allocations, first_label or 0, classes)
    dataset = posterior_of(draws)
    components = components_of(dataset, dim)
    no_nan(dataset, components)
    _, firsts = read_labels(dataset, allocations, components, first_label)
    groups = checked_classes(classes, components.k)
    turns = random_permutations(dataset.sizes["chain"] * dataset.sizes["draw"], groups, rng)
    attrs: dict[str, Any] = {"dims": list(components.dims)}
    if note := left_in_place(dataset, components, list(firsts)):
        attrs["note"] = note
    found = Relabelling("random", turns)
    return permute_tree(draws, found, groups, components=components, first_labels=firsts, attrs=attrs)


def random_permutations(s: int, classes: Integers, rng: np.random.Generator) -> Integers:
    """Permutations (S, K), uniform within the classes."""
    return np.array([shuffled(classes, rng) for _ in range(s)], dtype=np.int64).reshape(s, len(classes))


def _arrays(draws: Mapping[str, Any], rng: np.random.Generator, allocations: Any, first: int, classes: Any) -> Any:
    names = [] if allocations is None else [allocations] if isinstance(allocations, str) else list(allocations)
    if missing := [name for name in names if name not in draws]:
        raise InputError(f"allocations: the draws have no {', '.join(missing)}; they have {', '.join(draws)}.")
    fields = checked_draws({name: value for name, value in draws.items() if name not in names})
    s, k = next(iter(fields.values())).shape[:2]
    found = Relabelling("random", random_permutations(s, checked_classes(classes, k), rng))
    out: dict[str, Any] = {name: found.apply(np.asarray(draws[name])) for name in fields}
    for name in names:
        labels = whole(real_array(draws[name], name), name)
        if len(labels) != s:
            raise InputError(f"{name} must hold {s} draws, like the fields; its shape is {labels.shape}.")
        within(labels - first, k, name)
        out[name] = found.rename(labels, first)
    return {name: out[name] for name in draws}
