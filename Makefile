# Everything here sets up what it needs first; the second time that takes no time.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## set up, let real browsers check a small marketplace, show what they found
	@scripts/bootstrap run
	@$(PYTHON) -m demo

.PHONY: run
run: ## set up and run the whole system until Ctrl-C
	@scripts/bootstrap run
	@exec $(PYTHON) scripts/run.py

.PHONY: test
test: ## set up and pass the tests; ARGS="-k price" chooses some
	@scripts/bootstrap test
	$(PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile $(ARGS)

FARM := tests/workers/test_crashes.py tests/workers/test_endurance.py $(wildcard tests/workers/actions/test_hostile_*.py)

.PHONY: faults
faults: ## interrupt and race all that is bought and visited, everywhere, on all databases: hours
	@scripts/bootstrap test
	FAULTS=full $(PYTHON) -m pytest tests/faults tests/model $(FARM) --numprocesses auto --maxprocesses 4 --max-worker-restart 0 --dist worksteal $(ARGS)

.PHONY: check
check: lint test ## all that must be green: format, lint, types, imports, tests

.PHONY: lint
lint: ## format, lint, types and import contracts, without changing anything
	@scripts/bootstrap run
	$(PYTHON) -m ruff format --check --quiet .
	$(PYTHON) -m ruff check --quiet .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo

.PHONY: format
format: ## format the code and repair what can be repaired
	@scripts/bootstrap run
	$(PYTHON) -m ruff check --quiet --fix-only .
	$(PYTHON) -m ruff format .

.PHONY: clean
clean: ## remove the environment and all caches; keeps instance/, the data
	rm -rf .venv .tools .uv-cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
