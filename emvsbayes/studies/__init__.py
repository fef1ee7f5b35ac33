"""Worked examples as data: one TOML file a study, with its data beside it.

STUDIES["old-faithful"]          the study by name
run("old-faithful")              its comparison
"""

from emvsbayes.studies.runner import Compared, compare, run, run_study
from emvsbayes.studies.spec import STUDIES, Study

__all__ = ["STUDIES", "Compared", "Study", "compare", "run", "run_study"]
