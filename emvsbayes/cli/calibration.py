"""Commands that check the package on simulated data: sbc, coverage. Both go on where they were interrupted."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import replace
from pathlib import Path

import click

from emvsbayes.cli.group import NOT_CONVERGED, command, progress


@command
@click.option("--model", "models", multiple=True, help="One model, or several by repeating; all by default.")
@click.option("--simulations", type=int, default=200, show_default=True, help="Of each model, at least 20.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--fresh", is_flag=True, help="Simulate again even what is kept from an earlier run.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/sbc"), show_default=True)
def sbc_command(models: tuple[str, ...], simulations: int, seed: int, fresh: bool, out: Path) -> int:
    """Simulation-based calibration of posterior draws: OUT/index.html and result.json.

    Truths drawn from the prior must rank uniformly among posterior draws. About ten minutes for all models; a run that
    was interrupted goes on. Exit code 3 where a test rejects at 0.001.
    """
    from emvsbayes.calibration.sbc import sbc
    from emvsbayes.studies.saving import save_calibration, writable

    writable(out)
    found = replace(sbc(models, simulations=simulations, seed=seed, fresh=fresh, say=progress), command=_words())
    page = save_calibration(found, out)
    _tell([*found.verdict, str(page)])
    return NOT_CONVERGED if found.rejected else 0


@command
@click.option("--setting", "settings", multiple=True, help="One setting, or several by repeating; all by default.")
@click.option("--replicates", type=int, default=200, show_default=True, help="Data sets a setting and size, >= 20.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--fresh", is_flag=True, help="Compute again even what is kept from an earlier run.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/coverage"), show_default=True)
def coverage_command(settings: tuple[str, ...], replicates: int, seed: int, fresh: bool, out: Path) -> int:
    """How often ML ± 2 SE and posterior intervals hold the truth: OUT/index.html and result.json.

    About ten minutes for all settings; a run that was interrupted goes on.
    """
    from emvsbayes.calibration.coverage import coverage
    from emvsbayes.studies.saving import save_coverage, writable

    writable(out)
    found = coverage(settings, replicates=replicates, seed=seed, fresh=fresh, say=progress)
    found = replace(found, command=_words())
    page = save_coverage(found, out)
    _tell([*found.verdict, str(page)])
    return 0


def _words() -> str:
    return shlex.join(["emvsbayes", *click.get_current_context().meta["words"]])


def _tell(sentences: list[str]) -> None:
    for sentence in sentences:
        click.echo(textwrap.fill(sentence, width=100, subsequent_indent="  ", break_on_hyphens=False))
