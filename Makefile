# A clone, make and a Python >= 3.12 are enough: every target below works alone on a fresh clone.

VENV = .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT = reports
ARGS =

.PHONY: help report gallery sbc coverage bench test test-all lint clean
.NOTPARALLEL:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

report: $(VENV)/.installed-run ## the main job: Old Faithful, EM beside PyMC, to reports/old-faithful/index.html
	@$(BIN)/emvsbayes run old-faithful --out $(OUT)

gallery: $(VENV)/.installed-run ## every study and the gallery page, to reports/
	@$(BIN)/emvsbayes run --all --out $(OUT)

sbc: $(VENV)/.installed-run ## simulation-based calibration of posterior draws, to reports/sbc/ (ten minutes; goes on)
	@$(BIN)/emvsbayes sbc --out $(OUT)/sbc $(ARGS)

coverage: $(VENV)/.installed-run ## how often intervals hold the truth, to reports/coverage/ (ten minutes; goes on)
	@$(BIN)/emvsbayes coverage --out $(OUT)/coverage $(ARGS)

bench: $(VENV)/.installed-bench ## speed beside other packages, to reports/benchmarks/ (a quarter of an hour; ARGS=--quick)
	@PYTHONPATH=tests/benchmarks $(BIN)/python -m bench --out $(OUT) $(ARGS)

test: $(VENV)/.installed-test ## the tests that run no sampler (more pytest options: ARGS="-k coins -x")
	$(BIN)/python -m pytest -m "not sampling" -n auto --dist loadfile $(ARGS)

test-all: $(VENV)/.installed-test ## all tests, the samplers' too
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed-test ## ruff (rules and format) and pyright, all three even if one complains
	@export PYRIGHT_PYTHON_IGNORE_WARNINGS=1; failed=0; \
	for tool in "ruff check ." "ruff format --check ." "pyright --pythonpath $(BIN)/python"; \
	do echo "$$tool"; $(BIN)/$$tool || failed=1; done; exit $$failed

clean: ## remove the environment and everything built, not the reports
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find emvsbayes tests -name __pycache__ -prune -exec rm -rf {} +

# Stamps: one says that the package is installed, the others that an extra is too. A peer of the benchmark that cannot be
# installed is left out, and the page says so.

$(VENV)/.installed-run: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing, about a minute"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing with the tools for tests, about a minute"
	@$(INSTALL) --editable '.[test]'
	@touch $(VENV)/.installed-run $@

$(VENV)/.installed-bench: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing with the peers of the benchmark, about a minute"
	@$(INSTALL) --editable '.[bench]' || { $(INSTALL) --editable . && \
	  for peer in scikit-learn mixle stepmix; do $(INSTALL) $$peer || echo "$$peer cannot be installed here"; done; }
	@touch $(VENV)/.installed-run $@

$(BIN)/python:
	@rm -rf $(VENV)
	@python=$$(eval "$$FIND_PYTHON") && echo "creating $(VENV) with $$python" && "$$python" -m venv $(VENV)

# Prints the path of the first Python that is new enough (not too new: PyMC 6.4 refuses 3.15) and can make environments,
# or one sentence that says what to install. Every candidate is run, for a pyenv shim exists even where its version does
# not.
define FIND_PYTHON
check='import sys; (3, 12) <= sys.version_info[:2] <= (3, 14) or sys.exit(1); print(sys.executable); import ensurepip, venv'
from_uv() { "$$(uv python find '>=3.12,<3.15' || { uv python install 3.12 && uv python find 3.12; })" "$$@"; }
bare=
for candidate in $$PYTHON python3 \
  'env PYENV_VERSION=3.14 python3.14' 'env PYENV_VERSION=3.13 python3.13' 'env PYENV_VERSION=3.12 python3.12' \
  'env PYENV_VERSION=system python3' from_uv
do
  found=$$($$candidate -c "$$check" 2>/dev/null) && echo "$$found" && exit
  bare=$${bare:-$$found}
done
if [ "$$bare" ]
then echo "$$bare cannot make environments: install its venv module (on Debian and Ubuntu: apt install python3-venv)." >&2
else echo "emvsbayes needs Python >= 3.12 (3.12, 3.13 or 3.14) and found none: install one, or uv, which brings it, and run make again." >&2
fi
exit 1
endef
export FIND_PYTHON
