"""Basis functions φ, and the spectrum of the weighted design matrix in which every step of EM is a sum.

    √W Φ = U diag(s) Vᵀ,    u = Uᵀ √W t,    ρ² = ‖√W t - U u‖²

The decomposition is of Φ, never of ΦᵀΦ: squaring would lose half of the digits of small singular values. Of many rows
it is that of the triangle R of √W (Φ t) = Q R, which has the same s and V, u in its last column and ρ in its corner: a
fifth of the time (Golub and Van Loan 2013, Matrix Computations, section 8.6.3). Collinear columns and M > N give
singular values of 0, which need no special case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from emvsbayes.core.checks import Array, whole_number
from emvsbayes.core.errors import InputError

KINDS = ("gaussian", "identity", "polynomial", "sigmoid")
SPACING = "spacing"
TALL = 4  # rows a column from which the triangle is worth its making
Range = tuple[tuple[float, float], ...]  # lowest and highest value of each input column


@dataclass(frozen=True, slots=True)
class Basis:
    """Basis functions with everything they took from the training data, so that new x meet the same ones.

    `centers` (n_basis, D) and `widths` (D,) serve gaussian and sigmoid, `degree` polynomial.
    """

    kind: str
    intercept: bool
    degree: int
    centers: Array
    widths: Array

    def design(self, X: Array) -> Array:
        """Φ (N, M), the intercept first, then the functions of the first column, of the second, and so on."""
        if self.kind == "identity":
            columns = X
        elif self.kind == "polynomial":
            with np.errstate(over="ignore"):  # refused by sentence in `spectrum`
                columns = _flat(X[:, :, None] ** np.arange(1, self.degree + 1))
        else:
            z = (X[:, :, None] - self.centers.T) / self.widths[:, None]
            columns = _flat(np.exp(-0.5 * z**2) if self.kind == "gaussian" else expit(z))
        return np.column_stack([np.ones(len(X)), columns]) if self.intercept else columns


def _flat(functions: Array) -> Array:
    return functions.reshape(len(functions), -1)


def range_of(X: Array, weights: Array) -> Range:
    """The range of each column over the rows of positive weight."""
    seen = X[weights > 0]
    return tuple(zip(seen.min(axis=0).tolist(), seen.max(axis=0).tolist(), strict=True))


def basis_of(kind: str, intercept: bool, degree: int, n_basis: int, width: float | str, limits: Range) -> Basis:
    """The basis with its centres spread evenly over the range of each column."""
    low, high = np.array(limits).T
    centers = np.linspace(low, high, n_basis) if n_basis > 1 else 0.5 * (low + high)[None, :]
    spacing = (high - low) / max(n_basis - 1, 1)
    widths = spacing if isinstance(width, str) else np.full(len(limits), float(width))
    if kind in ("gaussian", "sigmoid") and not (widths > 0).all():
        raise InputError(
            f"input column {int(np.argmin(widths))} (counted from 0) has one value only, so that a {kind} basis has "
            "no spacing; drop the column, give a width, or use the basis identity."
        )
    return Basis(kind, intercept, degree, centers, widths)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The data as the E-step sees them; M coordinates, those beyond the rows being 0.

    Attributes
    ----------
    axes : (M, M)
        Right singular vectors V, as columns.
    scales, targets : (M,)
        Singular values s, and coordinates u of the target.
    rest : float
        ρ², what no weights can fit.
    total : float
        Sum of the sample weights.
    spread : float
        Weighted variance of t.
    rank : int
        Singular values above rounding.
    perfect : bool
        Whether some weights fit t up to rounding.
    """

    axes: Array
    scales: Array
    targets: Array
    rest: float
    total: float
    spread: float
    rank: int
    perfect: bool


def spectrum(design: Array, t: Array, weights: Array) -> Spectrum:
    """Decompose √W Φ and √W t; rows of weight 0 are dropped."""
    present = weights > 0
    root = np.sqrt(weights[present])
    rows, target, total = root[:, None] * design[present], root * t[present], float(weights.sum())
    size = design.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        if not (np.isfinite(rows).all() and np.isfinite((rows**2).sum()) and np.isfinite((target**2).sum())):
            raise InputError(
                "the basis functions or t are too large for floating-point numbers; rescale the columns, or lower "
                "the degree."
            )
    length = float(target @ target)
    if len(rows) > TALL * size:
        triangle = np.linalg.qr(np.column_stack([rows, target]), mode="r")
        left, scales, axes = np.linalg.svd(triangle[:size, :size])
        targets, rest = left.T @ triangle[:size, size], float(triangle[size, size] ** 2)
    else:
        left, scales, axes = np.linalg.svd(rows, full_matrices=len(rows) < size)
        left = left[:, : len(scales)]
        targets = left.T @ target
        residual = target - left @ targets
        residual -= left @ (left.T @ residual)  # twice is enough: once leaves rounding of the size of t
        rest = float(residual @ residual)
    rank = int((scales > scales.max() * np.finfo(float).eps * max(rows.shape)).sum())
    if rank == len(rows):  # as many independent columns as rows: nothing is left over, and rounding would say else
        rest = 0.0
    mean = float(root @ target) / total
    pad = size - len(scales)
    return Spectrum(
        axes=np.ascontiguousarray(axes.T),
        scales=np.pad(scales, (0, pad)),
        targets=np.pad(targets, (0, pad)),
        rest=rest,
        total=total,
        spread=float(root**2 @ (t[present] - mean) ** 2) / total,
        rank=rank,
        perfect=rest <= 1e-24 * length,
    )


# settings, from Python or from text


def read_intercept(value: Any) -> bool:
    """True or False; yes and no."""
    words = {"yes": True, "true": True, "no": False, "false": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"intercept must be yes or no; it is {value!r}.")
    return bool(value)


def read_degree(value: Any) -> int:
    """The highest power of a polynomial."""
    return whole_number(_number(value, int), 1, "degree")


def read_n_basis(value: Any) -> int:
    """How many centres a column of x has."""
    return whole_number(_number(value, int), 1, "n_basis")


def read_width(value: Any) -> float | str:
    """The width of gaussian and sigmoid functions, in the units of x."""
    if value == SPACING:
        return SPACING
    width = _number(value, float)
    if isinstance(width, bool) or not isinstance(width, int | float | np.number) or not 0 < width < np.inf:
        raise InputError(f"width must be 'spacing' or a number greater than 0; it is {value!r}.")
    return float(width)


def read_range(value: Any) -> Range:
    """Lowest and highest value of each input column: [[0, 1], [-5, 5]], or 0,1 for one column."""
    try:
        cells = [[float(cell) for cell in value.split(",")]] if isinstance(value, str) else value
        limits = np.asarray(cells, dtype=np.float64)
        limits = limits[None] if limits.ndim == 1 else limits
        if (
            limits.ndim == 2
            and limits.shape[1] == 2
            and np.isfinite(limits).all()
            and (limits[:, 0] <= limits[:, 1]).all()
        ):
            return tuple((float(low), float(high)) for low, high in limits)
    except (TypeError, ValueError):
        pass
    raise InputError(f"range must be a lowest and a highest number for each input column; it is {value!r}.")


def _number(value: Any, kind: type) -> Any:
    """Text as a number where it is one; anything else as it is, for the check that follows."""
    try:
        return kind(value) if isinstance(value, str) else value
    except ValueError:
        return value
