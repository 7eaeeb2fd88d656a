# The project's commands. `make demo` and `make test` do all their set-up on a machine with Python >= 3.11, git and make.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# `make demo` removes this folder first, so that nobody's own can be named instead.
override DEMO := build/demo

.PHONY: setup demo test check format lock bench clean

setup: .venv/installed

# Everything comes from the lock, by hash, into a new environment; again only when the lock has changed.
# Nothing is resolved again: older pips look up a package with extras anew, and stop at a release newer than the lock.
.venv/locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python >= 3.11 found"; echo "hint: install one, or name it: make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv --clear .venv
	$(PIP) --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

.venv/installed: .venv/locked pyproject.toml
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup
	@rm -rf $(DEMO)
	@mkdir -p $(dir $(DEMO))
	$(BIN)/churnflow demo $(DEMO)

test: setup
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Pins every version with its hashes for Python 3.11 and later; needs `uv` on the PATH.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-annotate --no-header --upgrade -o requirements.lock

bench: setup
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf .venv build
