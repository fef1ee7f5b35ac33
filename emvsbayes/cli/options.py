"""The options that commands share, and what they mean as arguments of the public functions."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from emvsbayes.core.errors import InputError, unknown

STOPPING = ("--tol", "--max-passes", "--param-tol", "--stop-rule", "--aitken")


def model_options(
    function: Callable[..., Any], *, several: bool = False, without: tuple[str, ...] = (), number: str | None = None
) -> Callable[..., Any]:
    """What every command that takes a data file asks: the model (or `several`), the columns, starts, when to stop.

    `without` are names of options that a command does not take; `number` is the help of -k where one K or several do.
    """
    components: dict[str, Any] = {"help": "Numbers K to try: 1:6, or 1,2,4.", "default": "1:6", "show_default": True}
    if number is not None:
        components = {"help": number}
    elif not several:
        components = {"help": "Number of components K, for mixtures.", "type": int}
    e_steps = "exact, hard, truncated:C, mean-field, annealed, stochastic or monte-carlo:M."
    starts = "Starting values: JSON, a .json or .toml file, a fit of `em --json`, or a method."
    options = {
        "data": click.argument("data", type=click.Path(path_type=Path)),
        "--family": click.option(
            "-f", "--family", required=True, help="Family, such as gaussian_mixture; see `emvsbayes list`."
        ),
        "--components": click.option("-k", "--components", "n_components", **components),
        "--columns": click.option("--columns", help="Columns to use, separated by commas; all by default."),
        "--covariance": click.option(
            "--covariance", help="Gaussian mixtures: full, tied, diag, spherical, or EII to VVV (mclust)."
        ),
        "--set": click.option(
            "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting of the family."
        ),
        "--labels": click.option(
            "--labels", help="Column of known components, counted from 0; -1 or empty where unknown."
        ),
        "--weights": click.option("--weights", help="Column of sample weights."),
        "--start": click.option("--start", help=starts),
        "--fixed": click.option("--fixed", help="Fields to hold at given values: JSON, or a .json or .toml file."),
        "--starts": click.option(
            "--starts", "n_starts", help="Number of starts (20); 20:5 goes on with the 5 best of 20 short runs."
        ),
        "--e-step": click.option("--e-step", help=e_steps),
        "--tol": click.option("--tol", type=float, help="Stop at this change of the objective per observation (1e-8)."),
        "--max-passes": click.option("--max-passes", type=int, help="Most passes over the data (1000)."),
        "--param-tol": click.option(
            "--param-tol", type=float, help="Stop also where no free coordinate changed by more than this."
        ),
        "--stop-rule": click.option(
            "--stop-rule", "rule", help="either tolerance is enough (default), or both must hold."
        ),
        "--aitken": click.option(
            "--aitken", is_flag=True, default=None, help="--tol bounds the estimated gain still to come."
        ),
        "--seed": click.option("--seed", type=int, default=0, show_default=True),
    }
    for name in reversed([name for name in options if name not in without]):
        function = options[name](function)
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


def asked_chunk(data: Path, chunk: int | None, schedule: str | None) -> int | None:
    """Rows to read at a time, where a file is to be read so; None where it is read whole."""
    from emvsbayes.sources.opening import CHUNK, by_chunks

    if not by_chunks(data, chunk):
        return None
    asked = (schedule or "").removeprefix("chunked:")
    return chunk or (int(asked) if asked.isdecimal() and int(asked) else CHUNK)


def model_arguments(data: Path, options: dict[str, Any], chunk: int | None = None) -> dict[str, Any]:
    """The options of `model_options` as arguments of `fit` and `compare`; with a `chunk` the file is not read yet."""
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
    arguments = {
        **{name: options.pop(name) for name in ("family", "n_components", "n_starts", "seed")},
        "settings": settings,
    }
    if "start" in options:
        start = structured(options.pop("start"), "start", names=ALL_METHODS)
        # a mapping with restarts is what `em --json` wrote
        arguments["start"] = Fit.from_dict(start) if isinstance(start, dict) and "restarts" in start else start
    if "tol" in options:
        stop = {name: options.pop(name) for name in ("tol", "max_passes", "param_tol", "rule", "aitken")}
        arguments["stop"] = {name: value for name, value in stop.items() if value is not None}
    if "e_step" in options:
        arguments["e_step"] = options.pop("e_step")
    if "fixed" in options:
        arguments["fixed"] = structured(options.pop("fixed"), "fixed", names=())
    special = {"labels": options.pop("labels"), "sample_weight": options.pop("weights")}
    columns = options.pop("columns")
    if chunk is not None:
        from emvsbayes.sources.opening import as_reader

        named = [name.strip() for name in columns.split(",")] if columns else None
        return {**arguments, "X": as_reader(data, named, **special)}
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
