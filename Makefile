# make demo   a CSV of prompts through a real queue to motions on disk (installs first)
# make test   the whole suite     make check   lint, types, architecture, docs
# make fuzz   N=1000 random inputs through each parser of what anybody may write (tests/fuzz)
# make bench  speed, as JSON and tables (docs/benchmarks.md)
# make dist   wheel, sdist, and a list of everything that they need (CycloneDX) in dist/
# make lock   requirements.lock again, from pyproject.toml and constraints.txt
# make audit  known vulnerabilities of the pinned versions; asks a server on the network

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# More xdist workers than there are cores, since tests of processes wait more than they compute;
# `make test WORKERS=0` runs in one process.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1) + 1)')
# Inputs a parser of `make fuzz`.
N ?= 1000
HYMO_HOME ?= $(CURDIR)/.hymo
export HYMO_HOME

# Tools of releases, in an environment of their own.
TOOLS := $(VENV)-tools/bin
TOOLS_WANTED := build==1.6.1 cyclonedx-bom==7.5.0 pip-audit==2.10.1 uv==0.13.8
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --extra postgres --extra official --extra quantised -c constraints.txt \
  --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

SOURCES := hymotion jobs worker migrations tests benchmarks

.PHONY: demo test check coverage fuzz bench docs dist lock audit clean
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

fuzz: $(VENV)/.installed-test
	env -u HYMO_HOME $(BIN)/python -m tests.fuzz $(N)

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-test
	$(BIN)/python -m jobs.cli.reference

$(VENV)-tools/.installed: Makefile
	$(PYTHON) -m venv $(VENV)-tools
	$(TOOLS)/python -m pip install --quiet --disable-pip-version-check $(TOOLS_WANTED)
	@touch $@

dist: $(VENV)-tools/.installed
	rm -rf build dist
	$(TOOLS)/python -m build
	$(TOOLS)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file "$$(ls dist/*.tar.gz | sed 's/\.tar\.gz$$/.cdx.json/')" requirements.lock
	rm -rf build

# Versions stay as they are where both files allow it; hashes are those of the registry's files.
lock: $(VENV)-tools/.installed
	$(TOOLS)/$(LOCK)

# constraints.txt has the tools of the checks and tests besides, requirements.lock what other systems need.
audit: $(VENV)-tools/.installed
	@for file in requirements.lock constraints.txt; do echo "$$file"; \
	  $(TOOLS)/pip-audit --strict --progress-spinner off --disable-pip --no-deps -r "$$file" || \
	  { echo "audit of $$file failed: vulnerabilities (above), or the network is not there"; exit 1; }; done

clean:
	rm -rf $(VENV) $(VENV)-tools .hymo build dist *.egg-info
