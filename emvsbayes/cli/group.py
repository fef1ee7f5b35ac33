"""The group of commands, and what all of them share: exit codes, errors in one sentence, progress.

Exit codes: 0 fine, 2 bad input or usage, 3 not converged (EM or sampler), 4 the requested fit is singular.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from inspect import cleandoc
from typing import Any

import click

from emvsbayes import __version__
from emvsbayes.core.errors import InputError

CODES = """

\b
Exit codes:
  0  fine
  2  bad input or usage
  3  not converged (EM or sampler)
  4  the requested fit is singular
"""
NOT_CONVERGED, SINGULAR, INTERRUPTED = 3, 4, 130


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

    run.__doc__ = cleandoc(str(function.__doc__)) + CODES
    return main.command(function.__name__.removesuffix("_command"), cls=_Recorded)(run)


def progress(line: str) -> None:
    """A line of progress, on standard error so that results can be piped."""
    click.echo(click.style(line, dim=True), err=True)


def exit_code(status: str) -> int:
    """The exit code of a fit that ended with this status."""
    return {"CONVERGED": 0, "SINGULAR": SINGULAR}.get(status, NOT_CONVERGED)
