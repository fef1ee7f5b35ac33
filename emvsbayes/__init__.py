"""emvsbayes: latent-variable models fitted twice, with EM and as the same model in PyMC, and compared.

The public names are loaded on first use, so that importing the package loads neither PyMC nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emvsbayes.core.errors import InputError
    from emvsbayes.families import FAMILIES
    from emvsbayes.fitting import Fit, fit

__version__ = "0.1.0"

_HOME = {
    "fit": "emvsbayes.fitting",
    "Fit": "emvsbayes.fitting",
    "FAMILIES": "emvsbayes.families",
    "InputError": "emvsbayes.core.errors",
}

__all__ = ["FAMILIES", "Fit", "InputError", "fit"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'emvsbayes' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
