"""What `az.diagnose` finds in a posterior, as sentences."""

from __future__ import annotations

from typing import Any


def diagnose(tree: Any) -> list[str]:
    """One sentence for each finding; empty when there is none."""
    from arviz_stats.sampling_diagnostics import diagnose as arviz_diagnose

    _, found = arviz_diagnose(_moving(tree), show_diagnostics=False, return_diagnostics=True)
    sentences = []
    if n := found.get("divergent", {}).get("n_divergent"):
        sentences.append(f"{n} divergent transitions: the step size is too large somewhere")
    if n := found.get("treedepth", {}).get("n_max"):
        sentences.append(f"{n} transitions reached the largest tree depth: slow exploration")
    if chains := found.get("bfmi", {}).get("failed_chains"):
        sentences.append(f"low energy fraction (E-BFMI) in {len(chains)} chain(s): heavy tails explored slowly")
    if names := found.get("ess", {}).get("bad_params"):
        sentences.append(f"low effective sample size: {_listed(names)}")
    if names := found.get("rhat", {}).get("bad_params"):
        sentences.append(f"R-hat above {found['rhat']['threshold']}: {_listed(names)}")
    return sentences


def _moving(tree: Any) -> Any:
    """Without variables that never moved, such as the weight of a single component: they have no R-hat."""
    posterior = tree["posterior"].to_dataset()
    still = [name for name, v in posterior.data_vars.items() if bool((v == v.isel(chain=0, draw=0)).all())]
    if not still:
        return tree
    moving = tree.copy()
    moving["posterior"] = posterior.drop_vars(still)
    return moving


def _listed(names: Any) -> str:
    shown = [str(name) for name in list(names)[:4]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
