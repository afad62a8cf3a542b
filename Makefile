# Everything a checkout needs, on a machine with Python 3.11 or later and nothing else. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
UV_VERSION := 0.13.9
# A name on the PATH is not enough: version managers leave shims of versions that are not installed.
FIND_PYTHON = for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
	python=; done; \
	test -n "$$python" || { echo "Python 3.11 or later (with venv and pip) is needed, and none was found" >&2; exit 1; }

.PHONY: bench bench-quick bench-test help environment run test test-slow test-fuzz test-browser coverage lint format types arrows schema schema-drift migrations clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

# --- the environment --------------------------------------------------------------------------------------------------
# `make run` installs what the service needs, the other targets what development needs; each again when its file changed.
$(VENV)/.python:
	@$(FIND_PYTHON); echo "Building $(VENV) with $$($$python --version)"; \
	$$python -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) 2>/dev/null \
		|| echo "uv cannot be had: installing with pip, which takes a minute longer"
	@touch $@

$(VENV)/.installed-%: %.txt constraints.txt requirements.txt requirements-dev.txt $(VENV)/.python
	@echo "Installing $<"
	@if $(VENV)/bin/uv --version >/dev/null 2>&1; \
	then $(VENV)/bin/uv pip install --quiet --python $(PY) -r $< -c constraints.txt; \
	else $(PY) -m pip install --quiet --disable-pip-version-check -r $< -c constraints.txt; fi
	@touch $@

RUNTIME := $(VENV)/.installed-requirements
DEVELOPMENT := $(VENV)/.installed-requirements-dev
FUZZING := $(VENV)/.installed-requirements-fuzz

environment: $(DEVELOPMENT) ## Build or refresh .venv, and nothing else

# --- the product ------------------------------------------------------------------------------------------------------
run: $(RUNTIME) ## Serve the product on http://127.0.0.1:8000 (PORT=8001 for another port)
	@MALLOC_ARENA_MAX=2 exec $(PY) -m chatstore.serve

# --- the tests --------------------------------------------------------------------------------------------------------
# Once installed, the fuzzer's plugin would load in every run and double its start.
PYTEST := $(PY) -m pytest -p no:schemathesis

test: $(DEVELOPMENT) ## The tests, but for the slow ones
	@$(PYTEST) -n auto -m "not slow" $(ARGS)

test-slow: $(DEVELOPMENT) ## The slow tests
	@$(PYTEST) -m slow $(ARGS)

test-fuzz: $(FUZZING) ## Hostile requests made from the schema (schemathesis)
	@$(PY) -m pytest fuzz $(ARGS)

test-browser: $(VENV)/.installed-requirements-browser ## Moving a history out of a browser, in Chromium (Debian: chromium)
	@$(PYTEST) browser_tests -r s $(ARGS)

coverage: $(DEVELOPMENT) ## The tests, with the lines and branches that they reach
	@$(PYTEST) -n auto -m "not slow" --cov --cov-report=term --cov-fail-under=90 $(ARGS)

# --- the speed (bench/) --------------------------------------------------------------------------------------------------
bench: $(VENV)/.installed-requirements-bench ## How fast it is beside its peers: about 40 minutes
	@$(PY) -m bench --plots docs/images $(ARGS)

bench-quick: $(VENV)/.installed-requirements-bench ## A first answer, on a small data set
	@$(PY) -m bench --quick $(ARGS)

bench-test: $(DEVELOPMENT) ## The tests of the bench itself
	@$(PYTEST) bench/tests $(ARGS)

# --- the habits -------------------------------------------------------------------------------------------------------
lint: $(DEVELOPMENT) ## Format and style (ruff)
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .

format: $(DEVELOPMENT) ## Format the code, and mend what can be mended
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

types: $(DEVELOPMENT) ## Types (mypy --strict)
	@CHATSTORE_SECRET_KEY=read-by-the-plugin-alone $(VENV)/bin/mypy manage.py chatstore accounts conversations

arrows: $(DEVELOPMENT) ## Who may import whom (import-linter)
	@$(VENV)/bin/lint-imports

schema: $(DEVELOPMENT) ## Write openapi.yaml anew
	@$(PY) manage.py spectacular --file openapi.yaml --validate --fail-on-warn

schema-drift: $(DEVELOPMENT) ## Whether openapi.yaml says what the code does
	@mkdir -p var && $(PY) manage.py spectacular --file var/openapi.yaml --validate --fail-on-warn
	@diff -u openapi.yaml var/openapi.yaml || { echo "openapi.yaml is out of date: make schema" >&2; exit 1; }

migrations: $(DEVELOPMENT) ## Whether the migrations say what the models say
	@$(PY) manage.py makemigrations --check --dry-run

clean: ## Remove the environment, caches and the data below var/
	@if test -d var; then find var -maxdepth 2 -name moved-to -type l -exec sh -c 'rm -rf "$$(readlink "$$1")"' _ {} \; ; fi
	@rm -rf $(VENV) var static htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.schemathesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
