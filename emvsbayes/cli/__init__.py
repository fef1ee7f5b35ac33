"""The command line: thin commands over the public functions; PyMC is imported by the one that samples.

group     the group, exit codes, errors in one sentence
options   what several commands ask
fits      em, vb, select, simulate
models    evidence
pages     list, run, compare, render
labels    relabel
"""

from emvsbayes.cli import fits, labels, models, pages
from emvsbayes.cli.group import main

__all__ = ["fits", "labels", "main", "models", "pages"]
