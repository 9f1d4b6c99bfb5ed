# Two commands matter: `make demo` and `make test`. Everything happens inside .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := train,sim,speech,flash,ray,test

.PHONY: help setup demo demo-search test test-slow bench cost-table lint acceptance-digits search-figures clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(STAMP) ## create .venv with the package (editable), its extras and the test tools

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $(STAMP)

demo: setup ## from two commands to words heard by a virtual nRF52840 (about 2 minutes)
	test -d demo-kws || $(BIN)/tinyml new kws demo-kws --board nrf52840
	cd demo-kws && ../$(BIN)/tinyml deploy --to virtual

demo-search: setup ## the network itself is searched, for a budget half as large, and heard (at most 10 minutes)
	test -d demo-search || $(BIN)/tinyml new kws demo-search --board nrf52840
	cd demo-search && ../$(BIN)/tinyml search --latency 25ms --budget 6m && ../$(BIN)/tinyml deploy --to virtual

test: setup ## the whole test suite
	$(BIN)/python -m pytest

test-slow: setup ## long proofs; their last output is kept in docs/
	$(BIN)/python -m pytest tests/slow

acceptance-digits: setup ## real digits, every speaker held out in turn (resumable, at most 2 hours)
	$(BIN)/python -m tests.acceptance.digits

search-figures: setup ## what the search is worth, into docs/search.md: STEP=... for single steps (resumable, at most 8 hours)
	$(BIN)/python -m tests.acceptance.search $(STEP)

bench: setup ## the engine's figures on the networks beside the checkout, into README.md and docs/performance.md
	$(BIN)/python -m tinyml.bench

cost-table: setup ## measure every kernel on the virtual board for the estimates of cycles and code (after changes to kernels)
	$(BIN)/python -m tinyml.bench.variant_table

lint: setup ## ruff
	$(BIN)/ruff check sdk apps tests

clean: ## remove what the targets made, but not .venv
	rm -rf build dist demo-kws demo-search acceptance
