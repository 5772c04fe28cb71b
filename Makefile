# `make demo` runs the main job, `make test` the tests. Both make what they need first.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin

.PHONY: help demo test lint engines benchmarks clean

help:
	@echo "make demo        a V0-era GRPO project: check, rewrite, audit on real engines (leaves demo-out/)"
	@echo "make test        all tests, real V0/V1 audit included"
	@echo "make lint        ruff and mypy"
	@echo "make engines     install the two engines (V0 and V1), nothing else"
	@echo "make benchmarks  print the figures that need no engine and no download"
	@echo "make clean       remove $(VENV) and demo-out (engines: vllm-migrate engines remove)"

$(BIN)/.ready: pyproject.toml
	@echo "Making $(VENV): about 60 packages, 200 MB to download, a minute."
	@$(PYTHON) -m venv $(VENV) || { echo "error: $(PYTHON) can't make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

engines: $(BIN)/.ready
	@$(BIN)/vllm-migrate engines install v0 v1

demo: engines
	@$(BIN)/python fixtures/demo.py

test: engines
	@$(BIN)/python -m pytest

lint: $(BIN)/.ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

benchmarks: $(BIN)/.ready
	@for script in check_speed metrics_speed reward_overhead; do echo "== $$script"; $(BIN)/python benchmarks/$$script.py || exit 1; done

clean:
	rm -rf $(VENV) demo-out
