# Everything a person or a CI server does with this checkout. Needs Python 3.11 or newer, make, git.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never
# Tests and the demo start many processes: compiled once, each starts a second sooner.
unexport PYTHONDONTWRITEBYTECODE

SYSTEM_PYTHON ?= python3
PYTHON := .venv/bin/python
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed
# `make run` and `make test` have a server each, so that neither stops the other's.
RUN_LOCALLY := LOCAL_POSTGRES=.local/postgres $(PYTHON) -m integrator.local
TEST_LOCALLY := LOCAL_POSTGRES=.local/postgres-test $(PYTHON) -m integrator.local
# Management commands of a check read the same settings as the tests do.
MANAGE := $(TEST_LOCALLY) env DEMO=1 $(PYTHON) manage.py
# Tests wait for processes and pages a sixth of their time: three of them keep two cores busy.
TEST_PROCESSES ?= 3
OURS := integrator fulfilment returns finance

# $(call step,name,command): says what runs, and how long it took.
define step
@echo "== $(1)"; began=$$SECONDS; \
if $(2); then echo "   $(1): ok, $$((SECONDS - began)) s"; \
else echo "   $(1): FAILED after $$((SECONDS - began)) s"; exit 1; fi
endef

.PHONY: help
help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(DEV) ## Installs everything, tools included, into .venv

.PHONY: run
run: $(RUNTIME) ## Starts the demo: database, sandbox, workers and web server on this machine
	@DEMO=1 PATH="$(CURDIR)/.venv/bin:$$PATH" $(RUN_LOCALLY) $(PYTHON) manage.py demo

.PHONY: manage
manage: $(RUNTIME) ## A command beside a running demo: make manage ARGS="compare"
	@DEMO=1 $(RUN_LOCALLY) $(PYTHON) manage.py $(ARGS)

.PHONY: test
test: $(DEV) ## Runs the tests; narrow with ARGS="tests/engine -k lane"
	$(call step,tests,$(TEST_LOCALLY) $(PYTHON) -m pytest -q -n $(TEST_PROCESSES) --dist worksteal -m "not prove and not screenshots" $(ARGS))

.PHONY: prove
prove: $(DEV) ## Runs the long proofs: killed processes, then storms, histories, every button and every parameter
	$(call step,proofs that kill processes,$(TEST_LOCALLY) $(PYTHON) -m pytest -q -m prove tests/engine $(ARGS))
	$(call step,storms histories every button and every parameter,$(TEST_LOCALLY) $(PYTHON) -m pytest -q -n $(TEST_PROCESSES) --dist worksteal -m prove tests/proofs tests/journeys tests/desk $(ARGS))

.PHONY: screenshots
screenshots: $(DEV) ## Pictures of every screen, in light, dark and on a phone, into screenshots/
	$(call step,pictures,$(TEST_LOCALLY) $(PYTHON) -m pytest -q -n $(TEST_PROCESSES) -m screenshots tests/browser $(ARGS))

.PHONY: bench
bench: $(RUNTIME) ## Measures throughput and latency
	@DEMO=1 LOCAL_POSTGRES=.local/postgres-bench $(PYTHON) -m integrator.local $(PYTHON) -m bench $(ARGS)

.PHONY: check
check: lint migrations settings audit docs-fresh requirements test ## Everything that CI runs

.PHONY: format
format: $(DEV) ## Puts the code into its standard form
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .

.PHONY: lint
lint: $(DEV) ## Style, types, import order, templates, dependencies, security
	$(call step,format,.venv/bin/ruff format --check --quiet .)
	$(call step,style,.venv/bin/ruff check --quiet .)
	$(call step,types,DATABASE_URL=postgres://localhost/types DEMO=1 .venv/bin/mypy)
	$(call step,import order,.venv/bin/lint-imports --no-logo)
	$(call step,templates,.venv/bin/djlint --quiet --lint templates)
	$(call step,dependencies,.venv/bin/deptry --no-ansi $(OURS))
	$(call step,security,.venv/bin/bandit --quiet --severity-level medium --configfile pyproject.toml --recursive $(OURS) manage.py)

.PHONY: migrations
migrations: $(DEV) ## Whether every model change has its migration
	$(call step,migrations,$(MANAGE) makemigrations --check --dry-run)

.PHONY: settings
settings: $(DEV) ## Whether production settings pass Django's own examination
	$(call step,settings,$(TEST_LOCALLY) env DEMO=0 DEBUG=0 \
		SECRET_KEY="$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))')" \
		FIELD_KEYS="$$($(PYTHON) -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
		ALLOWED_HOSTS=integrator.example PUBLIC_URL=https://integrator.example \
		$(PYTHON) manage.py check --deploy --fail-level WARNING)

.PHONY: audit
audit: $(DEV) ## Whether a dependency has a known vulnerability
	$(call step,known vulnerabilities,$(PYTHON) .ci/audit)

.PHONY: docs
docs: $(DEV) ## Prints the generated pages of docs/ afresh
	@$(MANAGE) docs

.PHONY: docs-fresh
docs-fresh: $(DEV)
	$(call step,docs are fresh,$(MANAGE) docs --check)

.PHONY: requirements
requirements: $(DEV) ## Shows which test proves which requirement
	$(call step,requirements,$(TEST_LOCALLY) $(PYTHON) -m tests.requirements)

.PHONY: clean
clean: ## Removes what was installed and built, the private databases included
	@rm -rf .venv .local staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PYTHON):
	@$(SYSTEM_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with SYSTEM_PYTHON=...")'
	@$(SYSTEM_PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv module is incomplete here (Debian: apt install python3-venv)."; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check uv || echo "uv is not to be had; pip will do, more slowly."

# $(call install,lock): hashes are required either way. pip steps in where uv cannot.
define install
@echo "== install from $(1)"; began=$$SECONDS; \
{ [ -x .venv/bin/uv ] && .venv/bin/uv pip install --quiet --python $(PYTHON) --require-hashes -r $(1); } \
|| $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) || exit 1; \
echo "   installed, $$((SECONDS - began)) s"; touch $@
endef

$(RUNTIME): requirements.lock | $(PYTHON)
	$(call install,requirements.lock)

$(DEV): requirements-dev.lock requirements.lock | $(PYTHON)
	$(call install,requirements-dev.lock)
	@touch $(RUNTIME)
