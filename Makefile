# What a person may do here. Recipes are POSIX sh, and continuous integration calls the same targets (.ci/run).

.DEFAULT_GOAL := help
.PHONY: help setup run test test-browser pictures lint type bench faults fmt lock clean

VENV := .venv
BIN := $(VENV)/bin
# Passed on to the command of `make run`, `make test`, `make bench` and `make faults`, such as: make run ARGS="--port 8001"
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp holds a checksum of what was installed, so that a fresh checkout's file times do not matter. A candidate
# is run before it is believed: the shims of pyenv and the python3 of a Debian without venv are there and yet fail.
setup: ## make .venv from the locked versions (nothing to do: returns at once)
	@set -eu; \
	wanted=$$(cat requirements-dev.lock pyproject.toml hatch_build.py dispatch/web/package-lock.json | cksum); \
	usable='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))'; \
	if [ "$$(cat $(VENV)/.installed 2>/dev/null)" = "$$wanted" ] && $(BIN)/python -c "$$usable" 2>/dev/null; then exit 0; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1 || ! $(BIN)/python -c "$$usable" 2>/dev/null; then \
	  python=; \
	  for candidate in "$${PYTHON:-}" python3.12 python3.13 python3.14 python3 python \
	      "$$(uv python find '>=3.12' 2>/dev/null || true)" \
	      "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python; do \
	    if [ -n "$$candidate" ] && "$$candidate" -c "$$usable" >/dev/null 2>&1; then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "setup: needs Python 3.12 or newer with its venv module, and found none; install it or say: make setup PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	  fi; \
	  echo "setup: $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV); \
	fi; \
	echo "setup: installing the locked versions"; \
	$(BIN)/python -m pip install -qq --no-input --disable-pip-version-check --require-hashes -r requirements-dev.lock \
	  || { echo "setup: the locked versions could not be installed (see above); is the package index reachable?" >&2; exit 1; }; \
	echo "setup: installing lifecircle itself, and what its pages are made with"; \
	$(BIN)/python -m pip install -qq --no-input --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	echo "setup: compiling the search (half a minute)"; \
	$(BIN)/python -m dispatch.replica.warming; \
	echo "$$wanted" > $(VENV)/.installed

run: setup ## start the service with the demo city on http://127.0.0.1:8000 (ARGS="--port 8001"); Ctrl-C ends it
	@exec $(BIN)/dispatch serve --demo $(ARGS)

test: setup ## run all tests (ARGS="-k name" for some of them)
	@$(BIN)/python -m pytest $(ARGS)

test-browser: setup ## run the tests of the pages, in Chromium, and fail where there is none
	@$(BIN)/python -c "import sys; from tests.browser.chromium import find_chromium; sys.exit(not find_chromium())" || { \
	  echo "test-browser: needs Chromium, and Chinese letters; on Debian: apt-get install chromium fonts-noto-cjk" >&2; exit 1; }
	@$(BIN)/python -m pytest tests/browser $(ARGS)

pictures: ## make the pictures of the documentation anew, from the tests of the pages
	@DISPATCH_PICTURES=yes $(MAKE) --no-print-directory test-browser

lint: setup ## check form and the arrows between the packages
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "lint: not formatted; run: make fmt" >&2; exit 1; }
	@$(BIN)/lint-imports --no-logo

type: setup ## check types (mypy --strict)
	@$(BIN)/mypy --strict geo dispatch tests data

bench: setup ## print the figures that DESIGN.md and the documentation quote
	@$(BIN)/python -m tests.bench $(ARGS)

faults: setup ## race, slow down and kill it on purpose, and see that nothing is lost (ARGS="kills --seed 1")
	@$(BIN)/python -m tests.faults $(ARGS)

fmt: setup ## put the code into form
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

# From the public index alone: what a mirror of ours holds may have hashes that hold nowhere else.
lock: setup ## resolve the newest versions anew into requirements*.lock
	@set -eu; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools"; "$$tools/bin/pip" install -qq pip-tools; \
	unset PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL; \
	export PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock"; \
	compile="$$tools/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host"; \
	$$compile -o requirements.lock pyproject.toml; \
	$$compile --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## remove .venv and what the tools leave behind (not var/, where the data is)
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
