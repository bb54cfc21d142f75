# make demo and make test set everything up themselves, in .venv. They need Python >= 3.11 and make.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev
PIP_ARGS ?=
JOBS ?= auto
BASE ?= HEAD
OUT ?= results/demo
ARGS ?=

BIN := $(VENV)/bin
comma := ,
STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test quick calibration install lint format types docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'Variables: PYTHON=python3.12, EXTRAS=dev,peers, OUT=results/demo, ARGS="-k probes" (pytest),'
	@echo '           JOBS=2 (tests side by side), BASE=main (quick: since when),'
	@echo '           PIP_ARGS="..." (further arguments of pip install)'

demo: $(STAMP) ## Study the shipped organism and write results/demo/report.html
	$(BIN)/mesascope study sokoban-drc-small-v2 --out $(OUT)
	@echo
	@echo 'Next: open $(OUT)/report.html in a browser, or go on from here:'
	@echo '    source $(BIN)/activate'
	@echo '    mesascope organisms                          # who else there is'
	@echo '    mesascope evaluate sokoban-drc-small-v2      # how often it solves new levels'
	@echo '    mesascope study sokoban-resnet-small-v1 --out results/resnet'

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

quick: $(STAMP) ## Run the tests of what differs from BASE
	$(BIN)/python -m pytest $$($(BIN)/python tests/lanes.py $(BASE)) $(ARGS)

calibration: $(STAMP) ## Simulate what intervals cover and tests err; write docs/calibration.md (15 minutes)
	$(BIN)/python -m interp.statistics.calibration_page docs/calibration.md

install: $(STAMP) ## Only set up .venv

lint: $(STAMP) ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(STAMP) ## Format the code and apply the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: ## Build the documentation into site/
	$(MAKE) install EXTRAS=dev,docs
	$(BIN)/mkdocs build --strict

clean: ## Remove .venv, caches and results
	rm -rf $(VENV) build dist site results .pytest_cache .hypothesis .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or say which: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "mesascope needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
			"Say which one to use: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# torch comes first and by its exact version: left to itself, pip may fetch another build of it.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(PIP) $(TORCH)
	@$(PIP) -e ".[$(EXTRAS)]"
	@touch $@
