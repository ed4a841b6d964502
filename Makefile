# Every verb of the project; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PYTHON_BIN := $(VENV)/bin/python
export OMP_NUM_THREADS ?= 1
PYTEST := $(PYTHON_BIN) -m pytest
ENGINE_FREE := not engine and not e2e and not chaos

.PHONY: audit sbom kubernetes-servers test-kubernetes help setup models run stop test test-fast test-engine test-e2e test-chaos lint format types protos docs services services-stop voices sandbox bench-voice bench bench-peers bench-engines bench-tuning test-tuning clean prometheus

help: ## List the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: ## Make the environment in .venv (seconds when nothing changed)
	@scripts/setup.sh

models: setup ## Expand the demo model and write the bench models into .models
	@$(PYTHON_BIN) -m models.demo.expand
	@$(PYTHON_BIN) -m models.bench.make

run: models ## Start the demo cluster and say how to talk to it; Ctrl-C ends it
	@exec $(VENV)/bin/ossature serve

stop: ## Stop the cluster that `make run` or `ossature serve --detach` started
	@$(VENV)/bin/ossature stop

test: ## Everything that gates a change: lint, types, all unit, integration and end-to-end tests
	@scripts/test.sh all

test-fast: ## Lint, types and the quick unit tests: no engine, no Ray cluster, nothing that loads vLLM
	@scripts/test.sh fast

test-engine: models ## The tests that start a vLLM engine of their own
	$(PYTEST) -m engine

test-tuning: setup ## The tests that train tiny models (installs the extra `tuning`; twenty minutes of one core)
	@scripts/setup.sh --tuning
	$(PYTEST) -m tuning

test-kubernetes: setup ## Install the chart on API servers of Kubernetes that are built for it (ten minutes of two cores, once)
	@scripts/setup.sh --compat
	@$(PYTHON_BIN) scripts/kubernetes_servers.py
	$(PYTEST) -m kubernetes

kubernetes-servers: setup ## Build those servers (from Debian's sources, into .services/kubernetes)
	@$(PYTHON_BIN) scripts/kubernetes_servers.py

audit: setup ## Licences and known vulnerabilities of the locked packages
	@scripts/setup.sh --audit --s3 --tuning
	@$(PYTHON_BIN) scripts/supply_chain licences
	@$(PYTHON_BIN) scripts/supply_chain advisories

sbom: setup ## Write the bills of materials of both images (CycloneDX, into build/sbom)
	@scripts/setup.sh --audit --s3 --tuning
	@$(PYTHON_BIN) scripts/supply_chain sbom

test-e2e: models ## The tests against a whole cluster
	@scripts/setup.sh --compat
	$(PYTEST) tests/e2e

test-chaos: setup ## Kill one part after the other of a cluster under load; figures for docs/faults.md
	$(PYTEST) tests/chaos
	@echo "figures: .bench/chaos/figures.jsonl; python -m tests.chaos.report writes them into docs/faults.md"

lint: setup ## ruff over everything, buf over the protos, drift of generated files
	@scripts/lint.sh

format: setup ## Rewrite the code in the project's format
	@$(VENV)/bin/ruff check --fix -q . && $(VENV)/bin/ruff format .

types: setup ## Strict type check
	@$(VENV)/bin/mypy

protos: setup ## Generate the gRPC code from protos/
	@$(PYTHON_BIN) scripts/generate_protos.py

docs: setup ## Regenerate the reference pages
	@scripts/docs.sh

services: setup ## Install and start what tests use (PostgreSQL on loopback, Prometheus, voices, bubblewrap)
	@$(PYTHON_BIN) scripts/services.py start

voices: setup ## Install the packages of the default voices (flite, espeak-ng)
	@$(PYTHON_BIN) scripts/services.py speech

sandbox: setup ## Install what holds graders in Python (bubblewrap)
	@$(PYTHON_BIN) scripts/services.py sandbox

prometheus: setup ## Unpack what checks dashboards and alerts (Prometheus and promtool, from Debian's package)
	@$(PYTHON_BIN) scripts/services.py prometheus

services-stop: ## Stop them
	@$(PYTHON_BIN) scripts/services.py stop

bench-peers: setup ## Install the programs that `make bench` compares with, each in an environment of its own
	@$(PYTHON_BIN) -m bench.peers

bench: models ## Compare with the peers, in front of the same workers and with vLLM (30 minutes)
	-@$(PYTHON_BIN) -m bench.peers
	@$(PYTHON_BIN) -m bench.live
	@$(PYTHON_BIN) -m bench.live --engine scripted

bench-voice: models voices ## Word errors and processor time of the speech stack; voice to voice through a cluster (ten minutes)
	@$(PYTHON_BIN) -m bench.voice
	@$(PYTHON_BIN) -m bench.voice.conversation
	@$(PYTHON_BIN) -m bench.voice.sessions

bench-tuning: setup ## Tokens per second of our training job against plain TRL on the same work
	@scripts/setup.sh --tuning
	@$(PYTHON_BIN) -m bench.tuning

bench-engines: models ## Compare routing policies on real CPU engines (30 minutes)
	@$(PYTHON_BIN) -m bench.engines

clean: services-stop ## Remove environments, expanded models and run-time files
	rm -rf $(VENV) .venv-* .models .run .services .bench .mypy_cache .ruff_cache .pytest_cache
