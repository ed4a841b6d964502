# Every verb of the project; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PYTHON_BIN := $(VENV)/bin/python
export OMP_NUM_THREADS ?= 1
PYTEST := $(PYTHON_BIN) -m pytest
ENGINE_FREE := not engine and not e2e and not chaos

.PHONY: help setup models run stop test test-fast test-engine test-e2e lint format types protos docs services services-stop voices bench-voice bench bench-peers bench-engines clean

help: ## List the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## Make the environment in .venv (seconds when nothing changed)
	@scripts/setup.sh

models: setup ## Expand the demo model and write the bench models into .models
	@$(PYTHON_BIN) -m models.demo.expand
	@$(PYTHON_BIN) -m models.bench.make

run: models ## Start the demo cluster and say how to talk to it; Ctrl-C ends it
	@exec $(VENV)/bin/ossature serve

stop: ## Stop the cluster that `make run` or `ossature serve --detach` started
	@$(VENV)/bin/ossature stop

test: ## Everything that gates a change: lint, types, unit, integration and end-to-end tests
	@scripts/test.sh all

test-fast: ## Lint, types and the tests that need no engine (six minutes on two cores)
	@scripts/test.sh fast

test-engine: models ## The tests that start a vLLM engine of their own
	$(PYTEST) -m engine

test-e2e: models ## The tests against a whole cluster
	@scripts/setup.sh --compat
	$(PYTEST) -m "e2e or chaos"

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

services: setup ## Install and start what tests use (PostgreSQL on loopback, voices)
	@$(PYTHON_BIN) scripts/services.py start

voices: setup ## Install the packages of the default voices (flite, espeak-ng)
	@$(PYTHON_BIN) scripts/services.py speech

services-stop: ## Stop them
	@$(PYTHON_BIN) scripts/services.py stop

bench-peers: setup ## Install the programs that `make bench` compares with, each in an environment of its own
	@$(PYTHON_BIN) -m bench.peers

bench: models ## Compare with the peers, in front of the same workers and with vLLM (30 minutes)
	-@$(PYTHON_BIN) -m bench.peers
	@$(PYTHON_BIN) -m bench.live
	@$(PYTHON_BIN) -m bench.live --engine scripted

bench-voice: setup ## Word errors, latency and processor time of the default speech stack (two minutes)
	@$(PYTHON_BIN) -m bench.voice

bench-engines: models ## Compare routing policies on real CPU engines (30 minutes)
	@$(PYTHON_BIN) -m bench.engines

clean: services-stop ## Remove environments, expanded models and run-time files
	rm -rf $(VENV) .venv-* .models .run .services .bench .mypy_cache .ruff_cache .pytest_cache
