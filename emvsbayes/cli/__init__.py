"""The command line: thin commands over the public functions; PyMC is imported by the one that samples.

group     the group, exit codes, errors in one sentence
options   what several commands ask
fits      em, vb, select, simulate
pages     list, run, compare, render
calibration   sbc, coverage
"""

from emvsbayes.cli import calibration, fits, pages
from emvsbayes.cli.group import main

__all__ = ["calibration", "fits", "main", "pages"]
