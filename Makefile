# Every target installs what it needs into .venv first; `make` alone is `make demo`.
# `make demo V=1` shows all messages, `make demo OPEN=1` opens the report in a browser.

PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
# With `python -m`, Snakemake finds the plug-in in this folder.
RUN = $(BIN)/python -m snakemake --cores $(CORES) --logger segfanet \
	$(if $(filter-out 0,$(V)),--logger-segfanet-everything) \
	$(if $(filter-out 0,$(OPEN)),--logger-segfanet-open)
# What pip prints is shown if it fails.
INSTALL = quietly() { "$$@" >.venv/pip.log 2>&1 || { status=$$?; cat .venv/pip.log; exit $$status; }; }; \
	quietly $(BIN)/python -m pip install --disable-pip-version-check --no-compile
# pip would compile the packages on one core. A few hold files that are no Python of this version.
COMPILE = $(BIN)/python -m compileall -qq -j 0 .venv/lib || true

.PHONY: demo report install test test-fast test-gpu coverage schemas lint types style format clean

demo: .venv/runtime ## whole benchmark on the embedded data
	@$(RUN)

report: .venv/runtime ## tables and page rendered again, without training or fusing
	@$(RUN) --forcerun tables report

install: .venv/dev ## only .venv, with everything that commands and tests need

test: .venv/dev ## all tests
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

test-fast: .venv/dev ## all tests but the slow ones
	$(BIN)/python -m pytest -m "not slow"

test-gpu: .venv/dev ## the tests that need a GPU, in about ten minutes; they say why one is skipped
	$(BIN)/python -m pytest -m gpu -rs

coverage: .venv/dev ## all tests, and a list of the lines that none of them ran
	$(BIN)/python -m pytest --cov --cov-report=term

lint: types style ## checks of format, style, types and workflow

types: .venv/dev
	$(BIN)/mypy

style: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/deptry .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

schemas: .venv/runtime ## JSON schemas, key tables and the page of methods, written again from their sources
	$(BIN)/python -m harness.commands.key_tables
	$(BIN)/python -m harness.commands.method_page

format: .venv/dev ## all files rewritten in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

clean: ## removal of results and logs; downloads and .venv stay
	rm -rf results logs .snakemake

.venv/runtime: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; set PYTHON=')"
	@echo "Installing the pinned packages into .venv; this takes some minutes."
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -c constraints.txt -r requirements.txt
	@$(INSTALL) --no-deps -e .
	@$(COMPILE)
	@touch $@

.venv/dev: .venv/runtime requirements-dev.txt
	@echo "Installing the packages of the tests into .venv."
	@$(INSTALL) -c constraints.txt -r requirements-dev.txt
	@$(COMPILE)
	@touch $@
