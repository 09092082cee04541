# What a person types. Everything runs in .venv, which is made from pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed-to-run
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
# The tests start hundreds of interpreters: what they have compiled is to be kept.
unexport PYTHONDONTWRITEBYTECODE
CLIENTS := $(shell sed -n 's/==/-/p' journey_pipeline_tests/clients/versions.txt)

.PHONY: help venv install clients demo dev test test-fast crash properties soak pictures lint types check docs bench clean

help:            ## Show what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

venv: $(RUN)     ## Make the virtual environment, with what running needs

install: $(STAMP)  ## Make it with the tools that tests and checks need, too

# pip says what it gets: the first time takes a minute or two.
$(RUN): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11 to 3.13 is needed; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what running needs into $(VENV) ..."
	@$(PIP) -e .
	@touch $@

$(STAMP): pyproject.toml constraints.txt | $(RUN)
	@echo "Installing the tools of development into $(VENV) ..."
	@$(PIP) -e '.[dev]'
	@touch $@

clients: $(CLIENTS:%=$(VENV)/clients/%)  ## Install the programs of others that are tested to read our files

# Of a program of others little is imported: only that is compiled, when it is.
$(VENV)/clients/%: | $(STAMP)
	@echo "Installing $* ..."
	@rm -rf $@.part
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --no-warn-conflicts \
		-c journey_pipeline_tests/clients/constraints.txt --target $@.part "$$(echo '$*' | sed -E 's/-([^-]+)$$/==\1/')"
	@mv $@.part $@

demo: $(RUN)     ## Load a day of simulated history and show what comes of it
	@$(BIN)/journey-pipeline demo $(DEMO_ARGS)

dev: $(RUN)      ## Sandbox, webserver and daemon together on 127.0.0.1; something to look at at once: make dev DEV_ARGS=--hurry
	@$(BIN)/journey-pipeline dev $(DEV_ARGS)

# Tests wait too, for processes, files and answers: three workers keep two cores busy.
test: $(STAMP)   ## Run the whole test suite
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(PYTEST_ARGS)

test-fast: $(STAMP)  ## Run what is not slow: no crashes, terminals or other projects, few warehouses, and not each fault of each vendor
	@EXAMPLES=.2 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(PYTEST_ARGS)

crash: $(STAMP)  ## Kill backfills, receivers, daemons and writers at random instants: as often as make crash N=500 says, or again as SEED=123 did
	@CRASH_SEEDS=$(N) CRASH_SEED=$(SEED) $(BIN)/python -m pytest -n 2 --dist worksteal journey_pipeline_tests/crash \
		journey_pipeline_tests/warehouse/test_warehouse_crash.py $(PYTEST_ARGS)

properties: $(STAMP)  ## Try the warehouse's and the exports' properties on N times as many examples: make properties N=20
	@EXAMPLES=$(N) $(BIN)/python -m pytest -n 2 --timeout 0 \
		journey_pipeline_tests/property journey_pipeline_tests/exports/test_export_model.py \
		journey_pipeline_tests/normalize/test_normalize_properties.py $(PYTEST_ARGS)

soak: $(STAMP)   ## Let six hours of dev pass in half an hour, and count what goes red; other hours: make soak HOURS=24
	@$(BIN)/python -m journey_pipeline_tests.soak --hours $(or $(HOURS),6)

pictures: $(STAMP)  ## Make the pictures of docs/pictures anew, in Chromium; some of them: make pictures NAMES='assets order'
	@$(BIN)/python -m journey_pipeline_tests.pictures $(NAMES)

lint: $(STAMP)   ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)  ## Check types
	@$(BIN)/mypy

check: lint types test  ## All three

docs: $(STAMP)   ## Build the site of docs/ into build/site
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/site
	@echo "Open build/site/index.html"

bench: $(STAMP)  ## Measure the pipeline beside a floor and peers: an hour, on a machine that does nothing else
	@$(PIP) --quiet -e '.[bench]'
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

clean:           ## Remove the virtual environment and caches; data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
