"""The layers: who may import whom, read from the sources; and what importing the package loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emvsbayes

ROOT = Path(emvsbayes.__file__).parent
SAMPLERS = {"pymc", "nutpie", "pytensor", "pymc_extras", "blackjax", "numpyro"}
HEAVY = SAMPLERS | {"arviz", "arviz_base", "arviz_stats", "arviz_plots", "xarray", "matplotlib"}
DRAWING = {"matplotlib", "arviz_plots", "jinja2"}
LAZY_ALLOWED = {"cli", "__main__.py", "studies"}  # imports inside functions are how these stay fast


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node: ast.AST) -> bool:
    test = node.test if isinstance(node, ast.If) else None
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports(source: str, module: str, package: bool, lazy: bool = True) -> set[str]:
    """Dotted names a module imports; `from a import b` counts as a.b. `lazy` includes those inside functions."""
    found = set()

    def visit(node: ast.AST) -> None:
        if is_type_checking(node):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not lazy:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: len(module.split(".")) - node.level + package] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{stem}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__", "importorskip") and isinstance(node.args[0].value, str):
                found.add(node.args[0].value)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


SOURCES = {path.relative_to(ROOT): path for path in sorted(ROOT.rglob("*.py"))}


def imported_by(path: Path) -> set[str]:
    lazy = not (path.name in LAZY_ALLOWED or path.parts[0] in LAZY_ALLOWED)
    return imports(SOURCES[path].read_text(), module_of(SOURCES[path]), path.name == "__init__.py", lazy)


def outside(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_by(path)}


def inside(path: Path) -> set[str]:
    """What a module imports of the package, without the package's name."""
    return {
        name.removeprefix("emvsbayes").lstrip(".") for name in imported_by(path) if name.split(".")[0] == "emvsbayes"
    }


def starts_with(name: str, *parts: str) -> bool:
    return any(name == part or name.startswith(part + ".") for part in parts)


def under(*folders: str) -> list[Path]:
    return [path for path in SOURCES if path.parts[0] in folders]


def ids(path: Path) -> str:
    return str(path)


def test_the_reader_of_imports_reads_imports():
    source = """
import a.b, c
from d import e
from . import f
from .g import h
from ..i import j
if TYPE_CHECKING:
    import hidden
else:
    import shown
def function():
    import inner
    importlib.import_module("named")
"""
    expected = {"a.b", "c", "d.e", "p.q.f", "p.q.g.h", "p.i.j", "shown"}
    assert imports(source, "p.q.r", package=False, lazy=False) == expected
    assert imports(source, "p.q.r", package=False) == expected | {"inner", "named"}
    assert "p.q.r.f" in imports(source, "p.q.r", package=True)
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", under("core", "densities"), ids=ids)
def test_core_and_densities_know_no_model_and_nothing_heavy(path):
    assert not outside(path) & (HEAVY | {"pandas", "sklearn"})
    allowed = ("core",) if path.parts[0] == "core" else ("core", "densities")
    assert all(starts_with(name, *allowed) for name in inside(path)), inside(path)


@pytest.mark.parametrize("path", under("families"), ids=ids)
def test_families_keep_to_themselves(path):
    if len(path.parts) < 3:
        return
    family, mine = path.parts[1], inside(path)
    others = {name for name in mine if starts_with(name, "families") and not starts_with(name, f"families.{family}")}
    assert not others
    if path.name == "bayes.py":
        allowed = (f"families.{family}.records", "core.errors", "core.checks", "core.priors")
        assert all(starts_with(name, *allowed) for name in mine), mine
        assert outside(path) <= {"emvsbayes", "pymc", "pytensor", "numpy", "scipy"} | set(sys.stdlib_module_names)
        return
    assert not outside(path) & HEAVY
    if path.name in ("fused.py", "target.py"):  # what a sampler climbs: kernels and records, neither twin
        allowed = (f"families.{family}.records", "densities", "core")
        assert all(starts_with(name, *allowed) for name in mine), mine
        assert outside(path) <= {"emvsbayes", "numpy", "scipy", "numba"} | set(sys.stdlib_module_names)
        return
    if path.name == "records.py":
        assert all(starts_with(name, "core", "tables", f"families.{family}") for name in mine), mine
        assert not any(starts_with(name, f"families.{family}.em", f"families.{family}.bayes") for name in mine), mine
    else:
        assert all(starts_with(name, "core", "densities", "tables", f"families.{family}") for name in mine), mine
        beside = (f"families.{family}.{other}" for other in ("bayes", "fused", "target"))
        assert not any(starts_with(name, *beside) for name in mine)


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_only_the_bayesian_side_imports_a_sampler(path):
    if path.name == "bayes.py" or path.parts[0] == "bayes":
        return
    assert not outside(path) & SAMPLERS


