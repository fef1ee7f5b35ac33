"""emvsbayes: latent-variable models fitted twice, with EM and as the same model in PyMC, and compared.

The public names are loaded on first use, so that importing the package loads neither PyMC nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emvsbayes import posterior, relabelling
    from emvsbayes.bayes.sampling import sample
    from emvsbayes.calibration.coverage import coverage
    from emvsbayes.calibration.coverage_record import Coverage
    from emvsbayes.calibration.record import Calibration
    from emvsbayes.calibration.sbc import sbc
    from emvsbayes.core.errors import InputError
    from emvsbayes.evidence.record import Evidence
    from emvsbayes.evidence.table import log_evidence
    from emvsbayes.families import FAMILIES
    from emvsbayes.fits import Fit
    from emvsbayes.fitting import fit
    from emvsbayes.information.errors import standard_errors
    from emvsbayes.information.held_out import held_out_score
    from emvsbayes.information.ratio_test import ratio_test
    from emvsbayes.relabelling import relabel
    from emvsbayes.selection.choosing import select
    from emvsbayes.selection.models import compare_models
    from emvsbayes.selection.models_record import ModelChoice
    from emvsbayes.selection.record import Selection
    from emvsbayes.streaming import Stream
    from emvsbayes.studies import STUDIES, compare, run, run_studies
    from emvsbayes.vb.fits import VariationalFit
    from emvsbayes.vb.fitting import variational

__version__ = "0.1.0"

import_module("emvsbayes.core.threads")  # reads the environment before a cluster in this process changes it

_HOME = {
    "fit": "emvsbayes.fitting",
    "Fit": "emvsbayes.fits",
    "sample": "emvsbayes.bayes.sampling",
    "held_out_score": "emvsbayes.information.held_out",
    "ratio_test": "emvsbayes.information.ratio_test",
    "standard_errors": "emvsbayes.information.errors",
    "relabel": "emvsbayes.relabelling",
    "Stream": "emvsbayes.streaming",
    "select": "emvsbayes.selection.choosing",
    "Selection": "emvsbayes.selection.record",
    "compare_models": "emvsbayes.selection.models",
    "ModelChoice": "emvsbayes.selection.models_record",
    "compare": "emvsbayes.studies",
    "run": "emvsbayes.studies",
    "run_studies": "emvsbayes.studies",
    "FAMILIES": "emvsbayes.families",
    "STUDIES": "emvsbayes.studies",
    "InputError": "emvsbayes.core.errors",
    "sbc": "emvsbayes.calibration.sbc",
    "Calibration": "emvsbayes.calibration.record",
    "coverage": "emvsbayes.calibration.coverage",
    "Coverage": "emvsbayes.calibration.coverage_record",
    "log_evidence": "emvsbayes.evidence.table",
    "Evidence": "emvsbayes.evidence.record",
    "variational": "emvsbayes.vb.fitting",
    "VariationalFit": "emvsbayes.vb.fits",
}

__all__ = [
    "FAMILIES",
    "STUDIES",
    "Calibration",
    "Coverage",
    "Evidence",
    "Fit",
    "InputError",
    "ModelChoice",
    "Selection",
    "Stream",
    "VariationalFit",
    "compare",
    "compare_models",
    "coverage",
    "fit",
    "held_out_score",
    "log_evidence",
    "posterior",
    "ratio_test",
    "relabel",
    "relabelling",
    "run",
    "run_studies",
    "sample",
    "sbc",
    "select",
    "standard_errors",
    "variational",
]


def __getattr__(name: str) -> Any:
    if name in ("posterior", "relabelling"):
        return import_module(f"emvsbayes.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'emvsbayes' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
