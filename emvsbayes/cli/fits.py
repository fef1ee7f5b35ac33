"""Commands on one file of data, by hand: em, vb, select, simulate. None of them imports PyMC."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import click

from emvsbayes.cli.group import INTERRUPTED, SINGULAR, command, exit_code, progress
from emvsbayes.cli.options import asked_chunk, model_arguments, model_options, structured
from emvsbayes.core.errors import InputError, unknown


@command
@model_options
@click.option("--prior", default="none", show_default=True, help="none, default, JSON, or a .json or .toml file.")
@click.option("--m-step", help="full, conditional (ECM) or gradient (generalized EM).")
@click.option("--schedule", help="batch, chunked:ROWS, or incremental:B or stepwise:B with B blocks of rows.")
@click.option("--accelerate", help="squarem or anderson.")
@click.option("--chunk", type=int, help="Read the file so many rows at a time: for data larger than memory.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Write each pass here; go on from it if it exists.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the fit to this file.")
@click.option("--errors", help="Standard errors by louis, sem, hessian, bootstrap, parametric; commas between them.")
@click.option("--replicates", "n_replicates", type=int, default=200, show_default=True, help="Of the bootstraps.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Of the intervals beside them.")
def em_command(
    data: Path,
    prior: str,
    m_step: str | None,
    schedule: str | None,
    accelerate: str | None,
    chunk: int | None,
    checkpoint: Path | None,
    json_path: Path | None,
    errors: str | None,
    n_replicates: int,
    level: float,
    **model: Any,
) -> int:
    """Fit with EM only: maximum likelihood, or MAP with --prior. Never imports PyMC.

    With --chunk, and where the file would take more than a quarter of the memory, rows are read a chunk at a time.
    """
    from emvsbayes.cli.progress import Progress
    from emvsbayes.fitting import fit
    from emvsbayes.studies.saving import writable, write_text

    if json_path is not None:
        writable(json_path.parent)
        if json_path.is_dir():
            raise InputError(f"{json_path} is a folder; name the file to write the fit to.")
    given = structured(prior, "prior", names=("none", "default"))
    methods = _error_methods(errors)
    if not 0 < level < 1:
        raise InputError(f"--level must be a number between 0 and 1; it is {level:g}.")
    if methods and n_replicates < 2:
        raise InputError(f"--replicates must be at least 2; it is {n_replicates}.")
    asked, chunk = chunk, asked_chunk(data, chunk, schedule)
    if chunk is not None and asked is None and not schedule:
        progress(f"{data} would take more than a quarter of the memory: reading {chunk:,} rows at a time (--chunk)")
    if methods and chunk is not None:
        raise InputError("standard errors need all rows in memory; leave --errors out, or --chunk.")
    model = model_arguments(data, model, chunk)
    arguments = {
        "prior": None if given == "none" else given,
        "m_step": m_step,
        "schedule": schedule,
        "accelerate": accelerate,
        "checkpoint": checkpoint,
        **model,
    }
    if chunk is None and checkpoint is None:
        fitted = fit(**arguments)
    else:
        with Progress() as shown:
            try:
                fitted = fit(progress=shown, chunk=chunk, **arguments)
            except KeyboardInterrupt:
                return _interrupted(shown, checkpoint)
    click.echo(fitted.summary())
    if methods:
        _echo_errors(fitted, model, methods, n_replicates, level)
    if json_path is not None:
        write_text(fitted.to_json(), json_path)
    return exit_code(fitted.status.name)


@command
@partial(model_options, without=("--e-step",))
@click.option("--prior", default="default", show_default=True, help="default, or JSON, or a .json or .toml file.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the fit to this file.")
def vb_command(data: Path, prior: str, json_path: Path | None, **model: Any) -> int:
    """Variational Bayes: a distribution over the parameters too, and the ELBO. Never imports PyMC."""
    from emvsbayes.studies.saving import writable, write_text
    from emvsbayes.vb.fitting import variational

    if json_path is not None:
        writable(json_path.parent)
        if json_path.is_dir():
            raise InputError(f"{json_path} is a folder; name the file to write the fit to.")
    asked = model_arguments(data, model)
    fitted = variational(prior=structured(prior, "prior", names=("default",)), **asked)
    click.echo(fitted.summary())
    if json_path is not None:
        write_text(fitted.to_json(), json_path)
    return exit_code(fitted.status.name)


@command
@partial(model_options, several=True, without=("--fixed", "--e-step"))
@click.option("--prior", default="none", show_default=True, help="none, default, both, JSON, or a .json or .toml file.")
@click.option("--map", "both", is_flag=True, help="ML and MAP in one table: --prior both.")
@click.option("--criterion", default="bic", show_default=True, help="By which the best is chosen: aic, bic or icl.")
@click.option("--jobs", "n_jobs", type=int, default=1, show_default=True, help="Threads that share the starts.")
@click.option("--out", type=click.Path(path_type=Path), help="Write OUT/index.html and OUT/selection.json.")
def select_command(
    data: Path, prior: str, both: bool, criterion: str, n_jobs: int, out: Path | None, **model: Any
) -> int:
    """Choose the number of components and the structure: AIC, BIC and ICL of every fit in one table.

    --covariance and --set take several values, separated by commas, or all.
    """
    from emvsbayes.selection.choosing import select
    from emvsbayes.studies.saving import save_selection, writable

    if both and prior not in ("none", "both"):
        raise InputError("--map is short for --prior both; leave one of the two out.")
    if out is not None:
        writable(out)
    arguments = model_arguments(data, model)
    given = structured("both" if both else prior, "prior", names=("none", "default", "both"))
    selection = select(
        prior=None if given == "none" else given,
        criterion=criterion,
        n_jobs=n_jobs,
        command=shlex.join(["emvsbayes", *click.get_current_context().meta["words"]]),
        say=progress,
        **arguments,
    )
    click.echo(selection.summary())
    if out is not None:
        click.echo(str(save_selection(selection, out)))
    chosen = [c for estimate in selection.estimates if (c := selection.winner(estimate=estimate)) is not None]
    return max((exit_code(c.status) for c in chosen), default=SINGULAR)


@command
@click.argument("fit", type=click.Path(path_type=Path))
@click.option("--like", type=click.Path(path_type=Path), required=True, help="Data whose rows (and tosses) to imitate.")
@click.option("--out", type=click.Path(path_type=Path), help="The CSV file to write; standard output by default.")
@click.option("--seed", type=int, default=0, show_default=True)
def simulate_command(fit: Path, like: Path, out: Path | None, seed: int) -> None:
    """Ancestral sampling from a fit that `em --json` wrote: one row for each row of --like, and its component."""
    from emvsbayes.fits import Fit
    from emvsbayes.studies.saving import writable, write_text

    if not fit.is_file():
        raise InputError(f"{fit} does not exist or is not a file; write a fit with `emvsbayes em ... --json`.")
    if out is not None:
        writable(out.parent)
        if out.is_dir():
            raise InputError(f"{out} is a folder; name the file to write the rows to.")
    try:
        written = fit.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{fit} is not the JSON of a fit; write one with `emvsbayes em ... --json`.") from None
    text = Fit.from_json(written).simulate(like, seed=seed).to_csv()
    click.echo(text, nl=False) if out is None else write_text(text, out)


def _interrupted(shown: Any, checkpoint: Path | None) -> int:
    """One sentence on what is left of a fit that was broken off, and the shell's code for it."""
    left = "nothing was kept; with --checkpoint FILE it would go on from there"
    if checkpoint is not None and checkpoint.is_file():
        left = f"{checkpoint} holds the fit so far, and the same command goes on from there"
    click.echo(f"Interrupted in {shown.name}, after pass {shown.passes}: {left}.", err=True)
    return INTERRUPTED


def _error_methods(names: str | None) -> list[str]:
    """Methods of standard errors from a list with commas, checked before anything is fitted."""
    from emvsbayes.information.errors import METHODS

    chosen = [] if names is None else [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in METHODS:
            raise unknown("method of standard errors", name, METHODS)
    return chosen


def _echo_errors(fitted: Any, model: dict[str, Any], methods: list[str], n_replicates: int, level: float) -> None:
    """A table of standard errors; the sentence where the fit has none, which is no failure of the command."""
    from emvsbayes.information.errors import standard_errors

    shared = {name: model[name] for name in ("labels", "sample_weight", "seed") if name in model}
    try:
        found = standard_errors(
            fitted, model["X"], methods, level=level, n_replicates=n_replicates, say=progress, **shared
        )
    except InputError as error:
        click.echo(str(error))
        return
    click.echo(found.summary())
