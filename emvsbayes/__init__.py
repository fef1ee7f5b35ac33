"""emvsbayes: latent-variable models fitted twice, with EM and as the same model in PyMC, and compared.

The public names are loaded on first use, so that importing the package loads neither PyMC nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emvsbayes import relabelling
    from emvsbayes.bayes.sampling import sample
    from emvsbayes.core.errors import InputError
    from emvsbayes.families import FAMILIES
    from emvsbayes.fits import Fit
    from emvsbayes.fitting import fit
    from emvsbayes.relabelling import relabel
    from emvsbayes.studies import STUDIES, compare, run
    from emvsbayes.vb.fits import VariationalFit
    from emvsbayes.vb.fitting import variational

__version__ = "0.1.0"

_HOME = {
    "fit": "emvsbayes.fitting",
    "Fit": "emvsbayes.fits",
    "sample": "emvsbayes.bayes.sampling",
    "relabel": "emvsbayes.relabelling",
    "compare": "emvsbayes.studies",
    "run": "emvsbayes.studies",
    "FAMILIES": "emvsbayes.families",
    "STUDIES": "emvsbayes.studies",
    "InputError": "emvsbayes.core.errors",
    "variational": "emvsbayes.vb.fitting",
    "VariationalFit": "emvsbayes.vb.fits",
}

__all__ = [
    "FAMILIES",
    "STUDIES",
    "Fit",
    "InputError",
    "VariationalFit",
    "compare",
    "fit",
    "relabel",
    "relabelling",
    "run",
    "sample",
    "variational",
]


def __getattr__(name: str) -> Any:
    if name == "relabelling":
        return import_module("emvsbayes.relabelling")
    if name not in _HOME:
        raise AttributeError(f"module 'emvsbayes' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
