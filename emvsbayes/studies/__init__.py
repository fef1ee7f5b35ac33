"""Worked examples as data: one TOML file a study, with its data beside it.

STUDIES["old-faithful"]          the study by name
run("old-faithful")              its comparison
run_studies(client=client)       all of them, over a Dask cluster
"""

from emvsbayes.studies.runner import Compared, compare, run, run_study
from emvsbayes.studies.several import run_studies
from emvsbayes.studies.spec import STUDIES, Study

__all__ = ["STUDIES", "Compared", "Study", "compare", "run", "run_studies", "run_study"]
