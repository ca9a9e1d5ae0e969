# `make demo` and `make test` each work on a bare machine with Python 3.11: they make .venv, install, fetch the model.
.DEFAULT_GOAL := help
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE := # where it is set, every process would compile the project anew
FRAMEWORKS := $(basename $(notdir $(wildcard tests/frameworks/*.txt)))
BENCHES := benchmarks/client_cost.py benchmarks/vs_vllm.py
.PHONY: help install install-core lock demo test test-rest test-engine test-fast test-newest test-frameworks $(FRAMEWORKS:%=test-%) lint mutants bench docs clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F '\t' '{printf "  make %-16s %s\n", $$1, $$2}'

install: ## make .venv from the lock: the project, its test tools and vLLM (GPU build where there is a GPU)
	@bash scripts/install.sh engine

install-core: ## the same without torch and vLLM
	@bash scripts/install.sh core

lock: ## write requirements/*.lock anew: the newest versions that pyproject.toml allows
	@$(or $(PYTHON),python3) scripts/lock.py

demo: install ## judge real answers with a real model, and show the rewards
	@$(BIN)/judge run examples/quickstart.yaml --data examples/quickstart.jsonl --output runs/demo --overwrite
	@$(BIN)/judge report runs/demo > /dev/null 2>&1
	@echo "Look at it: $(CURDIR)/runs/demo/report.html (the tables are beside it)"

lint: install-core ## style, types, import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: install lint ## everything, the real engine included
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync test-rest test-engine test-frameworks # a core each, the longest first

test-rest: install # its dots are shown as they come: `+` exempts it from --output-sync
	+@$(BIN)/pytest -m "not vllm"

test-engine: install
	@$(BIN)/pytest -m vllm tests

test-frameworks: $(FRAMEWORKS:%=test-%) ## the trainers' adapters under the trainers' own code, at exact versions

$(FRAMEWORKS:%=test-%): test-%: install
	@bash scripts/frameworks.sh $*

test-fast: install-core ## what needs neither an engine nor a GPU nor patience, on all cores
	@$(BIN)/pytest -m "not vllm and not gpu and not slow" -n logical

test-newest: ## the same on the newest versions that pyproject.toml allows, in .venv-newest; not part of continuous integration
	@bash scripts/install.sh newest
	@.venv-newest/bin/pytest -m "not vllm and not gpu and not slow" -n logical

docs: install ## build the documentation into site/, and stop at any warning
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Read it: $(CURDIR)/site/index.html (with search: $(BIN)/mkdocs serve)"

mutants: install-core ## change the heart of the code a little and list what no test notices (hours; MODULES=judge.reward.fold: a part)
	@$(BIN)/python scripts/mutants.py $(MODULES)

bench: install ## speed, as ratios against raw vLLM and against a fake endpoint
	@for script in $(BENCHES); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## remove what the tools made, .venv included; cached models stay
	rm -rf .venv .venv-newest mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache runs/demo site build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
