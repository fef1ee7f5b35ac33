"""The command line: thin commands over the public functions; PyMC is imported by the one that samples.

Exit codes: 0 fine, 2 bad input or usage, 3 not converged (EM or sampler), 4 the requested fit is singular.
"""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
import tomllib
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from emvsbayes import __version__
from emvsbayes.core.errors import InputError, unknown

CODES = """

\b
Exit codes:
  0  fine
  2  bad input or usage
  3  not converged (EM or sampler)
  4  the requested fit is singular
"""
NOT_CONVERGED, SINGULAR = 3, 4


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="emvsbayes")
def main() -> None:
    """Latent-variable models fitted twice: with EM, and as the same model in PyMC; and a report that compares them."""


main.help = str(main.help) + CODES


class _Recorded(click.Command):
    """A command that keeps its words, so that a page can say how to do it again."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["words"] = [str(ctx.info_name), *args]
        return super().parse_args(ctx, args)


def command(function: Callable[..., int | None]) -> click.Command:
    """A command of `main`: bad input becomes one sentence and exit code 2; every --help lists the exit codes."""

    @wraps(function)
    def run(**options: Any) -> None:
        try:
            code = function(**options)
        except InputError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)
        except OSError as error:
            click.echo(f"Error: {error.strerror or error} ({error.filename or 'input or output'}).", err=True)
            sys.exit(2)
        sys.exit(code or 0)

    run.__doc__ = str(function.__doc__) + CODES
    return main.command(function.__name__.removesuffix("_command"), cls=_Recorded)(run)


def model_options(
    function: Callable[..., Any], *, several: bool = False, without: tuple[str, ...] = ()
) -> Callable[..., Any]:
    """What every command that takes a data file asks: the model (or `several`), the columns, starts, when to stop.

    `without` are names of options that a command does not take.
    """
    number: dict[str, Any] = {"help": "Numbers K to try: 1:6, or 1,2,4.", "default": "1:6", "show_default": True}
    if not several:
        number = {"help": "Number of components K, for mixtures.", "type": int}
    e_steps = "exact, hard, truncated:C, mean-field, annealed, stochastic or monte-carlo:M."
    some = {
        "--fixed": click.option("--fixed", help="Fields to hold at given values: JSON, or a .json or .toml file."),
        "--e-step": click.option("--e-step", help=e_steps),
    }
    options = [
        click.argument("data", type=click.Path(path_type=Path)),
        click.option("-f", "--family", required=True, help="Family, such as gaussian_mixture; see `emvsbayes list`."),
        click.option("-k", "--components", "n_components", **number),
        click.option("--columns", help="Columns to use, separated by commas; all by default."),
        click.option("--covariance", help="Gaussian mixtures: full, tied, diag, spherical, or EII to VVV (mclust)."),
        click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting of the family."),
        click.option("--labels", help="Column of known components, counted from 0; -1 or empty where unknown."),
        click.option("--weights", help="Column of sample weights."),
        click.option(
            "--start", help="Starting values: JSON, a .json or .toml file, a fit of `em --json`, or a method."
        ),
        some["--fixed"],
        click.option(
            "--starts", "n_starts", help="Number of starts (20); 20:5 goes on with the 5 best of 20 short runs."
        ),
        some["--e-step"],
        click.option("--tol", type=float, help="Stop at this change of the objective per observation (1e-8)."),
        click.option("--max-passes", type=int, help="Most passes over the data (1000)."),
        click.option("--param-tol", type=float, help="Stop also where no free coordinate changed by more than this."),
        click.option("--stop-rule", "rule", help="either tolerance is enough (default), or both must hold."),
        click.option("--aitken", is_flag=True, default=None, help="--tol bounds the estimated gain still to come."),
        click.option("--seed", type=int, default=0, show_default=True),
    ]
    for option in reversed([option for option in options if option not in [some[name] for name in without]]):
        function = option(function)
    return function


def sampling_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """How to sample, and where to write."""
    options = [
        click.option("--no-sampling", is_flag=True, help="EM only: a page without a posterior; never imports PyMC."),
        click.option("--fresh", is_flag=True, help="Draw again even where the same draws are cached."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


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
@sampling_options
def run_command(
    names: tuple[str, ...],
    everything: bool,
    data: Path | None,
    labels: Path | None,
    out: Path,
    no_sampling: bool,
    fresh: bool,
) -> int:
    """Run studies by name: OUT/NAME/index.html each, and OUT/index.html, the gallery.

    A study that ends as its file declares, such as galaxies with its unresolved posterior, counts as fine.
    """
    from emvsbayes.images import read_labels
    from emvsbayes.studies import STUDIES, run_study
    from emvsbayes.studies.saving import writable, write_gallery

    if not names and not everything:
        raise InputError(f"name a study, or use --all; the studies are {', '.join(STUDIES)}.")
    studies = [STUDIES[name] for name in (STUDIES if everything else names)]
    if data is not None and len(studies) != 1:
        raise InputError(f"--data stands in for the data of one study; {len(studies)} are named.")
    if labels is not None and data is None:
        raise InputError("--labels belong to --data; name the file of the data too.")
    known = None if labels is None else read_labels(labels)
    writable(out)
    codes = []
    for study in studies:
        compared = run_study(study, data=data, labels=known, sampling=not no_sampling, fresh=fresh, say=progress)
        code = _finish(compared, out / study.name)
        codes.append(0 if _outcome(compared) == study.outcome else code)
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

    model = _model(data, model)
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
@model_options
@click.option("--prior", default="none", show_default=True, help="none, default, JSON, or a .json or .toml file.")
@click.option("--m-step", help="full, conditional (ECM) or gradient (generalized EM).")
@click.option("--schedule", help="batch, incremental:B or stepwise:B, with B blocks of rows.")
@click.option("--accelerate", help="squarem or anderson.")
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
    json_path: Path | None,
    errors: str | None,
    n_replicates: int,
    level: float,
    **model: Any,
) -> int:
    """Fit with EM only: maximum likelihood, or MAP with --prior. Never imports PyMC."""
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
    model = _model(data, model)
    fitted = fit(
        prior=None if given == "none" else given,
        m_step=m_step,
        schedule=schedule,
        accelerate=accelerate,
        **model,
    )
    click.echo(fitted.summary())
    if methods:
        _echo_errors(fitted, model, methods, n_replicates, level)
    if json_path is not None:
        write_text(fitted.to_json(), json_path)
    return _exit_code(fitted.status.name)


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
    arguments = _model(data, model)
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
    return max((_exit_code(c.status) for c in chosen), default=SINGULAR)


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
    asked = _model(data, model)
    fitted = variational(prior=structured(prior, "prior", names=("default",)), **asked)
    click.echo(fitted.summary())
    if json_path is not None:
        write_text(fitted.to_json(), json_path)
    return _exit_code(fitted.status.name)


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


@command
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page to write; index.html beside it by default.")
def render_command(result: Path, out: Path | None) -> None:
    """Redraw the page of a result.json, without PyMC."""
    from emvsbayes.report.page import render
    from emvsbayes.studies.saving import PAGE, read_result, writable, write_text

    page = out or result.parent / PAGE
    text = render(read_result(result))
    writable(page.parent)
    click.echo(str(write_text(text, page)))


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


def progress(line: str) -> None:
    """A line of progress, on standard error so that results can be piped."""
    click.echo(click.style(line, dim=True), err=True)


def structured(value: str | None, what: str, names: tuple[str, ...]) -> Any:
    """One of `names`, or inline JSON, or the contents of a .json or .toml file."""
    if value is None or value in names:
        return value
    try:
        if value.lstrip().startswith("{"):
            return json.loads(value)
        path = Path(value)
        if path.suffix == ".json":
            return json.loads(path.read_text(encoding="utf-8"))
        if path.suffix == ".toml":
            return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"the {what} file {value} does not exist; check the path.") from None
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the {what} is not valid JSON or TOML: {error}.") from None
    if not names:
        raise InputError(f"{what} must be JSON such as {{...}}, or a .json or .toml file; it is {value!r}.")
    raise unknown(what, value, names)


def _model(data: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The options of `model_options` as arguments of `fit` and `compare`."""
    from emvsbayes.core.starts import ALL_METHODS
    from emvsbayes.fits import Fit
    from emvsbayes.tables import read_table

    settings = {}
    for pair in options.pop("settings"):
        name, separator, value = pair.partition("=")
        if not separator:
            raise InputError(f"--set needs NAME=VALUE; it is {pair!r}.")
        settings[name] = value
    if covariance := options.pop("covariance"):
        settings["covariance"] = covariance
    stop = {name: options.pop(name) for name in ("tol", "max_passes", "param_tol", "rule", "aitken")}
    start = structured(options.pop("start"), "start", names=ALL_METHODS)
    if isinstance(start, dict) and "restarts" in start:  # what `em --json` wrote
        start = Fit.from_dict(start)
    arguments = {
        **{name: options.pop(name) for name in ("family", "n_components", "n_starts", "seed")},
        "settings": settings,
        "start": start,
        "stop": {name: value for name, value in stop.items() if value is not None},
    }
    if "e_step" in options:
        arguments["e_step"] = options.pop("e_step")
    if "fixed" in options:
        arguments["fixed"] = structured(options.pop("fixed"), "fixed", names=())
    special = {"labels": options.pop("labels"), "sample_weight": options.pop("weights")}
    columns = options.pop("columns")
    table = read_table(data)
    for argument, column in special.items():
        if column is not None:
            values = table.select([column]).numbers()[:, 0]
            if argument == "labels":
                values = [-1 if value != value else value for value in values]
            arguments[argument] = values
    kept = [name.strip() for name in columns.split(",")] if columns else list(table.columns)
    arguments["X"] = table.select([name for name in kept if name not in special.values()])
    if not arguments["X"].columns:
        raise InputError(f"no column of {data} is left to fit; name some with --columns.")
    return arguments


def _finish(compared: Any, folder: Path) -> int:
    """Write the report, print the verdict and the path of the page; the exit code."""
    page = compared.save(folder)
    for sentence in compared.verdict:
        click.echo(textwrap.fill(sentence, width=100, subsequent_indent="  "))
    for check in compared.record.checks:
        if not check.passed:
            click.echo(f"CHECK FAILED {check.name}: {check.value:.3g}, bound {check.bound:g} ({check.sentence})")
    click.echo(str(page))
    return {"fine": 0, "singular": SINGULAR}.get(_outcome(compared), NOT_CONVERGED)


def _outcome(compared: Any) -> str:
    """How a comparison ended, in the words of `Study.outcome`; the worst where several hold."""
    codes = [_exit_code(fit.status.name) for fit in (compared.ml, compared.map)]
    sampled = compared.record.switching is not None
    if max(codes):
        return "singular" if max(codes) == SINGULAR else "not converged"
    return "unresolved" if sampled and not compared.record.points.labels_resolved else "fine"


def _exit_code(status: str) -> int:
    return {"CONVERGED": 0, "SINGULAR": SINGULAR}.get(status, NOT_CONVERGED)
