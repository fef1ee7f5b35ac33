"""Commands that weigh models: evidence. With --quick PyMC is not imported."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import click

from emvsbayes.cli.group import command, progress
from emvsbayes.cli.options import STOPPING, model_arguments, model_options, structured
from emvsbayes.core.errors import InputError

COST = "the first draws of a model take about a minute to compile; --quick does without them"

NUMBER = "Number of components K, for mixtures; several, 1:4 or 1,2,4, are set side by side."


@command
@partial(model_options, number=NUMBER, without=("--e-step", "--start", *STOPPING))
@click.option("--prior", default="default", show_default=True, help="default, or JSON, or a .json or .toml file.")
@click.option("--quick", is_flag=True, help="No draws: enumeration, Laplace, variational bounds, BIC. No PyMC.")
@click.option("--smc", is_flag=True, help="Sequential Monte Carlo too (minutes).")
@click.option("--advi", is_flag=True, help="PyMC's ADVI too, mean field and full rank.")
@click.option("--draws", type=int, default=1000, show_default=True)
@click.option("--tune", type=int, default=1000, show_default=True)
@click.option("--chains", type=int, default=4, show_default=True)
@click.option("--fresh", is_flag=True, help="Draw again even where the same draws are cached.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the numbers to this file.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a page, OUT/index.html.")
def evidence_command(
    data: Path,
    prior: str,
    quick: bool,
    smc: bool,
    advi: bool,
    draws: int,
    tune: int,
    chains: int,
    fresh: bool,
    json_path: Path | None,
    out: Path | None,
    **model: Any,
) -> None:
    """The log evidence ln p(X) by every method there is, in one table; of several K (-k 1:4), K by four criteria.

    By default the posterior is sampled: the first draws of a model take about a minute to compile, later ones seconds.
    """
    from emvsbayes.studies.saving import writable, write_text

    if quick and (smc or advi):
        raise InputError("--quick leaves PyMC out, and --smc and --advi are PyMC's; leave one of them out.")
    if json_path is not None:
        writable(json_path.parent)
        if json_path.is_dir():
            raise InputError(f"{json_path} is a folder; name the file to write the numbers to.")
    if out is not None:
        writable(out)
    asked = model_arguments(data, model)
    asked["prior"] = structured(prior, "prior", names=("default",))
    sampler = {"draws": draws, "tune": tune, "chains": chains, "fresh": fresh}
    if not quick:
        progress(f"sampling: {COST}")
    words = shlex.join(["emvsbayes", *click.get_current_context().meta["words"]])
    many = _several(asked)
    found = _models(asked, sampler, quick, smc, advi, words) if many else _one(asked, sampler, quick, smc, advi)
    click.echo(found.summary())
    if json_path is not None:
        write_text(found.to_json().decode(), json_path)
    if out is not None:
        from emvsbayes.report.sections import render_sections
        from emvsbayes.studies.supplements.evidence import choice_section, evidence_section

        section = choice_section(found) if many else evidence_section(found)
        title = "Models side by side" if many else f"{found.family}: the log evidence"
        click.echo(str(write_text(render_sections(title, words, [section]), out / "index.html")))


def _several(asked: dict[str, Any]) -> bool:
    """Whether more than one model is asked for; a single K becomes a number."""
    k = asked["n_components"]
    if isinstance(k, str):
        from emvsbayes.selection.choosing import read_components

        found = read_components(k)
        asked["n_components"] = found if len(found) > 1 else found[0]
    listed = any("," in value or value == "all" for value in map(str, asked["settings"].values()))
    return listed or isinstance(asked["n_components"], list)


def _one(asked: dict[str, Any], sampler: dict[str, Any], quick: bool, smc: bool, advi: bool) -> Any:
    """The table of one model."""
    from emvsbayes.evidence.table import log_evidence

    posterior = None
    if not quick:
        from emvsbayes.bayes.sampling import sample

        model = {name: value for name, value in asked.items() if name != "n_starts"}
        posterior = sample(**model, **sampler)
    return log_evidence(**asked, posterior=posterior, smc=smc, advi=advi, say=progress)


def _models(asked: dict[str, Any], sampler: dict[str, Any], quick: bool, smc: bool, advi: bool, words: str) -> Any:
    """Several models side by side."""
    from emvsbayes.selection.models import compare_models

    if advi:
        raise InputError("--advi is for one model; ask for one K and one value of every setting, or leave it out.")
    if asked.pop("fixed") is not None:
        raise InputError("--fixed is for one model: no values fit every K; ask for one, or leave it out.")
    return compare_models(**asked, **sampler, sampling=not quick, smc=smc, command=words, say=progress)
