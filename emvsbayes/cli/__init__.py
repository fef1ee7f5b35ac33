"""The command line: thin commands over the public functions; PyMC is imported by those that sample.

group         the group, exit codes, errors in one sentence
options       what several commands ask
fits          em, vb, select, simulate
models        evidence
pages         list, run, compare, render
labels        relabel
calibration   sbc, coverage
"""

from emvsbayes.cli import calibration, fits, labels, models, pages
from emvsbayes.cli.group import main

__all__ = ["calibration", "fits", "labels", "main", "models", "pages"]
