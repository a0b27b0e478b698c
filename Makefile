# `make` lists the targets. Set PYTHON to choose the interpreter that the environment is made from.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

suitable = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$name" -c '$(suitable)' 2>/dev/null && { echo "$$name"; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
LOWEST := .venv-lowest
# What is tried with the lowest versions: readers, counting, artifacts, metrics, and the chain.
TRIED := $(addprefix tests/,artifacts cli domains files probes vocab test_cli.py test_guide.py test_tables.py)
# Files that are checked for types; the package's own list is in pyproject.toml.
TYPED := sslkit sample_data

.PHONY: help venv demo test test-slow test-lowest lint format results trips clean clean-all

help: ## list the targets
	@grep -E '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

venv: $(READY) ## make the environment in .venv, with the tested versions of all packages

$(READY): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or later with its venv module is needed; set PYTHON" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,zstd,plot,dask,fast]'
	touch $(READY)

demo: export PATH := $(CURDIR)/$(BIN):$(PATH)
demo: $(READY) ## run the chain on the sample data, in demo/, and show the probe table
	rm -rf demo
	mkdir demo
	cp -R sample_data/corpus sample_data/labels demo/
	cd demo && sslkit build-vocab corpus/ --mem 4G
	cd demo && sslkit pretrain --domain genome --k 6 --steps $(DEMO_PRETRAIN_STEPS)
	cd demo && sslkit embed corpus/genes.fa
	cd demo && sslkit finetune --task promoter --freeze 8 --steps $(DEMO_FINETUNE_STEPS)
	cd demo && sslkit probe --task promoter

# So few steps show that all works, not what it can do: leave --steps out for that.
DEMO_PRETRAIN_STEPS ?= 30
DEMO_FINETUNE_STEPS ?= 30

lint: $(READY) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(TYPED)

format: $(READY) ## bring all files into the common style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint ## check style and types, and run the tests that take seconds
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

test-slow: $(READY) ## run the tests that take minutes
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slow --timeout 3600

test-lowest: $(LOWEST)/.ready ## test the chain with the lowest versions that pyproject.toml allows
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest $(TRIED)

$(LOWEST)/.ready: pyproject.toml tests/lowest.py
	"$(PYTHON)" -m venv $(LOWEST)
	$(LOWEST)/bin/python tests/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt \
		--editable '.[zstd,plot,dask,fast]' tokenizers pytest pytest-timeout hypothesis
	touch $(LOWEST)/.ready

results: $(READY) ## make the table of tests/benchmarks/RESULTS.md (hours; needs ../shared/data)
	$(BIN)/python tests/benchmarks/results.py

results-%: $(READY) ## make the table of one domain, tests/benchmarks/results_NAME.py, as results-NAME
	$(BIN)/python tests/benchmarks/results_$*.py

bench-%: $(READY) ## run one benchmark, tests/benchmarks/bench_NAME.py, as bench-NAME
	$(BIN)/python tests/benchmarks/bench_$*.py

trips: $(READY) ## count the files that a batch enters on its way to the loss, a label to its metric
	$(BIN)/python tests/benchmarks/trips.py

clean: ## remove what the other targets left, the environment excepted
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .sslkit
	find sslkit tests sample_data -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean ## remove the environment as well
	rm -rf .venv $(LOWEST)
