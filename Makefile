.DEFAULT_GOAL := help
.PHONY: help demo serve test test-all check lint fmt generate verify compat bench soak diagram server-environment \
	dev-environment fuzz-environment generate-environment

# Two targets may want the same environment at once.
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: server-environment ## See it work: a server, webhooks and a watcher (ONCE=1: end after one round)
	@.venv/bin/msgstate demo $(if $(filter 1,$(ONCE)),--once)

serve: server-environment ## Run the server with its default settings
	@.venv/bin/msgstate serve

test: dev-environment ## Run the tests, without the slow ones
	@.venv/bin/python -m pytest -n 3 --dist loadgroup -m "not slow"

test-all: dev-environment ## Run every test, with a second PostgreSQL and the client's oldest and newest libraries too
	@.venv/bin/python -m pytest -n 3 --dist loadgroup
	@MSGSTATE_TEST_POSTGRES_BIN=wheel .venv/bin/python -m pytest -n 2 --dist loadgroup -k "not sqlite" tests/postgres \
		tests/contract tests/unit/store tests/acceptance/test_replicas.py tests/acceptance/test_failover.py
	@sh scripts/compat.sh

check: lint verify ## Everything but the tests: format, lint, types, layers, generated files

lint: dev-environment ## Format, lint, types and layers
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports

fmt: dev-environment ## Format the code and the protos
	.venv/bin/ruff check --fix --exit-zero --silent
	.venv/bin/ruff format
	.venv/bin/buf format -w

generate: dev-environment generate-environment diagram ## Regenerate the stubs, the client's other half, the diagram and the docs
	.venv/bin/buf format -w
	sh scripts/generate.sh client
	.venv/bin/python scripts/cli_help.py >docs/cli.md
	.venv/bin/python scripts/api_docs.py >docs/api.md.new && mv docs/api.md.new docs/api.md

verify: dev-environment generate-environment ## Prove that what is generated is fresh
	sh scripts/verify.sh

compat: dev-environment ## Test the client with the oldest and the newest libraries that it admits
	@sh scripts/compat.sh

bench: dev-environment ## Measure (ROW=name: one row of the table; WRITE=1: keep it in docs/, as a run of all rows is)
	@.venv/bin/python -m tests.bench $(ROW) $(if $(filter 1,$(WRITE)),--write)

soak: dev-environment fuzz-environment ## Prove it under faults, power cuts and bad input (MINUTES=10 SEED=1)
	@.venv/bin/python -m tests.robustness.soak $(or $(MINUTES),10) $(SEED)

diagram: server-environment ## Draw the lifecycle into docs/lifecycle.mmd
	@.venv/bin/msgstate diagram >docs/lifecycle.mmd.new && mv docs/lifecycle.mmd.new docs/lifecycle.mmd

server-environment:
	@sh scripts/setup.sh server

dev-environment:
	@sh scripts/setup.sh dev

# Where atheris does not install, everything else is soaked.
fuzz-environment:
	@sh scripts/setup.sh fuzz || echo "soak: coverage-guided fuzzing is left out, for the reason above" >&2

generate-environment:
	@sh scripts/setup.sh generate
