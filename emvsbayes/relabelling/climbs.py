"""The mode that each chain belongs to: EM climbs there from the chain's last draw.

A permutation leaves the objective ln p(X | θ) + ln p(θ) as it is, so two chains whose climbs end at different heights
end in modes that are no relabellings of one another. EM gains little at each pass near the top; a climb that may still
gain more than 1e-4 nats goes on with a tolerance of 1e-13.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.trace import Run

TO_GAIN = 1e-4  # nats that a climb may be short of its optimum
LONG = Stop(tol=1e-13, max_passes=20_000)


def chain_modes(problem: Any, prior: Any, tree: Any, like: Any) -> list[float | None]:
    """The log posterior (unnormalised, nats) of the mode that EM reaches from the last draw of each chain.

    None where EM reaches none (a singularity, or the limit of passes). `like` is a parameter record with the values
    of held fields.
    """
    fields = [name for name in like.__dataclass_fields__ if name in tree["posterior"]]
    found = []
    for chain in range(tree["posterior"].sizes["chain"]):
        ordered = {name: tree["posterior"][name].transpose("chain", "draw", ...).values for name in fields}
        last = {name: values[chain, -1] for name, values in ordered.items()}
        run = run_em(problem.family, problem.data, replace(like, **last), prior=prior, record=False)
        if short(run):  # short of the mode, a slow climb would pass for a mode of its own
            run = run_em(problem.family, problem.data, run.params, prior=prior, stop=LONG, record=False)
        found.append(run.objective if run.status.usable else None)
    return found


def short(run: Run) -> bool:
    """Whether a run stopped more than 1e-4 nats short of its optimum, or cannot tell."""
    return run.status.usable and (run.remaining is None or run.remaining >= TO_GAIN)
