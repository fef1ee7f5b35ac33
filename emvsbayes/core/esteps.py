"""Which q an E half-step may choose.

The exact E-step maximises the bound F(q, θ) over every q. Each relaxation keeps the algebra of the loop and changes
only the q that comes out:

    exact         q = p(Z | X, θ)                                        KL closes
    hard          q = one-hot at argmax_k r_nk                           the best of all one-hot q
    truncated:C   q ∝ r_nk on the C largest k of row n, 0 elsewhere      the best of all q with C values a row
    mean-field    q = ∏_i q_i(w_i), of a Gaussian latent                 the best of all q that factorise
    annealed      q ∝ p(X, Z | θ)^β, β from 0.5 up to 1                  maximises E_q[ln p(X, Z | θ)] + H(q)/β
    stochastic    q = one-hot at z_n drawn from r_n                      a draw; the path is averaged
    monte-carlo:M q = shares of M such draws                             r_n in expectation

Hard, truncated and mean-field q are the best of a restricted family, so that the bound never falls, while KL stays
open. Annealed and stochastic ones are not, and their bound may fall.

Sources: Celeux and Govaert (1992), CSDA 14, 315-332 (hard); Neal and Hinton (1998), section 5, and Lücke and Eggert
(2010), JMLR 11, 2855-2900 (truncated); Bishop (2006), section 10.1.2 (mean field); Ueda and Nakano (1998), Neural
Networks 11, 271-282 (annealed); Celeux and Diebolt (1985), CSQ 2, 73-82 (stochastic); Wei and Tanner (1990), JASA 85,
699-704 (Monte Carlo).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError, unknown


class EStep(Protocol):
    """A choice of q, given the posterior and how many E half-steps came before.

    `monotone`: the bound can never fall; `random`: q is drawn; `latents`: the kinds of latent it is for; `fused`: the
    method by which a family may do this E-step and its statistics in one pass, without storing q.
    """

    name: ClassVar[str]
    monotone: ClassVar[bool]
    random: ClassVar[bool]
    latents: ClassVar[tuple[str, ...]]
    fused: ClassVar[str | None]

    def choose(self, exact: Any, turn: int) -> Any:
        """q; `exact` itself where nothing is restricted."""
        ...

    def final(self, turn: int) -> bool:
        """Whether a run may stop at this turn."""
        ...


@dataclass(frozen=True, slots=True)
class Exact:
    """q is the posterior."""

    name: ClassVar[str] = "exact"
    monotone: ClassVar[bool] = True
    random: ClassVar[bool] = False
    latents: ClassVar[tuple[str, ...]] = ("components", "shared")
    fused: ClassVar[str | None] = "accumulate"

    def choose(self, exact: Any, turn: int) -> Any:
        return exact

    def final(self, turn: int) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Hard(Exact):
    """Each row wholly to its most probable component: classification EM."""

    name: ClassVar[str] = "hard"
    latents: ClassVar[tuple[str, ...]] = ("components",)
    fused: ClassVar[str | None] = "accumulate_hard"

    def choose(self, exact: Any, turn: int) -> Any:
        return exact.hardened()


@dataclass(frozen=True, slots=True)
class Truncated(Exact):
    """The `size` most probable components of each row share its mass."""

    size: int = 2

    name: ClassVar[str] = "truncated"
    latents: ClassVar[tuple[str, ...]] = ("components",)
    fused: ClassVar[str | None] = None

    def choose(self, exact: Any, turn: int) -> Any:
        return exact.truncated(self.size)


@dataclass(frozen=True, slots=True)
class MeanField(Exact):
    """The coordinates of a shared Gaussian latent are made independent."""

    name: ClassVar[str] = "mean-field"
    latents: ClassVar[tuple[str, ...]] = ("shared",)
    fused: ClassVar[str | None] = None

    def choose(self, exact: Any, turn: int) -> Any:
        return exact.factorised()


@dataclass(frozen=True, slots=True)
class Annealed(Exact):
    """β_t = start^(1 - t/passes) at turn t, and 1 from turn `passes` on: the run ends as plain EM.

    A low β blurs the small optima away, but below a critical one all components merge, and plain EM leaves the saddle
    where they lie together slowly or not at all. The defaults keep clear of it where components overlap moderately;
    with four or more components of equal shape a start of 0.3 finds the best optimum more often.
    """

    start: float = 0.5
    passes: int = 10

    name: ClassVar[str] = "annealed"
    monotone: ClassVar[bool] = False
    fused: ClassVar[str | None] = None

    def beta(self, turn: int) -> float:
        """The inverse temperature."""
        return 1.0 if turn >= self.passes else self.start ** (1 - turn / self.passes)

    def choose(self, exact: Any, turn: int) -> Any:
        beta = self.beta(turn)
        return exact if beta == 1 else exact.tempered(beta)

    def final(self, turn: int) -> bool:
        return turn > self.passes


@dataclass(frozen=True, slots=True)
class Stochastic(Exact):
    """z drawn `draws` times for each row, the same draws for the same seed and turn."""

    draws: int = 1
    seed: int = 0

    name: ClassVar[str] = "stochastic"
    monotone: ClassVar[bool] = False
    random: ClassVar[bool] = True
    latents: ClassVar[tuple[str, ...]] = ("components",)
    fused: ClassVar[str | None] = None

    def choose(self, exact: Any, turn: int) -> Any:
        return exact.drawn(np.random.default_rng([self.seed, turn]), self.draws)

    def final(self, turn: int) -> bool:
        return False


E_STEPS = ("exact", "hard", "truncated:C", "mean-field", "annealed", "stochastic", "monte-carlo:M")


def read_e_step(given: str | EStep, seed: int = 0) -> EStep:
    """An E-step from its name; truncated:3 and monte-carlo:50 carry a number, annealed:0.2,40 a start and passes."""
    if not isinstance(given, str):
        return given
    name, _, number = given.partition(":")
    plain = {"exact": Exact, "hard": Hard, "mean-field": MeanField, "annealed": Annealed}
    if name in plain and not number:
        return plain[name]()
    if name == "truncated":
        return Truncated(_whole(number or "2", "the number of components that truncated keeps"))
    if name == "stochastic" and not number:
        return Stochastic(1, seed)
    if name == "monte-carlo":
        return Stochastic(_whole(number or "20", "the number of draws of monte-carlo"), seed)
    if name == "annealed":
        return _annealed(number)
    raise unknown("e_step", given, E_STEPS)


def _whole(text: str, what: str) -> int:
    try:
        return whole_number(int(text), 1, what)
    except ValueError:
        raise InputError(f"{what} must be a whole number >= 1; it is {text!r}.") from None


def _annealed(text: str) -> Annealed:
    start, _, passes = text.partition(",")
    try:
        beta = float(start)
    except ValueError:
        beta = np.nan
    if not 0 < beta <= 1:
        raise InputError(f"annealed starts at an inverse temperature in (0, 1]; it is {start!r}.")
    return Annealed(beta, _whole(passes or "10", "the number of annealed passes"))
