# StructForge. `make` says what there is.

PYTHON := .venv/bin/python
BOOTSTRAP := sh deploy/bootstrap.sh
JOBS ?= 3
ARGS ?=

.PHONY: help run test check bench chaos fmt lock openapi installed installed-dev

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: installed ## Install what is missing, start everything, run the sample, keep serving
	@exec $(PYTHON) manage.py up --sample $(ARGS)

test: installed-dev ## Run the tests; ARGS="tests/engine -k planner" for some of them
	@$(PYTHON) -m pytest --numprocesses=auto --maxprocesses=$(JOBS) --dist=worksteal $(ARGS)

check: installed-dev ## Check format, lint, types, imports, migrations, API description, deployment files
	@sh deploy/check.sh

bench: installed-dev ## Measure beside plain Celery; writes .structforge/bench.json
	@$(PYTHON) -m tests.bench $(ARGS)

chaos: installed-dev ## Break everything at full size; writes .structforge/chaos.jsonl
	@MODEL_EXAMPLES=5000 MODEL_STEPS=80 $(PYTHON) -m pytest -q --timeout=3600 tests/workers/test_protocol_model.py
	@LIMITS_STEPS=10000 FAIRNESS_BACKLOG=100000 $(PYTHON) -m pytest -q --timeout=3600 tests/workers/test_limits_model.py tests/workers/test_fairness.py
	@$(PYTHON) -m tests.chaos $(ARGS)
	@$(PYTHON) -m tests.chaos.crowd

fmt: installed-dev ## Format the code and fix what can be fixed
	@$(PYTHON) -m ruff format
	@$(PYTHON) -m ruff check --fix

lock: installed-dev ## Resolve requirements*.txt into the hash-locked files; UPGRADE=--upgrade for newer versions
	@$(PYTHON) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(UPGRADE) requirements-dev.txt -o requirements-dev.lock
	@$(PYTHON) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(UPGRADE) requirements.txt -c requirements-dev.lock -o requirements.lock

openapi: installed-dev ## Write docs/openapi.yaml again from the code
	@DJANGO_SETTINGS_MODULE=structforge.settings.test $(PYTHON) manage.py spectacular --fail-on-warn --file docs/openapi.yaml

installed:
	@$(BOOTSTRAP) requirements.lock

installed-dev:
	@$(BOOTSTRAP) requirements-dev.lock
