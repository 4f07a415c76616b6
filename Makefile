# Every target installs what it needs into .venv first; `make` alone is `make demo`.

PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin

.PHONY: demo report install test test-fast test-gpu coverage schemas lint format clean

demo: .venv/runtime ## whole benchmark on the embedded data
	@$(BIN)/snakemake --cores $(CORES); status=$$?; \
	echo "Report: $(CURDIR)/results/report/index.html"; exit $$status

report: .venv/runtime ## tables and page rendered again, without training or fusing
	$(BIN)/snakemake --cores $(CORES) --forcerun tables report

install: .venv/dev ## only .venv, with everything that commands and tests need

test: .venv/dev ## all tests
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile

test-fast: .venv/dev ## all tests but the slow ones
	$(BIN)/python -m pytest -m "not slow"

test-gpu: .venv/dev ## the tests that need a GPU, in about ten minutes; they say why one is skipped
	$(BIN)/python -m pytest -m gpu -rs

coverage: .venv/dev ## all tests, and a list of the lines that none of them ran
	$(BIN)/python -m pytest --cov --cov-report=term

lint: .venv/dev ## checks of format, style, types and workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
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
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; set PYTHON=')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/dev: .venv/runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@touch $@