@pytest.mark.parametrize("path", under("report"), ids=ids)
def test_the_report_reads_records_only(path):
    records = ("comparison.record", "selection.record", "calibration.record", "calibration.coverage_record")
    allowed = ("report", *records, "core.errors")
    assert all(starts_with(name, *allowed) for name in inside(path)), inside(path)


@pytest.mark.parametrize("path", under("comparison", "selection"), ids=ids)
def test_comparisons_do_not_draw(path):
    assert not outside(path) & (DRAWING | SAMPLERS)
    assert not any(starts_with(name, "report", "cli", "studies") for name in inside(path))


@pytest.mark.parametrize("path", under("evidence"), ids=ids)
def test_the_evidence_needs_no_sampler_and_no_drawing(path):
    assert not outside(path) & HEAVY
    allowed = {"bayes.smc.smc_evidence", "bayes.advi.advi_elbo"} if path.name == "rows.py" else set()
    assert {name for name in inside(path) if starts_with(name, "bayes")} <= allowed  # inside functions, when asked for
    assert not any(starts_with(name, "report", "cli", "studies", "comparison") for name in inside(path))


@pytest.mark.parametrize("path", under("vb"), ids=ids)
def test_variational_bayes_is_below_the_evidence(path):
    assert not outside(path) & HEAVY
    assert not any(starts_with(name, "evidence", "bayes", "report", "cli", "studies") for name in inside(path))


@pytest.mark.parametrize("path", under("selection"), ids=ids)
def test_a_choice_samples_only_when_asked(path):
    """`compare_models` imports the sampler inside a function, and ArviZ is one module's, inside a function too."""
    allowed = {"bayes.sampling.sample_problem"} if path.name == "models.py" else set()
    assert {name for name in inside(path) if starts_with(name, "bayes")} <= allowed
    assert not outside(path) & (HEAVY - ({"arviz"} if path.name == "loo.py" else set()))
    eager = imports(SOURCES[path].read_text(), module_of(SOURCES[path]), path.name == "__init__.py", lazy=False)
    assert not any(name.split(".")[0] in HEAVY or name.startswith("emvsbayes.bayes") for name in eager)


@pytest.mark.parametrize("path", under("sources"), ids=ids)
def test_sources_bring_rows_and_know_no_model(path):
    assert all(starts_with(name, "core", "tables", "sources") for name in inside(path)), inside(path)
    assert not outside(path) & (HEAVY | {"pandas", "sklearn"})
    eager = imports(SOURCES[path].read_text(), module_of(SOURCES[path]), path.name == "__init__.py", lazy=False)
    assert not {name.split(".")[0] for name in eager} & {"pyarrow", "dask", "distributed"}


DASK = {"dask", "distributed", "cloudpickle"}


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_only_the_workers_know_dask(path):
    if path.parts[0] != "workers":
        assert not outside(path) & DASK
        return
    assert not outside(path) & (HEAVY | {"pandas", "sklearn"})
    allowed = {"studies.runner.run_study", "workers.studies.run_here"} if path.name == "studies.py" else set()
    known = ("", "core", "sources", "workers", "__version__")  # "" is the package itself, asked for its version
    assert all(starts_with(name, *known) for name in inside(path) - allowed), inside(path)
    eager = imports(SOURCES[path].read_text(), module_of(SOURCES[path]), path.name == "__init__.py", lazy=False)
    assert not {name.split(".")[0] for name in eager} & DASK
    if path.name == "collections.py":  # asked of everything that fit is given
        assert outside(path) <= {"emvsbayes", "numpy"} | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", under("calibration"), ids=ids)
