# make demo   a CSV of prompts through a real queue to motions on disk (installs first)
# make test   the whole suite     make check   lint, types, architecture, docs
# make bench  speed, as JSON and tables (docs/benchmarks.md)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# One xdist worker more than there are cores, since tests of processes wait more than they compute;
# `make test WORKERS=0` runs in one process.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
HYMO_HOME ?= $(CURDIR)/.hymo
export HYMO_HOME

SOURCES := hymotion jobs worker migrations tests benchmarks

.PHONY: demo test check coverage bench docs clean
.DEFAULT_GOAL := demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "HyMo needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing (PyTorch is large; a minute or two)"
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing with the test extra (PyTorch is large; a minute or two)"
	$(PIP) -e '.[test]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/hymo run examples/prompts.csv

test: $(VENV)/.installed-test
	env -u HYMO_HOME -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m jobs.cli.reference --check

coverage: $(VENV)/.installed-test
	env -u HYMO_HOME -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q \
	  --cov --cov-report=term-missing:skip-covered

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-test
	$(BIN)/python -m jobs.cli.reference

clean:
	rm -rf $(VENV) .hymo build *.egg-info
