"""Observed information on free coordinates, three ways that must agree.

    louis     I = I_com - Σ_n w_n Cov_q[s_n(z_n)],   s_n(z) = ∇ ln p(x_n, z | θ)     rows independent given θ
    sem       I = I_com (1 - J),                     J_ab = ∂M_a / ∂v_b              M the map of one EM pass
    hessian   I = -∂/∂v ∇ ln p(X | θ(v))             by differences of the score

with I_com = -∂² E_q ln p(X, Z | θ) at q = p(Z | X, θ), and the curvature of ln p(θ) in it under a prior. Louis'
identity holds at any θ, where rows are independent, because the mean of each row's score is taken off (his S*S*ᵀ row by
row); SEM shares nothing with it but I_com, and the Hessian not even that.

Sources: Louis (1982), JRSS B 44, 226-233; Meng and Rubin (1991), JASA 86, 899-909 (there J by one-sided differences
along the iterates of EM; here by central ones); Oakes (1999), JRSS B 61, 479-482, for the whole in one formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, qr

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.gradients import curvature, derivatives, gradient, score
from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.records import take_rows
from emvsbayes.core.stats import VectorSpace
from emvsbayes.information.optimum import Optimum


def complete_information(optimum: Optimum) -> Array:
    """I_com = -∂² E_q ln p(X, Z | θ), (F, F)."""
    family, stats, inside = optimum.family, optimum.stats, optimum.inside
    whole = curvature(lambda v: family.expected_log_joint(optimum.at(v), stats), optimum.vector, optimum.steps)
    return -whole[np.ix_(inside, inside)]


def louis(optimum: Optimum, complete: Array) -> Array:
    """Complete information minus the missing, (F, F).

    Raises
    ------
    InputError
        Where the latent does not belong to rows.
    """
    return complete - missing_information(optimum)


def sem(optimum: Optimum, complete: Array) -> Array:
    """I_com (1 - J), made symmetric, (F, F)."""
    product = complete @ (np.eye(len(complete)) - rate_matrix(optimum))
    return (product + product.T) / 2


def hessian(optimum: Optimum, complete: Array) -> Array:
    """-∂² of the objective, (F, F); `complete` is not used."""
    family, data, prior, steps = optimum.family, optimum.data, optimum.prior, optimum.steps
    return -_jacobian(lambda v: score(family, optimum.at(v), data, prior, steps), optimum)


ANALYTIC: dict[str, Callable[[Optimum, Array], Array]] = {"louis": louis, "sem": sem, "hessian": hessian}


def missing_information(optimum: Optimum) -> Array:
    """Σ_n w_n {Σ_k r_nk s_nk s_nkᵀ - s̄_n s̄_nᵀ}, s̄_n = Σ_k r_nk s_nk, (F, F)."""
    family, data = optimum.family, optimum.data
    q = family.e_step(optimum.params, data)
    if "rowwise" not in family.capabilities or not isinstance(q, Categorical):
        raise InputError(
            "Louis' identity is taken row by row, and here the latent is shared by rows; use sem or hessian."
        )
    r = np.where(data.row_weights[:, None] > 0, q.responsibilities, 0.0)
    scores = row_scores(optimum, r > 0)  # (N, K, F)
    mean = np.einsum("nk,nkf->nf", r, scores)
    deviations = scores - mean[:, None]
    return np.einsum("n,nk,nkf,nkg->fg", data.row_weights, r, deviations, deviations, optimize=True)


def row_scores(optimum: Optimum, wanted: NDArray[np.bool_]) -> Array:
    """s_n(k) = ∇ ln p(x_n, z_n = k | θ), (N, K, F); 0 where it is not wanted (N, K), as where z_n = k is impossible.

    `expected_log_joint` is linear in the statistics, and so is its gradient: it is taken at the statistics of a few
    rows that span those of all others.
    """
    family, params, k = optimum.family, optimum.params, optimum.family.n_components
    rows = []
    for n in range(optimum.data.n_rows):
        one = replace(take_rows(optimum.data, [n]), row_weights=np.ones(1))
        for component in np.flatnonzero(wanted[n]):
            certain = Categorical(np.where(np.arange(k) == component, 0.0, -np.inf)[None])
            rows.append(family.expect(certain, one, params))
    table = np.array([_flat(stats) for stats in rows])  # (those wanted, M)
    scale = np.abs(table).max(axis=0)
    table = table[:, scale > 0] / scale[scale > 0]
    _, upper, order = cast(Any, qr(table.T, mode="economic", pivoting=True))
    depth = np.abs(np.diagonal(upper))
    spanning = order[: int((depth > 1e-10 * depth[0]).sum())]
    slopes = np.array([gradient(family, params, rows[i], optimum.steps) for i in spanning])
    shares = np.linalg.lstsq(table[spanning].T, table.T, rcond=None)[0]  # of each spanning row in every row
    found = np.zeros((*wanted.shape, len(optimum.inside)))
    found[wanted] = (shares.T @ slopes)[:, optimum.inside]
    return found


def rate_matrix(optimum: Optimum) -> Array:
    """J_ab = ∂M_a / ∂v_b (F, F), M one pass of EM on free coordinates; Meng and Rubin's DM is its transpose."""
    family, data, prior = optimum.family, optimum.data, optimum.prior

    def pass_from(v: Array) -> Array:
        params = optimum.at(v)
        stats = family.expect(family.e_step(params, data), data, params)
        stats = stats if prior is None else stats + family.pseudo_stats(prior, params)
        return family.to_vector(family.m_step(stats, params))

    return _jacobian(pass_from, optimum, symmetric=False)


def largest_rate(complete: Array, observed: Array) -> float:
    """The largest eigenvalue of J = I_com⁻¹ (I_com - I): the rate of EM, and the largest share that is missing."""
    return float(eigh(complete - observed, complete, eigvals_only=True)[-1])


def covariance(information: Array) -> Array:
    """I⁻¹, (F, F).

    Raises
    ------
    InputError
        Where the information is not positive definite: the estimate is no maximum, or not identified.
    """
    scale = np.sqrt(np.abs(np.diagonal(information)))
    scale = np.where(scale > 0, scale, 1.0)
    scaled = information / np.outer(scale, scale)
    if not np.isfinite(scaled).all() or np.linalg.eigvalsh(scaled)[0] < 1e-8:
        raise InputError(
            "the observed information is not positive definite: the estimate is a saddle, or the data do not "
            "determine every parameter; use other starts, fewer components or a prior."
        )
    return np.linalg.inv(scaled) / np.outer(scale, scale)


def _jacobian(function: Callable[[Array], Array], optimum: Optimum, symmetric: bool = True) -> Array:
    """∂f_a / ∂v_b over the coordinates inside, (F, F)."""
    inside = optimum.inside
    found = derivatives(lambda v: function(v)[inside], optimum.vector, optimum.steps)[inside].T
    return (found + found.T) / 2 if symmetric else found


def _flat(stats: VectorSpace) -> Array:
    """The vector of a statistics record, its frame left out."""
    values: list[Any] = [getattr(stats, f.name) for f in fields(stats) if not f.metadata.get("frame")]  # pyright: ignore
    return np.concatenate([np.ravel(np.asarray(value, dtype=np.float64)) for value in values])
