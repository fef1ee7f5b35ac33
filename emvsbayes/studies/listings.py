"""The code a page prints: the EM loop, and the PyMC model. Both run as printed; a test runs them."""

from __future__ import annotations

import inspect
import textwrap
from importlib.util import find_spec
from pathlib import Path
from pprint import pformat
from typing import Any

from emvsbayes.core.records import plain
from emvsbayes.problem import Problem
from emvsbayes.tables import Table

EM = """\
{imports}
from emvsbayes.problem import pose

problem = pose({pose})
family, data = problem.family, problem.data
params = problem.start(
{start}
)

for passes in range({passes}):
    q = {e_step}
    stats = family.expect(q, data, params)  # expected sufficient statistics
    params = family.m_step(stats, params)   # M half-step: params <- argmax E_q[ln p(X, Z | params)]

print(params)
print("log-likelihood", family.log_likelihood(params, data))
"""

PYMC = """\
{source}


if __name__ == "__main__":
    {imports}
    from emvsbayes.problem import pose

    problem = pose({pose})
    prior = problem.family.proper_prior(problem.prior({prior}))
    start = problem.start(
{start}
    )
    model = build(problem.family, problem.data, prior, start)
    print(model.point_logps())
"""


E_STEP = {
    "exact": "family.e_step(params, data)         # E half-step: q <- p(Z | X, params)",
    "hard": "family.e_step(params, data).hardened()  # E half-step: each row to its most probable component",
}
SETTLED = ("variance",)  # settings that are learned where they are not given
PRINTED = 5000  # most numbers of a data set from memory that a listing prints


def em_listing(problem: Problem, study: Any, data: Any, start: Any, passes: int, e_step: str) -> str:
    """The loop of one maximum-likelihood run from `start`, as a script; `data` None stands for the study's own."""
    imports, call = _pose(problem, study, data)
    return EM.format(imports=imports, pose=call, start=_start(start), passes=passes, e_step=E_STEP[e_step]).lstrip()


def steps_listing(family: Any) -> str:
    """The methods that make one pass, as they stand in the family."""
    methods = (getattr(type(family), name) for name in ("e_step", "expect", "m_step"))
    return "\n".join(textwrap.dedent(inspect.getsource(method)) for method in methods)


def pymc_listing(problem: Problem, study: Any, data: Any, start: Any) -> str:
    """The module that built the sampled model, and the lines that build it again."""
    spec = find_spec(problem.twin.builder.split(":")[0])
    source = Path(spec.origin).read_text(encoding="utf-8") if spec is not None and spec.origin else ""
    imports, call = _pose(problem, study, data)
    return PYMC.format(
        source=source.rstrip(), imports=imports or "pass", pose=call, prior=repr(study.prior), start=_start(start, 8)
    )


def _start(start: Any, indent: int = 4) -> str:
    """Starting values as a literal, to the last digit."""
    return textwrap.indent(pformat(plain(start), width=100, compact=True, sort_dicts=False), " " * indent)


def _columns(data: Any) -> str:
    """Data from memory as a literal, None where missing; X, which the reader must supply, where they are many."""
    values = data.matrix()
    if values.size > PRINTED:
        return "X"
    return repr({n: [None if v != v else v for v in c] for n, c in zip(data.columns, values.T.tolist(), strict=True)})


def _pose(problem: Problem, study: Any, data: Any) -> tuple[str, str]:
    """An import line and the arguments of `pose` that describe the problem again."""
    imports, table = "", _columns(problem.data)
    if data is None:
        imports, table = "from emvsbayes.studies import STUDIES", f"STUDIES[{study.name!r}].table()"
    elif isinstance(data, Table) and Path(data.source).suffix:
        imports, table = (
            "from emvsbayes.tables import read_table",
            f"read_table({data.source!r}).select({data.columns})",
        )
    elif isinstance(data, str | Path):
        table = repr(str(data))
    words = [repr(study.family), table, f"n_components={study.n_components}"]
    settled = {n: v for n in problem.twin.settings if n in SETTLED and (v := getattr(problem.family, n)) is not None}
    given = {"settings": {**study.settings, **settled}, "fixed": study.fixed}
    words += [f"{name}={value!r}" for name, value in given.items() if value]
    known, weights = problem.data.labels, problem.data.row_weights
    words += [] if known is None else [f"labels={known.tolist()}"]
    words += [] if (weights == 1).all() else [f"sample_weight={weights.tolist()}"]
    return imports, ", ".join(words)
