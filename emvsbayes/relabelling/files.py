"""Draws in a NetCDF file: read whole, as any ArviZ wrote them, or flat; written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.axes import SAMPLE


def read_draws(path: str | Path) -> Any:
    """A NetCDF file of draws as a DataTree, in memory.

    A file without groups, of variables with dimensions chain and draw, becomes the group `posterior`.

    Raises
    ------
    InputError
        For a file that is not there, is no NetCDF file, or holds no posterior.
    """
    import xarray as xr

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file; check the path.")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as file:
            tree = file.load().copy(deep=True)
    except Exception:  # whatever h5py, h5netcdf or xarray make of it
        tree = _classic(path)
    if "posterior" in tree.children:
        return tree
    flat = tree.to_dataset()
    if set(SAMPLE) <= set(flat.dims):
        return xr.DataTree.from_dict({"posterior": flat})
    groups = ", ".join(tree.children) or "no groups"
    raise InputError(
        f"{path} holds no draws: it has {groups}, and neither a group posterior nor dimensions chain and draw."
    )


def write_draws(tree: Any, path: str | Path) -> Path:
    """The tree as a NetCDF file, whole or not at all; its folder is made where it is missing.

    Raises
    ------
    InputError
        Where the disk has no room for it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    needed, free = tree.nbytes, shutil.disk_usage(path.parent).free
    if needed > free:  # HDF5 does not survive a disk that fills up under it
        raise InputError(f"{path} needs {needed:,} bytes, and {free:,} are free there; choose another place.")
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        tree.to_netcdf(temporary, engine="h5netcdf")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _classic(path: Path) -> Any:
    """A file of the classic format, which has no groups."""
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="scipy") as file:
            return xr.DataTree(file.load().copy(deep=True))
    except Exception:
        raise InputError(f"{path} is not a NetCDF file that can be read; write the draws with to_netcdf.") from None
