"""nutpie's entrance for C functions, which it has for PyMC models and shows to nobody else: entered by name.

    density   (P, x, gradient, value, words) -> 0 or a code          values   (P, size, x, fields, words) -> 0

nutpie is given their addresses and that of `words`, and calls them from threads of its own. The functions never look
into a Python object, so that nothing here may be wrong by a little: what this version of nutpie does not have, or has
with other arguments, is found by `closed` before anything is sampled, and versions whose calls nobody has tried are not
entered at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version
from inspect import signature
from math import prod
from typing import Any

TRIED = ((0, 16),)  # major and minor versions; a later one may call the functions with other arguments
ARGUMENTS = 7  # that `nutpie.sample` hands to a model's `_make_sampler`, and that to nutpie's compiled part


@cache
def closed() -> str | None:
    """Why this nutpie cannot be given C functions, in a few words; None where it can.

    A model is put together around functions at address 0, which nobody calls.
    """
    found = version("nutpie")
    if tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) not in TRIED:
        tried = ", ".join(f"{major}.{minor}" for major, minor in TRIED)
        return f"nutpie {found} is not among the versions that it is known to work with ({tried})"
    try:
        given = import_module("nutpie.compile_pymc").CompiledPyMCModel._make_sampler
        signature(given).bind("self", *range(ARGUMENTS))
        signature(_compiled().PySampler.from_pymc).bind(*range(ARGUMENTS))
        model(None, 1, {"x": (1,)}, {}, {}, 0, 0, 0, lambda seed: None)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        return f"nutpie {found} has no entrance for compiled functions ({error})"
    return None


def model(
    keep: Any,
    size: int,
    fields: Mapping[str, tuple[int, ...]],
    dims: Mapping[str, tuple[str, ...]],
    labels: Mapping[str, Any],
    density: int,
    values: int,
    words: int,
    initial_point: Callable[[Any], Any],
) -> Any:
    """What nutpie samples.

    Parameters
    ----------
    keep : object
        Owns the memory behind the addresses; nutpie holds it for as long as it may call.
    size : int
        Free coordinates P.
    fields, dims : mappings
        Shapes and names of dimensions of what is written down, in order.
    labels : mapping
        Coordinates of the named dimensions.
    density, values, words : int
        Addresses.
    initial_point : seed -> (P,)
    """
    lib, many = _compiled(), sum(prod(shape) for shape in fields.values())
    sizes = {name: len(entries) for name, entries in labels.items()}
    shapes = [list(shape) for shape in fields.values()]
    variables = lib.PyVariable.new_variables(list(fields), ["float64"] * len(fields), shapes, sizes, dict(dims))
    return lib.PyMcModel(
        lib.LogpFunc(density, words, keep),
        lib.ExpandFunc(size, many, values, words, keep),
        variables,
        size,
        sizes,
        dict(labels),
        initial_point,
        None,  # no further change of coordinates
    )


def sampler(model: Any, settings: Any, cores: int, *rest: Any) -> Any:
    """A running sampler, from what `nutpie.sample` hands to a model."""
    return _compiled().PySampler.from_pymc(settings, cores, model, *rest)


def _compiled() -> Any:
    """nutpie's compiled part, which has no stubs."""
    return import_module("nutpie._lib")
