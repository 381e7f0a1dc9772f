# Everything that is built goes to build/, which git ignores.
VENV := build/venv
PYTHON ?= python3
LAB := lab/dc
RUN := $(VENV)/bin
SOURCES := _modules _states _runners _pillar _engines _output _utils lab/datacenter lab/site_build tests

.PHONY: help check lint types unit simulation integration lab test demo demo-down bench docs clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --editable .[tests]
	touch $@

check: lint types unit simulation ## Lint, types, unit and simulation tests: no root, under two minutes

lint: $(VENV)/ready ## Style and formatting
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

types: $(VENV)/ready ## Static types
	$(RUN)/mypy

unit: $(VENV)/ready ## Pure logic and single functions
	$(RUN)/pytest -q tests/unit

simulation: $(VENV)/ready ## The real runner on a simulated fleet, killed at every event
	$(RUN)/pytest -q tests/simulation

integration: $(VENV)/ready ## A real Salt master and minions on loopback
	$(RUN)/pytest -q tests/integration

lab: $(VENV)/ready ## Real clusters on real servers: root, 2 cores, 24 GiB
	$(LAB) build
	$(RUN)/pytest -q tests/lab

test: ## All of it, also on a fresh machine
	$(PYTHON) tests/run.py

demo: ## Two datacenters from nothing, with a real cluster in each
	lab/demo up

demo-down: ## Leave the machine as it was, but for Debian packages and the build cache
	lab/demo down

bench: $(VENV)/ready ## Measure; writes build/bench.json
	$(RUN)/python -m bench

docs: $(VENV)/ready ## Write the generated pages
	PYTHONPATH=_utils $(RUN)/python -m k8s_lifecycle.model.reference > docs/spec-reference.md
