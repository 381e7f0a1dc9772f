# Everything that is built goes to build/, which git ignores.
VENV := build/venv
PYTHON ?= python3
LAB := lab/dc
RUN := $(VENV)/bin
# Of each kind, how many scenarios of faults by chance the simulation plays.
SEEDS ?= 150
# Those that may be up beside each other, the longest first.
LABS := lab-operations lab-cluster lab-sites lab-joining lab-preflight
# The tests start Python thousands of times: it keeps what it compiled, also where the environment says no.
export PYTHONDONTWRITEBYTECODE :=
KUBECTL := kubectl --kubeconfig /etc/kubernetes/admin.conf

.PHONY: help check lint types unit simulation integration lab lab-itself $(LABS)
.PHONY: browser build test bench demo demo-down docs

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --no-compile --editable .[tests]
	touch $@

check: lint types unit simulation ## Lint, types, unit and simulation tests: no root

lint: $(VENV)/ready ## Style and formatting
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

types: $(VENV)/ready ## Static types
	$(RUN)/mypy

unit: $(VENV)/ready ## Pure logic and single functions
	$(RUN)/pytest -q -rs tests/unit

simulation: $(VENV)/ready ## The real runner on a simulated fleet, killed at every event
	nice $(RUN)/pytest -q tests/simulation --seeds=$(SEEDS)

integration: $(VENV)/ready ## A real Salt master and minions on loopback
	$(RUN)/pytest -q -rs tests/integration

browser: ## Chromium, in which tests look at the page of the inventory; where it cannot be had they say so
	command -v chromium || { apt-get --quiet=2 update && \
	    apt-get --quiet=2 install --yes --no-install-recommends chromium >/dev/null; } || true

build: ## What the lab starts from and serves, as far as this machine can; the lab's tests say what it cannot
	-$(LAB) build

lab: lab-itself $(LABS) ## Real clusters on real servers: root, 2 cores, 24 GiB

lab-itself: $(VENV)/ready ## The lab's own tests
	$(RUN)/pytest -q -rs tests/lab/test_lab_itself.py

lab-cluster: $(VENV)/ready ## The life of one cluster
	$(RUN)/pytest -q -rs tests/lab/one_cluster

lab-operations: $(VENV)/ready ## The operations on one cluster
	$(RUN)/pytest -q -rs tests/lab/operations

lab-joining: $(VENV)/ready ## Servers that join by themselves
	$(RUN)/pytest -q -rs tests/lab/test_joining.py

lab-preflight: $(VENV)/ready ## Servers with every problem at once
	$(RUN)/pytest -q -rs tests/lab/test_preflight.py

lab-sites: $(VENV)/ready ## Monitoring and Consul in two datacenters
	$(RUN)/pytest -q -rs tests/lab/sites

# Two at a time: what waits leaves the other one time, and a third lab would leave none. The lab's own tests look at
# the whole machine, so no other lab is up beside them.
ifdef TOGETHER
integration lab-itself: build
$(LABS): lab-itself
endif
test: SEEDS = 700
test: browser ## All of it, also on a fresh machine; in CI nothing is left out
	$(MAKE) --jobs=2 --keep-going --output-sync TOGETHER=yes SEEDS=$(SEEDS) build lint types lab-itself simulation \
	    unit integration lab

bench: $(VENV)/ready ## What provision costs over the bare commands, an inventory over test.ping: build/bench.json
	PYTHONPATH=tests $(RUN)/python tests/bench

demo: ## Two datacenters from nothing: a real cluster in each, agents of monitoring and Consul on every server
	$(LAB) build
	$(LAB) up demo
	$(LAB) salt-run k8s.provision dc1-prod
	$(LAB) salt-run k8s.provision dc2-prod
	$(LAB) salt --timeout=300 --state-output=filter --state-verbose=False '*' state.highstate
	$(LAB) exec dc1-cp-1 -- $(KUBECTL) get nodes -o wide
	$(LAB) exec dc2-cp-1 -- $(KUBECTL) get nodes -o wide
	@printf '\nNow try:\n'
	@printf '  %s\n' \
	    '$(LAB) salt-run k8s.status' \
	    '$(LAB) salt-run k8s.inventory' \
	    '$(LAB) salt-run k8s.verify dc1-prod' \
	    '$(LAB) kill dc1-cp-1    # then: $(LAB) salt-run k8s.status dc1-prod' \
	    '$(LAB) exec dc1-cp-2 -- $(KUBECTL) get pods -A' \
	    'make demo-down'

demo-down: ## Leave the machine as it was, but for Debian packages and the build cache
	$(LAB) down

docs: $(VENV)/ready ## Write the generated pages
	PYTHONPATH=_utils $(RUN)/python -m k8s_lifecycle.model.reference > docs/spec-reference.md
	PYTHONPATH=_utils $(RUN)/python -m k8s_lifecycle.model.datacenter_reference > docs/datacenter-reference.md
