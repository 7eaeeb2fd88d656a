# The project's commands. `make demo` and `make test` do all their set-up on a machine with Python >= 3.11, git and make.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# `make demo` removes this folder first, so that nobody's own can be named instead.
override DEMO := build/demo

.PHONY: setup demo test check format lock bench bench-modelling bench-confidence bench-detectors bench-monitoring clean

setup: .venv/installed

# Everything comes from the lock, by hash, into a new environment; again only when the lock has changed.
# Nothing is resolved again: older pips look up a package with extras anew, and stop at a release newer than the lock.
.venv/locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python >= 3.11 found"; echo "hint: install one, or name it: make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv --clear .venv
	$(PIP) --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

# The tests try the heavy extras too.
.venv/extras: .venv/installed requirements-extras.lock
	$(PIP) --no-deps --require-hashes -r requirements-extras.lock
	$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

.venv/installed: .venv/locked pyproject.toml
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup
	@rm -rf $(DEMO)
	@mkdir -p $(dir $(DEMO))
	$(BIN)/churnflow demo $(DEMO)

# A file of tests stays in one process, for it shares what it sets up.
TEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile
test: .venv/extras
	$(TEST) $(PYTEST_OPTIONS)

check: .venv/extras
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(TEST)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Pins every version with its hashes for Python 3.11 and later; needs `uv` on the PATH. What only the heavy extras need
# is pinned apart, so that a demo does not wait for it.
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-annotate --no-header
lock:
	@mkdir -p build
	$(COMPILE) --extra dev --upgrade -o requirements.lock
	$(COMPILE) --extra dev --extra catboost --extra dask -c requirements.lock -o build/all.lock
	awk 'NR == FNR { if ($$1 ~ /==/) base[$$1]; next } $$1 ~ /==/ { new = !($$1 in base) } new' \
		requirements.lock build/all.lock > requirements-extras.lock

bench: .venv/extras
	$(BIN)/python benchmarks/run.py

bench-modelling: .venv/extras
	$(BIN)/python benchmarks/modelling.py

bench-confidence: .venv/extras
	$(BIN)/python benchmarks/confidence.py

bench-detectors: .venv/extras
	$(BIN)/python benchmarks/detectors.py

bench-monitoring: .venv/extras
	$(BIN)/python benchmarks/monitoring.py

clean:
	rm -rf .venv build
