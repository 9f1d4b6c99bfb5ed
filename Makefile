# Two commands matter: `make demo` and `make test`. Everything happens inside .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := train,sim,speech,flash,test

.PHONY: help setup demo test test-slow lint acceptance-digits clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(STAMP) ## create .venv with the package (editable), its extras and the test tools

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $(STAMP)

test: setup ## the whole test suite
	$(BIN)/python -m pytest

test-slow: setup ## long proofs; their last output is kept in docs/
	$(BIN)/python -m pytest tests/slow

lint: setup
	$(BIN)/ruff check sdk apps tests
