# Only wraps: what these commands do is written in app/launch, hatch_build.py and pyproject.toml.
.NOTPARALLEL:
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := .venv/bin
READY := .venv/ready
LOCKS := requirements.lock requirements-uv.lock requirements-build.lock requirements-oracle.lock
WEB_STAMP := app/static/web-built
WEB_SOURCES := $(shell find web -name node_modules -prune -o -type f ! -name .building -print 2>/dev/null)
WEB := $(if $(wildcard web/package.json),$(WEB_STAMP))

export UV_SYSTEM_CERTS := 1
export UV_NO_PROGRESS := 1
UV_CACHE := $(shell dir="$${XDG_CACHE_HOME:-$$HOME/.cache}/uv"; mkdir -p "$$dir" 2>/dev/null && test -w "$$dir" && echo "$$dir")
ifeq ($(UV_CACHE),)
export UV_CACHE_DIR ?= $(CURDIR)/var/cache/uv
endif

# The stamp holds the path it was made for: a moved checkout, or a lost interpreter, starts over.
ifneq ($(shell cat $(READY) 2>/dev/null && $(BIN)/python -c '' 2>&1),$(CURDIR))
$(shell rm -f $(READY))
endif

.PHONY: help setup web run test quick check test-long

help:
	@echo "make setup | run | test | quick | check | test-long"

setup: $(READY) $(WEB)

web: $(WEB)

run: $(READY)
	@exec $(BIN)/jiuyi run

test: setup
	@$(BIN)/python tests/suite.py

quick: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@$(BIN)/python tests/touched.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	@$(BIN)/python tests/suite.py --coverage

test-long: setup
	$(BIN)/python -m pytest -m long

$(READY): $(LOCKS) pyproject.toml hatch_build.py
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "需要 Python 3.11 或更新的版本:$$(python3 --version 2>&1)"; exit 1; }
	@echo "setup: virtual environment"
	@$(BIN)/pip --version 2>/dev/null | grep -q "$(CURDIR)/.venv/" || python3 -m venv --clear .venv
	@echo "setup: uv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@echo "setup: dependencies"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@SKIP_WEB=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps \
	  --build-constraints requirements-build.lock -e .
	@echo "setup: the tests' other Alipay client, in an environment of its own"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/oracle
	@$(BIN)/uv pip sync --quiet --python .venv/oracle/bin/python --require-hashes requirements-oracle.lock
	@printf %s "$(CURDIR)" > $(READY)
	@echo "setup: done"

# A wheel is built for its side effect: the pages, in an isolated environment that the build lock pins.
$(WEB_STAMP): $(WEB_SOURCES) hatch_build.py requirements-build.lock | $(READY)
	@echo "setup: pages (about 20 s the first time)"
	@$(BIN)/uv build --quiet --wheel --python $(BIN)/python --build-constraints requirements-build.lock \
	  --out-dir var/cache/wheel .
