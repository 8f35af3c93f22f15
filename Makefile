# Every target sets up what it needs; a second run finds it done. See README.md.
ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
PYTHON ?= $(shell $(ROOT)docs/tools/find-python)
VENV := $(ROOT).venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# Test processes; each test file runs within one of them.
WORKERS ?= 2

.PHONY: demo test check bench campaign docs clean setup
.DEFAULT_GOAL := demo

setup: $(STAMP)

$(STAMP): $(ROOT)pyproject.toml $(ROOT)constraints.txt
	@$(ROOT)docs/tools/check-build-tools
	@test -n "$(PYTHON)" || { echo "muniment: Python 3.11 or 3.12 is needed; install it or run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	cd $(ROOT) && $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@# trio-typing, which libp2p needs, also brings old stubs that hide trio's own types.
	@rm -rf $(VENV)/lib/python3*/site-packages/trio-stubs
	@touch $@

demo: $(STAMP)
	$(BIN)/muniment demo $(ARGS)

test: $(STAMP)
	cd $(ROOT) && $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not campaign" $(ARGS)

campaign: $(STAMP)
	cd $(ROOT) && $(BIN)/python -m pytest -m campaign $(ARGS)

check: $(STAMP)
	cd $(ROOT) && $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(STAMP)
	cd $(ROOT) && $(BIN)/python -m bench $(ARGS)

docs: $(STAMP)
	cd $(ROOT) && $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	cd $(ROOT) && $(BIN)/python docs/tools/manual.py $(ARGS)

clean:
	rm -rf $(VENV) $(ROOT).mypy_cache $(ROOT).ruff_cache $(ROOT).pytest_cache $(ROOT).hypothesis $(ROOT).import_linter_cache
	find $(ROOT) -name __pycache__ -type d -prune -exec rm -rf {} +
