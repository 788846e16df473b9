# Everything a person does with this repository. `make` alone lists it.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input

.DEFAULT_GOAL := help
.PHONY: help install demo dev sandbox test test-fast chaos check bench bench-quick format lock audit licences screenshots clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/installed ## Make .venv with the command integration-pipeline in it

# A virtual environment's files cannot move, so a copied or half-made one is made anew.
$(VENV)/installed: requirements.lock pyproject.toml
	@./.ci/python -m venv --clear $(VENV)
	@echo "Installing what requirements.lock names …"
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	@echo "Installing what requirements-dev.lock names …"
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

demo: $(VENV)/installed ## Run a whole morning on the sandbox and the embedded PostgreSQL
	@$(BIN)/integration-pipeline demo

dev: $(VENV)/installed ## Open the Dagster UI (with the demo's tenants while there are no others)
	@$(BIN)/integration-pipeline dev

sandbox: $(VENV)/installed ## Run the imitation of the three providers alone
	@$(BIN)/integration-pipeline sandbox

test: $(VENV)/installed-dev ## Run every test
	@$(BIN)/python -m pytest -q -n auto

test-fast: $(VENV)/installed-dev ## Run every test but Dagster's
	@$(BIN)/python -m pytest -q -n auto --ignore=integration_pipeline_tests/defs

chaos: $(VENV)/installed-dev ## Let everything go wrong, at every moment (SEED=1, ONLY="text in a case's name")
	@$(BIN)/python -m integration_pipeline_tests.chaos --seed $(or $(SEED),1) --only "$(ONLY)"

check: $(VENV)/installed-dev ## Lint, types, layers, SQL
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/sqlfluff lint --quiet sql

bench: $(VENV)/installed-dev ## Measure nights beside their floor and beside others (BENCH="--cases nights --users 10000")
	@$(BIN)/python -m integration_pipeline_tests.bench $(BENCH)

bench-quick: $(VENV)/installed-dev ## The same in under three minutes: small sizes, without dlt and Dagster's runs
	@$(BIN)/python -m integration_pipeline_tests.bench --quick $(BENCH)

format: $(VENV)/installed-dev ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: ## Resolve the dependencies anew (needs uv on the PATH)
	@uv pip compile pyproject.toml --group build $(LOCK) --output-file requirements.lock
	@uv pip compile pyproject.toml --group dev --constraints requirements.lock $(LOCK) --output-file requirements-dev.lock

# Hashes and no addresses: the lock says what is installed, the machine says where from.
LOCK := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet

# An environment of its own, so that what judges the lock is no part of it.
AUDIT := .venv-audit

$(AUDIT)/installed:
	@./.ci/python -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/python -m pip --disable-pip-version-check --quiet --no-input install "pip-audit>=2.9,<3"
	@touch $@

audit: $(AUDIT)/installed ## Ask the advisory service about every locked package (fails where it does not answer)
	@$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements.lock --requirement requirements-dev.lock

licences: $(VENV)/installed ## List the licences of the packages it runs on
	@$(BIN)/python .ci/licences.py

screenshots: $(VENV)/installed ## Take the pictures in docs/images anew (needs chromium on the PATH)
	@$(BIN)/python docs/screenshots.py

clean: ## Remove the virtual environment and the embedded database
	@rm -rf $(VENV) $(AUDIT) .integration-pipeline
