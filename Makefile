# Every target makes its own environment: a clean Debian or Ubuntu with Python 3.11+ needs nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cat requirements-dev.lock | sha256sum | cut -c1-12)
# Three on two cores: much of a test is waiting for a server.
JOBS   ?= 3

.PHONY: setup demo test long check bench soak lock system-packages clean

setup: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml .ci/make-venv
	@.ci/make-venv $(PYTHON) $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: setup
	@$(BIN)/idac demo

system-packages:
	@.ci/system-packages

test: setup system-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/test quick -n $(JOBS)

# What is killed at every call, tried against every path, or shown as a whole demo.
long: setup system-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/test long -n $(JOBS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_architecture.py

bench: setup system-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.bench

soak: setup system-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -q -s -m soak tests

# Re-resolve the locked dependencies. Hashes are written; no package index is named.
lock: setup
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --extra dev-server pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --extra dev-server --extra test pyproject.toml requirements-build.in -o requirements-dev.lock

clean:
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache
