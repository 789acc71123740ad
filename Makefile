# The two commands to begin with: make demo, make test. Everything else is for whoever changes the code.

PYTHON ?= python3
BIN := .venv/bin
# One more than there are processors: tests wait for other processes, and for moments.
WORKERS := $(shell expr $$(nproc) + 1)
unexport PYTHONDONTWRITEBYTECODE
# pytest rewrites each file of tests before it runs it: written down once, instead of by each process of each suite.
FAST := $(BIN)/python -m pytest -m "not slow and not exhaustive" -n $(WORKERS) --dist loadfile
marked = $(sort $(shell grep -rl "mark\.$(1)" tests --include="test_*.py"))
SLOW = $(BIN)/python -m pytest -m slow -rs -n $(WORKERS) --dist loadfile $(call marked,slow)
DEATHS ?= exhaustive
KILL = $(BIN)/python -m pytest -m "$(DEATHS)" -n $(WORKERS) $(filter-out $(TAKEN_AWAY),$(call marked,exhaustive))
TAKEN_AWAY := tests/boundaries/test_breaches.py tests/interop/test_interop_escrow_mutants.py

.PHONY: help ready tools demo test test-all test-kill test-breaches check docs bench

help:
	@echo "make demo       a study through one hub and three hospitals on this machine"
	@echo "make test       the fast tests"
	@echo "make test-all   the same, then the slow ones, then test-kill"
	@echo "make tools      what the slow tests start, from Debian's packages: a browser, PostgreSQL, Orthanc, Slurm, npm"
	@echo "make test-kill  hub, node and sandbox killed at every recorded step of a study: a quarter of an hour"
	@echo "make test-breaches  each protection of docs/boundaries.md and of the escrow taken away, and a test has to notice: takes the longest"
	@echo "make check      style, types, layers, shape, generated pages"
	@echo "make docs       write the generated pages again"
	@echo "make bench      every figure; NAME=round_small for one"

# Compiled once: a sandbox sees the source read-only, and every process that a slow test starts would compile it again.
ready:
	@$(PYTHON) bootstrap.py
	@$(BIN)/python -m compileall -q src

tools:
	@$(PYTHON) bootstrap.py tools

demo: ready
	@$(BIN)/rapha demo

test: ready
	$(FAST)

test-all: test
	$(SLOW)
	$(KILL)

test-kill: ready
	$(KILL)

test-breaches: ready
	$(BIN)/python -m pytest -m exhaustive -n $(WORKERS) $(TAKEN_AWAY)

check: ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python checks/shape.py
	$(BIN)/python checks/pages.py --check

docs: ready
	$(BIN)/python checks/pages.py

bench: ready
	@$(BIN)/python bench/run.py $(NAME)
