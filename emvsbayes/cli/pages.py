"""Commands that make pages: list, run, compare, render."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import Any

import click

from emvsbayes.cli.group import NOT_CONVERGED, SINGULAR, command, exit_code, progress
from emvsbayes.cli.options import model_arguments, model_options, sampling_options, structured
from emvsbayes.core.errors import InputError


@command
def list_command() -> None:
    """Families and studies."""
    from emvsbayes.families import FAMILIES
    from emvsbayes.studies.spec import STUDIES

    click.echo("families")
    for name, twin in FAMILIES.items():
        settings = "; ".join(
            f"{key}: {', '.join(values)}" for key, values in {**twin.settings, **twin.shorthand}.items()
        )
        click.echo(f"  {name:<18} {twin.summary} ({settings})")
        for words, what in twin.variants.items():
            click.echo(f"    {words:<20} {what}")
    click.echo("  --e-step hard is hard EM for every mixture: q is one-hot, each row belongs to one component")
    click.echo("studies")
    width = max(map(len, STUDIES))
    for name, study in STUDIES.items():
        k = f", K = {study.n_components}" if FAMILIES[study.family].components else ""
        click.echo(f"  {name:<{width}} {study.title} ({study.family}{k})")


@command
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every study.")
@click.option("--data", type=click.Path(path_type=Path), help="A file in the place of the study's own data.")
@click.option("--labels", type=click.Path(path_type=Path), help="With --data: IDX file of the known components.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports"), show_default=True)
@click.option("--workers", type=int, metavar="N", help="N processes on this machine, a study at a time each (Dask).")
@click.option("--scheduler", metavar="ADDRESS", help="The workers of a Dask cluster, as tcp://HOST:8786.")
@sampling_options
def run_command(
    names: tuple[str, ...],
    everything: bool,
    data: Path | None,
    labels: Path | None,
    out: Path,
    workers: int | None,
    scheduler: str | None,
    no_sampling: bool,
    fresh: bool,
) -> int:
    """Run studies by name: OUT/NAME/index.html each, and OUT/index.html, the gallery.

    A study that ends as its file declares, such as galaxies with its unresolved posterior, counts as fine. With
    --workers or --scheduler each study is a task of Dask; pages are written here, as each study is done, and draws are
    cached where the worker runs.
    """
    from emvsbayes.images import read_labels
    from emvsbayes.studies import STUDIES, run_study
    from emvsbayes.studies.saving import writable, write_gallery
    from emvsbayes.studies.several import studies_done
    from emvsbayes.workers.clients import connected

    if not names and not everything:
        raise InputError(f"name a study, or use --all; the studies are {', '.join(STUDIES)}.")
    studies = [STUDIES[name] for name in (STUDIES if everything else names)]
    if data is not None and len(studies) != 1:
        raise InputError(f"--data stands in for the data of one study; {len(studies)} are named.")
    if labels is not None and data is None:
        raise InputError("--labels belong to --data; name the file of the data too.")
    if data is not None and (workers is not None or scheduler is not None):
        raise InputError("--data stands in for one study, which is one task; leave --workers and --scheduler out.")
    known = None if labels is None else read_labels(labels)
    writable(out)
    codes = []
    options: dict[str, Any] = {"sampling": not no_sampling, "fresh": fresh, "say": progress}
    with connected(workers, scheduler) as client:
        if data is None:
            done = studies_done(studies, client=client, **options)
        else:
            done = [(0, run_study(studies[0], data=data, labels=known, **options))]
        for index, compared in done:
            codes.append(_written(compared, studies[index], out))
    progress(f"gallery: {write_gallery(out, progress)}")
    return max(codes)


@command
@model_options
@click.option("--prior", default="default", show_default=True, help="default, or JSON, or a .json or .toml file.")
@click.option("--draws", type=int, default=1000, show_default=True)
@click.option("--tune", type=int, default=1000, show_default=True)
@click.option("--chains", type=int, default=4, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Output folder; the name of the data file by default.")
@sampling_options
def compare_command(
    data: Path,
    prior: str,
    draws: int,
    tune: int,
    chains: int,
    out: Path | None,
    no_sampling: bool,
    fresh: bool,
    **model: Any,
) -> int:
    """Compare EM and PyMC on your own data: OUT/index.html, result.json and posterior.nc."""
    from emvsbayes.studies import compare
    from emvsbayes.studies.saving import writable

    model = model_arguments(data, model)
    out = writable(out or Path(f"{data.stem}-report"))
    compared = compare(
        command=shlex.join(["emvsbayes", *click.get_current_context().meta["words"]]),
        prior=structured(prior, "prior", names=("default",)),
        draws=draws,
        tune=tune,
        chains=chains,
        sampling=not no_sampling,
        fresh=fresh,
        say=progress,
        **model,
    )
    return _finish(compared, out)


@command
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page to write; index.html beside it by default.")
def render_command(result: Path, out: Path | None) -> None:
    """Redraw the page of a result.json, without PyMC."""
    from emvsbayes.studies.saving import PAGE, render_result, writable, write_text

    page = out or result.parent / PAGE
    text = render_result(result)
    writable(page.parent)
    click.echo(str(write_text(text, page)))


def _written(compared: Any, study: Any, out: Path) -> int:
    """Write the report of a study; the exit code, 0 where it ended as its file declares."""
    code = _finish(compared, out / study.name)
    return 0 if _outcome(compared) == study.outcome else code


def _finish(compared: Any, folder: Path) -> int:
    """Write the report, print the verdict and the path of the page; the exit code."""
    page = compared.save(folder)
    for sentence in compared.verdict:
        click.echo(textwrap.fill(sentence, width=100, subsequent_indent="  "))
    for check in compared.record.checks:
        if not check.passed:
            value = "does not exist" if check.value is None else f"{check.value:.4g}"
            click.echo(f"CHECK FAILED {check.name}: {value}, bound {check.bound:g} ({check.sentence})")
    click.echo(str(page))
    return {"fine": 0, "singular": SINGULAR}.get(_outcome(compared), NOT_CONVERGED)


def _outcome(compared: Any) -> str:
    """How a comparison ended, in the words of `Study.outcome`; the worst where several hold."""
    codes = [exit_code(fit.status.name) for fit in (compared.ml, compared.map)]
    sampled = compared.record.switching is not None
    if max(codes):
        return "singular" if max(codes) == SINGULAR else "not converged"
    return "unresolved" if sampled and not compared.record.points.labels_resolved else "fine"
