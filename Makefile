# The commands of a contributor and of CI. `make demo` and `make test` need git, make and Python 3.11 or later; the rest
# they install: system packages as root (or they print the command), Python packages from hashed locks into .venv.
# Paths are relative and quoted: the checkout may lie in a folder with spaces.

SHELL := /bin/sh
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --no-warn-script-location
STAMPS := .venv/.made
UI := $(shell find ui -type f -not -path 'ui/node_modules/*' -not -path 'ui/dist/*' -not -name '* *' 2>/dev/null)
# With the folders, whose times tell that a file has gone.
SOURCES := $(shell find src -not -name '*.pyc' -not -name __pycache__ -not -path 'src/pepys/web/static*' -not -name '* *' 2>/dev/null)

# What the environment of the caller must not change.
unexport PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX VIRTUAL_ENV
export PYTHONNOUSERSITE := 1

.PHONY: help demo test check bench soak ui docs statechart fmt lock clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:
	@echo "make demo    record, enrich and show a short session (ARGS='--serve' to look at its page)"
	@echo "make test    the whole test suite, and what make check does"
	@echo "make check   lint, types, import contracts, the page's checks"
	@echo "make bench   the benchmarks, written to benchmarks/RESULTS.md"
	@echo "make soak    the long runs"
	@echo "make ui      build the page into src/, for an editable install"
	@echo "make docs    generate the pages that are made of the code"
	@echo "make fmt     format the code"
	@echo "make lock    write requirements/ from pyproject.toml (ARGS=--upgrade for newer versions)"
	@echo "make clean   remove what make made"

demo: $(STAMPS)/pepys
	@$(BIN)/pepys demo $(ARGS)

PYTEST := $(BIN)/python -m coverage run -m pytest

# In two parts: what does not mind a busy machine on all its cores, then what is held to its times, alone.
test: check $(STAMPS)/system-test
	@rm -f .coverage .coverage.*
ifeq ($(strip $(ARGS)),)
	@failed=0; set -x; \
	$(PYTEST) -m 'not soak and not quiet' --numprocesses auto --maxprocesses 4 --dist loadfile || failed=1; \
	$(PYTEST) -m 'not soak and quiet' || failed=1; \
	exit $$failed
else
	$(PYTEST) $(ARGS)
endif
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

# Two at a time, the long ones first; each has a cache of its own, for mypy's is of one platform.
check: $(STAMPS)/pepys $(STAMPS)/dev
	@printf '%s\n' \
		'$(BIN)/mypy --platform linux' \
		'$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin' \
		'$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32' \
		'$(BIN)/python build_ui.py run check' \
		'$(BIN)/python build_ui.py test' \
		'$(BIN)/ruff check .' \
		'$(BIN)/ruff format --check --quiet .' \
		'PYTHONPATH=src $(BIN)/lint-imports --no-cache' \
	| xargs -P 2 -I COMMAND sh -c 'echo "COMMAND" && COMMAND'

bench: $(STAMPS)/pepys $(STAMPS)/dev $(STAMPS)/system-test $(STAMPS)/system-bench
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(STAMPS)/pepys $(STAMPS)/dev $(STAMPS)/system-test $(STAMPS)/system-bench
	$(BIN)/python -m pytest -m soak tests/soak --timeout 0 $(ARGS)

ui: $(STAMPS)/build
	$(BIN)/python build_ui.py

docs: $(STAMPS)/run statechart
	PYTHONPATH=src $(BIN)/python scripts/commands_page.py docs/commands.md

statechart: $(STAMPS)/run
	PYTHONPATH=src $(BIN)/python -m pepys.sessions.diagram docs/statechart.md

fmt: $(STAMPS)/dev
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'

lock: $(STAMPS)/dev
	$(LOCK) $(ARGS) --group build --output-file requirements/build.txt
	$(LOCK) $(ARGS) --all-extras --output-file requirements/run.txt pyproject.toml
	$(LOCK) $(ARGS) --group dev --constraint requirements/run.txt --constraint requirements/build.txt \
		--output-file requirements/dev.txt

clean:
	rm -rf .venv build dist src/pepys/web/static ui/node_modules .coverage .coverage.* .mypy_cache .ruff_cache

# --- steps of set-up; each leaves a stamp and is repeated only when what it depends on has changed

$(STAMPS)/venv: system-packages.txt scripts/system-packages
	@scripts/system-packages run
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "pepys needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/build: requirements/build.txt $(STAMPS)/venv
	@echo "setting up .venv: build tools"
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@touch $@

$(STAMPS)/run: requirements/run.txt $(STAMPS)/build
	@echo "setting up .venv: libraries"
	@$(INSTALL) --no-build-isolation --require-hashes -r requirements/run.txt
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/run
	@echo "setting up .venv: developers' tools"
	@$(INSTALL) --no-build-isolation --require-hashes -r requirements/dev.txt
	@touch $@

$(STAMPS)/pepys: $(SOURCES) $(UI) pyproject.toml build_ui.py README.md LICENSE $(STAMPS)/run
	@echo "building pepys and its page"
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t wheel -d dist
	@$(INSTALL) --no-deps --no-index --force-reinstall dist/pepys-*.whl
	@touch $@

$(STAMPS)/system-%: system-packages.txt $(STAMPS)/venv
	@scripts/system-packages $*
	@touch $@
