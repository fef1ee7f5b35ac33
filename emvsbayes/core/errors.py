"""The one exception of the package: input that cannot be used.

The command line turns an `InputError` into one sentence and exit code 2; a failure of the mathematics (a singular fit,
a fall of the objective) is never an exception but a `Status`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input that cannot be used: what was expected, what came, what to do, in one sentence."""


def unknown(kind: str, name: object, choices: Iterable[str]) -> InputError:
    """The error for a name that is not among `choices`, with the nearest one suggested."""
    names = list(choices)
    near = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names)}."
    return InputError(f"unknown {kind} {name!r}: {hint}")
