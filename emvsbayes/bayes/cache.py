"""Draws on disk, found again by what produced them: data, model, prior, sampler settings, seed, versions and code.

The folder is `EMVSBAYES_CACHE`, else `$XDG_CACHE_HOME/emvsbayes`, else `~/.cache/emvsbayes`; deleting it loses time and
nothing else. Files appear whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from emvsbayes.core.records import plain, record_fields
from emvsbayes.core.twin import Twin
from emvsbayes.problem import Problem

PACKAGES = ("pymc", "pytensor", "nutpie", "numpy", "arviz-base", "emvsbayes")


def folder() -> Path:
    """Where draws are kept."""
    if given := os.environ.get("EMVSBAYES_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emvsbayes"


def versions() -> dict[str, str]:
    """Versions of everything the draws depend on."""
    return {name: version(name) for name in PACKAGES}


def data_hash(data: Any) -> str:
    """SHA-256 of every array of a data record, in the order of its fields."""
    digest = hashlib.sha256()
    for name, value in record_fields(data).items():
        digest.update(name.encode())
        if isinstance(value, np.ndarray):
            digest.update(str((value.dtype, value.shape)).encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        else:
            digest.update(json.dumps(plain(value)).encode())
    return digest.hexdigest()


def key(problem: Problem, prior: Any, settings: dict[str, Any]) -> str:
    """The name under which the draws of this problem are kept."""
    family = problem.family
    spec = {
        "data": data_hash(problem.data),
        "family": [family.name, family.n_components, sorted(family.fixed)],
        "settings": {name: getattr(family, name) for name in problem.twin.settings},
        "held": plain(problem.held),
        "prior": plain(prior),
        "sampler": settings,
        "versions": versions(),
        "code": sampler_code(problem.twin, settings["likelihood"]),
    }
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]


def sampler_code(twin: Twin, likelihood: str) -> list[str]:
    """Digests of the code that draws: the model's, the sampler's and, of a fused likelihood, all that is compiled."""
    modules = ("sampling", "chains", "twins", "targets", "likelihoods", "entrance")
    code = [twin.builder.split(":")[0], *(f"emvsbayes.bayes.{name}" for name in modules)]
    compiled = ""
    if likelihood == "fused" and twin.target is not None:
        from emvsbayes.densities.kernels.compiling import SOURCES

        code.append(twin.target.split(":")[0])
        compiled = SOURCES
    return [*(hashlib.sha256(_source(module)).hexdigest() for module in code), compiled]


def _source(module: str) -> bytes:
    """The text of a module, without importing it."""
    spec = find_spec(module)
    return Path(spec.origin).read_bytes() if spec is not None and spec.origin else b""


def load(name: str) -> Any | None:
    """The DataTree kept under `name`, or None; a damaged file counts as absent."""
    path = folder() / f"{name}.nc"
    if not path.is_file():
        return None
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except (OSError, ValueError, KeyError):
        return None


def save(name: str, tree: Any) -> None:
    """Keep `tree` under `name`; a cache that cannot be written is no reason to stop."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        write_netcdf(tree, folder() / f"{name}.nc")
    except OSError:
        return


def write_netcdf(tree: Any, path: Path) -> None:
    """Write a DataTree whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        tree.to_netcdf(temporary, engine="h5netcdf")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
