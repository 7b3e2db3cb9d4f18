# Two commands matter: `make demo` (see the whole loop work, no key) and `make test`.
# Everything is installed into .venv by the first target that needs it; nothing else is touched.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# the number of test processes; Docker tests share one engine
JOBS ?= 4
# more arguments for pytest: make test ARGS=tests/evolve
ARGS ?=

.PHONY: demo test attack durability check lint types imports format test-llm lock bench bench-testbed bench-verifiers clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

# $(call install,arguments of pip install): with uv where there is one; the log is shown only when it fails
install = if command -v uv >/dev/null; then set -- uv pip install --python $(BIN)/python; \
	  else set -- $(BIN)/python -m pip install --disable-pip-version-check; fi; \
	"$$@" $(1) >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log; exit 1; }

# the versions and hashes that `make lock` wrote down, wheels only: no code of a dependency is built or run to install it
LOCKED := --require-hashes --no-deps --only-binary :all: -r

$(VENV)/.run: pyproject.toml locks/run.txt
	@test -n "$(PYTHON)" || { echo "Studbook needs Python 3.11 or newer: none of python3.13, python3.12, python3.11, python3 is. Install one, or: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "installing into $(VENV) (once) ..."
	@if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV); \
	else "$(PYTHON)" -m venv $(VENV) || { echo "no venv module: install your system's python3-venv package, or uv"; exit 1; }; fi
	@$(call install,$(LOCKED) locks/run.txt)
	@$(call install,--no-deps --no-build-isolation -e .)
	@touch $@

$(VENV)/.dev: $(VENV)/.run locks/dev.txt
	@echo "installing the tools for tests (once) ..."
	@$(call install,$(LOCKED) locks/dev.txt)
	@touch $@

demo: $(VENV)/.run ## the main job: evolve a harness on synthetic papers with the testbed models
	@$(BIN)/studbook run experiments/quickstart.yaml

test: $(VENV)/.dev ## the whole suite (Docker tests run when an engine answers)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

attack: $(VENV)/.dev ## every attack we know, as a table with its outcome and time (needs Docker)
	STUDBOOK_REQUIRE_DOCKER=1 $(BIN)/python -m pytest tests/attacks -n $(JOBS) --dist load

durability: $(VENV)/.dev ## kill runs at every instant and disturb them in every way we know; a table says what was lost
	PYTHONPATH=.:tests $(BIN)/python -m crash.durability --jobs 2

check: lint types imports test ## everything CI does

lint: $(VENV)/.dev ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

imports: $(VENV)/.dev ## imports fall downward
	$(BIN)/lint-imports

format: $(VENV)/.dev ## write the format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-llm: $(VENV)/.dev ## prove the model path with a server and a model nobody here wrote (fetches 200 MB once; needs Docker)
	PYTHON=$(BIN)/python tests/local_model/setup.sh
	STUDBOOK_LOCAL_MODEL=1 STUDBOOK_REQUIRE_DOCKER=1 $(BIN)/python -m pytest tests/local_model

lock: ## write locks/ anew after a change in pyproject.toml (needs uv); UPGRADE=--upgrade takes the newest of all
	UPGRADE="$(UPGRADE)" sh locks/write.sh

bench: $(VENV)/.dev ## what the framework itself costs per iteration, and what a long run costs to open and to look at
	$(BIN)/python benchmarks/iterations.py

bench-testbed: $(VENV)/.dev ## what each finding is worth on the testbed: make bench-testbed PAPERS=folder
	$(BIN)/python benchmarks/testbed_effects.py $(PAPERS)

bench-verifiers: $(VENV)/.dev ## how often final verifier and judge err: make bench-verifiers [SPEC=my.yaml] [PAPERS=folder]
	$(BIN)/python benchmarks/verifier_errors.py $(if $(SPEC),--spec $(SPEC)) $(if $(PAPERS),--papers $(PAPERS) --n 150)

clean: ## remove the environments (runs/ stays)
	rm -rf $(VENV) .venv.llm
