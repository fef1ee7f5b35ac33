"""Commands on draws of any sampler: relabel. It never imports PyMC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from emvsbayes.cli.group import NOT_CONVERGED, command, exit_code, progress
from emvsbayes.cli.options import structured
from emvsbayes.core.errors import InputError


@command
@click.argument("posterior", type=click.Path(path_type=Path))
@click.option("--method", help="constraint, constraint:FIELD[i], pra, ecr, ecr-iterative-1, ..., stephens, sjw.")
@click.option("--dim", "dims", multiple=True, metavar="NAME", help="A dimension that counts components; repeat it.")
@click.option("--probabilities", metavar="NAME", help="Variable with the allocation probabilities of every row.")
@click.option("--allocations", multiple=True, metavar="NAME", help="Variable whose values are component labels.")
@click.option("--first-label", type=click.IntRange(0, 1), help="What those labels count from, if it is not clear.")
@click.option("-f", "--family", help="Relabel towards an EM fit of this family, with as many components as the draws.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data of that fit, or the rows for data-based and sjw; by default those in the file.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Settings of that family.")
@click.option(
    "--prior", default="default", show_default=True, help="Of that fit: none, default, JSON, or a file of it."
)
@click.option("--starts", "n_starts", type=int, default=4, show_default=True, help="Starts of an iterative algorithm.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the relabelled draws to this NetCDF file.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write diagnosis and report to this file.")
@click.option("--page", type=click.Path(path_type=Path), help="Write them with traces before and after as a page.")
def relabel_command(
    posterior: Path,
    method: str | None,
    dims: tuple[str, ...],
    probabilities: str | None,
    allocations: tuple[str, ...],
    first_label: int | None,
    family: str | None,
    data: Path | None,
    settings: tuple[str, ...],
    prior: str,
    n_starts: int,
    seed: int,
    out: Path | None,
    json_path: Path | None,
    page: Path | None,
) -> int:
    """Relabel the draws of a NetCDF file, from any sampler: diagnosis first, then the cure and what it did.

    \b
    emvsbayes relabel posterior.nc --probabilities p --out relabelled.nc
    emvsbayes relabel stan.nc --dim mu_dim_0 --dim theta_dim_0 --allocations z
    emvsbayes relabel posterior.nc -f gaussian_mixture --data data.csv

    Exit code 3 where chains sit in different modes, or R-hat stays above 1.01 after relabelling.
    """
    from emvsbayes.relabelling import diagnose_labels, relabel, relabelling_report
    from emvsbayes.relabelling.files import read_draws, write_draws
    from emvsbayes.relabelling.given import WITH_DATA
    from emvsbayes.studies.saving import writable, write_text

    for path in (out, json_path, page):
        if path is not None:
            writable(path.parent)
            if path.is_dir():
                raise InputError(f"{path} is a folder; name the file to write.")
    if data is not None and family is None and (method or "").strip() not in WITH_DATA:
        raise InputError(
            f"--data are the rows for --method {' or '.join(WITH_DATA)}, or the data of an EM fit; say of which family "
            "with -f."
        )
    tree = read_draws(posterior)
    options: dict[str, Any] = {
        "method": method,
        "dim": (dims[0] if len(dims) == 1 else dims) or "component",
        "probabilities": probabilities,
        "allocations": list(allocations) or None,
        "first_label": first_label,
        "seed": seed,
    }
    code = 0
    if data is not None:
        options["data"] = _table(data) if family is not None else _table(data).numbers()
    if family is not None:
        options["pivot"] = _fit(tree, family, data, settings, prior, options["dim"], seed)
        code = exit_code(options["pivot"].status.name)
        progress(f"pivot: an EM fit of {family}; {options['pivot'].status.value}")
    progress("diagnosis, before the cure")
    diagnosis = diagnose_labels(tree, **options)
    click.echo(diagnosis.summary())
    relabelled = relabel(tree, n_starts=n_starts, **options)
    report = relabelling_report(tree, relabelled)
    click.echo(report.summary())
    record = {"file": posterior.name, "diagnosis": diagnosis.to_dict(), "report": report.to_dict()}
    if out is not None:
        click.echo(str(write_draws(relabelled, out)))
    if json_path is not None:
        click.echo(str(write_text(json.dumps(record, indent=1) + "\n", json_path)))
    if page is not None:
        from emvsbayes.report.labels import render_labels

        click.echo(str(write_text(render_labels(posterior.name, diagnosis, report), page)))
    if code == 0 and (diagnosis.level == "modes" or report.converged is False):
        return NOT_CONVERGED
    return code


def _fit(tree: Any, family: str, data: Path | None, settings: tuple[str, ...], prior: str, dim: Any, seed: int) -> Any:
    """An EM fit with as many components as the draws have: MAP under the default prior unless another is given."""
    from emvsbayes.core.errors import unknown
    from emvsbayes.families import FAMILIES
    from emvsbayes.fitting import fit
    from emvsbayes.relabelling.axes import components_of, posterior_of
    from emvsbayes.relabelling.towards_fit import columns_of

    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    chosen = {}
    for pair in settings:
        name, separator, value = pair.partition("=")
        if not separator:
            raise InputError(f"--set needs NAME=VALUE; it is {pair!r}.")
        chosen[name] = value
    given = structured(prior, "prior", names=("none", "default"))
    columns, labels, weights = (_table(data), None, None) if data is not None else columns_of(tree, family)
    return fit(
        family,
        columns,
        n_components=components_of(posterior_of(tree), dim).k,
        settings=chosen,
        prior=None if given == "none" else given,
        labels=labels,
        sample_weight=weights,
        seed=seed,
    )


def _table(data: Path | None) -> Any:
    from emvsbayes.tables import read_table

    return None if data is None else read_table(data)
