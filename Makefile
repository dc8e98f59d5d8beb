# Needs git, make and Python 3.11 or newer; everything else is made in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint unit e2e e2e-tools clean

run: $(VENV)/.installed
	$(BIN)/registry-admission serve --log-format text $(ARGS)

test: lint unit

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.installed
	$(BIN)/pytest tests/unit tests/api -n auto

# A real kube-apiserver and etcd: built with Go, kept outside the tree, or KUBEBUILDER_ASSETS.
e2e: $(VENV)/.installed e2e-tools
	$(BIN)/pytest tests/e2e

e2e-tools:
	tests/e2e/tools/build

$(VENV)/.installed: requirements-dev.lock pyproject.toml app/version.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
