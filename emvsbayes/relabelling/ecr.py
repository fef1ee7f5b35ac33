"""ECR: equivalence classes representatives, towards a pivot or towards a pivot of its own.

Two allocations of the rows are equivalent when one is a relabelling of the other. Every draw is relabelled to the
member of its class that is most similar to a pivot allocation z*:

    permutation(s) = argmax_p Σ_n w_n [p relabels z_n(s) to z*_n]

one assignment problem a draw. With allocation probabilities r_nk(s) and r*_nk in place of allocations, the indicator is
replaced by its expectation, Σ_k r_n,p(k)(s) r*_nk: a draw whose rows lie between components is then placed by all it
knows. Source: Papastamoulis and Iliopoulos (2010), An artificial allocations based solution to the label switching
problem, JCGS 19, 313-331.

The iterative versions (1 also in Rodriguez and Walker 2014, JCGS 23, 25-45; 2 in Papastamoulis 2014, Handling the label
switching problem in latent class models via the ECR algorithm, Comm. Stat. Simul. Comput. 43, 913-927) need no pivot:

    1    z*_n = the most frequent label of row n in the relabelled draws
    2    z*_n = argmax_k of the mean of the relabelled probabilities p_nk(s)

Version 1 lowers Σ_s Σ_n w_n [z_n(s) ≠ z*_n] in both steps. So does version 2 where the allocations are replaced by
their expectations; with sampled allocations the two steps look at different numbers and the cost may rise once more.
"""

from __future__ import annotations

from collections.abc import Sequence

from emvsbayes.core.checks import Array, Integers
from emvsbayes.relabelling.alternating import Descent, alternate
from emvsbayes.relabelling.assignments import assignments
from emvsbayes.relabelling.rows import Rows, one_hot


def ecr(rows: Rows, pivot: Array, classes: Integers) -> Integers:
    """Permutations (S, K): slot k of draw s takes raw component permutations[s, k]; pivot (N, K), may be one-hot."""
    return assignments(rows.gains(pivot), classes)


def ecr_iterative(rows: Rows, voters: Rows, references: Sequence[Array], classes: Integers) -> Descent:
    """Relabel `rows` towards the most probable label under `voters`, from every reference (N, K).

    Version 1 is `rows` = `voters` = allocations; version 2 takes probabilities as voters.
    """
    draws, k, _ = rows.values.shape

    def towards(target: Array) -> Array:
        return rows.gains(one_hot(target.argmax(axis=1), k))

    return alternate(
        (towards(reference) for reference in references),
        lambda permutations: towards(voters.mean(permutations)),
        draws * float(rows.row_weights.sum()),
        classes,
    )