def test_the_calibration_samples_through_the_bayesian_side_and_draws_nothing(path):
    assert not outside(path) & (DRAWING | SAMPLERS)
    assert not any(starts_with(name, "report", "cli", "studies", "comparison") for name in inside(path))
    if path.name in ("record.py", "coverage_record.py"):  # read by the report
        assert {name.split(".")[0] for name in inside(path)} <= {"core"}
    at_the_top = imports(SOURCES[path].read_text(), module_of(SOURCES[path]), path.name == "__init__.py", lazy=False)
    assert not {name.split(".")[0] for name in at_the_top} & HEAVY


@pytest.mark.parametrize("path", under("posterior"), ids=ids)
def test_questions_to_a_posterior_need_no_sampler_and_no_drawing(path):
    assert not outside(path) & (SAMPLERS | DRAWING)
    assert not any(starts_with(name, "report", "cli", "studies", "comparison", "bayes") for name in inside(path))
    if path.name == "record.py":
        assert not inside(path)
        assert outside(path) <= {"__future__", "dataclasses", "typing"}
    heavy = {
        name.split(".")[0] for name in imports(SOURCES[path].read_text(), module_of(SOURCES[path]), False, lazy=False)
    }
    assert not heavy & HEAVY  # ArviZ and xarray inside functions
    if path.name not in ("weakening.py", "__init__.py"):  # spikes are those of one family
        assert {name for name in inside(path) if starts_with(name, "families")} <= {"families.FAMILIES"}


KNOW_TREES = {  # families, xarray, ArviZ's R-hat
    *("__init__.py", "trees.py", "permuting.py", "towards_fit.py", "diagnosis_trees.py", "convergence.py", "files.py"),
}


def test_relabelling_takes_arrays():
    for path in under("relabelling"):
        assert not outside(path) & (SAMPLERS | DRAWING), path
        assert not any(starts_with(name, "bayes", "comparison", "report", "studies", "cli") for name in inside(path)), (
            path
        )
        if path.name not in KNOW_TREES:  # the others: arrays in, permutations out
            assert not outside(path) & HEAVY, path
            assert all(starts_with(name, "relabelling", "core") for name in inside(path)), path


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_nothing_below_imports_the_command_line(path):
    if path.parts[0] == "cli" or path.name == "__main__.py":
        return
    assert not any(starts_with(name, "cli") for name in inside(path))


@pytest.mark.parametrize(
    "path",
    [Path(f"{name}.py") for name in ("tables", "problem", "fitting", "fits", "checkpoints", "checkpoint_file")],
    ids=ids,
)
def test_the_way_in_is_light(path):
    assert not outside(path) & (HEAVY | {"pandas", "sklearn"})
    assert not any(starts_with(name, "bayes", "comparison", "report", "studies", "cli") for name in inside(path))


LOADED = "import sys; {code}; print(' '.join(sorted(sys.modules)))"


def loaded_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOADED.format(code=code)], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_after("import emvsbayes; dir(emvsbayes)")
    assert "emvsbayes" in loaded
    assert not loaded & (HEAVY | {"numpy", "scipy", "pandas", "sklearn", "jinja2", "click", "rich", "numba"})


def test_fitting_loads_no_sampler_and_no_drawing():
    fit = "import emvsbayes as eb; eb.fit('coins', {'heads': [5, 9, 8], 'tosses': [10, 10, 10]}, n_components=2)"
    loaded = loaded_after(fit)
    assert "scipy" in loaded
    assert not loaded & (HEAVY | {"pandas", "sklearn", "pyarrow"})


def test_public_names_are_what_they_say():
    for name in emvsbayes.__all__:
        assert getattr(emvsbayes, name) is not None
        assert name in dir(emvsbayes)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        emvsbayes.nothing_of_the_kind  # noqa: B018


def test_relabelling_arrays_loads_neither_xarray_nor_a_sampler():
    code = "from emvsbayes.relabelling import relabel_draws; relabel_draws({'m': [[1.0, 2.0]]}, method='constraint')"
    assert not loaded_after(code) & (HEAVY | {"pandas", "sklearn"})
