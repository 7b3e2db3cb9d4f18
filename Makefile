# Two commands matter: `make demo` (the whole loop at work, no key needed) and `make test` (the whole suite).
# The first target that needs a package installs it into .venv; nothing outside this folder changes.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# test processes; Docker tests share one engine
JOBS ?= 4
# more arguments for pytest: make test ARGS=tests/evolve
ARGS ?=
# whole files to one process, in the order in which they are collected: module fixtures are set up once
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: help demo test test-fast attack durability check lint types imports format docs test-llm demo-llm lock bench bench-peers bench-testbed bench-verifiers clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 25

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

demo: $(VENV)/.run ## evolve a harness on synthetic papers with the testbed models, in about a minute
	@$(BIN)/studbook run experiments/quickstart.yaml

test: $(VENV)/.dev ## run every test, attacks included (Docker tests are skipped when no engine answers)
	$(PYTEST) $(ARGS)

test-fast: $(VENV)/.dev ## run the tests that need neither Docker nor much time, in under 3 minutes
	$(PYTEST) -m "not docker and not slow" $(addprefix --ignore=tests/,attacks crash e2e docs/test_readme.py) $(ARGS)

attack: $(VENV)/.dev ## run only the attacks and print their table: outcome and time of each (needs Docker)
	STUDBOOK_REQUIRE_DOCKER=1 $(BIN)/python -m pytest tests/attacks -n $(JOBS) --dist load

durability: $(VENV)/.dev ## kill and disturb runs at every step and print what was lost (30 minutes; needs Docker)
	PYTHONPATH=.:tests $(BIN)/python -m crash.durability --jobs 2

check: lint types imports test ## run everything that CI checks

lint: $(VENV)/.dev ## check format and lint (ruff)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev ## check types (mypy --strict)
	$(BIN)/mypy

imports: $(VENV)/.dev ## check that imports only go down the layers (import-linter)
	$(BIN)/lint-imports

docs: $(VENV)/.dev ## write the documentation as a site that opens offline, to site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

format: $(VENV)/.dev ## fix lint and reformat in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-llm: $(VENV)/.dev ## test against a real local model server (downloads 200 MB once; needs Docker)
	PYTHON=$(BIN)/python sh benchmarks/local_model/setup.sh smollm2-135m-instruct
	STUDBOOK_LOCAL_MODEL=1 STUDBOOK_REQUIRE_DOCKER=1 $(BIN)/python -m pytest tests/local_model

demo-llm: $(VENV)/.run ## a small run with a real 1.5B model (downloads 1.2 GB once; 40 minutes), or with MODEL at OPENAI_BASE_URL
	@PYTHON=$(BIN)/python $(BIN)/python benchmarks/local_model/demo.py

lock: ## rewrite locks/ after a change in pyproject.toml (needs uv); UPGRADE=--upgrade takes the newest versions
	UPGRADE="$(UPGRADE)" sh locks/write.sh

bench: $(VENV)/.dev ## measure the overhead of the framework itself, and how busy it keeps an endpoint (docs/speed.md, docs/endpoint-use.md)
	$(BIN)/python benchmarks/iterations.py
	$(BIN)/python -m benchmarks.parallel
	$(BIN)/python -m benchmarks.in_flight
	$(BIN)/python -m benchmarks.utilization
	$(BIN)/python -m benchmarks.prompt_cache

# one of their packages has no wheel: it is built with the setuptools of the lock, after the others
.venv.peers/.done: locks/peers.txt locks/peers-source.txt
	@"$(PYTHON)" -m venv .venv.peers
	@.venv.peers/bin/python -m pip install --disable-pip-version-check --quiet $(LOCKED) locks/peers.txt
	@.venv.peers/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps --no-build-isolation -r locks/peers-source.txt
	@touch $@

bench-peers: $(VENV)/.dev .venv.peers/.done ## compare the overhead with OpenEvolve, GEPA and ShinkaEvolve (needs a package index)
	$(BIN)/python -m benchmarks.peers $(ARGS)

bench-testbed: $(VENV)/.dev ## measure the effect of each known finding on the testbed: make bench-testbed PAPERS=folder
	$(BIN)/python benchmarks/testbed_effects.py $(PAPERS)

bench-verifiers: $(VENV)/.dev ## measure error rates of final verifier and judge: make bench-verifiers [SPEC=my.yaml] [PAPERS=folder]
	$(BIN)/python benchmarks/verifier_errors.py $(if $(SPEC),--spec $(SPEC)) $(if $(PAPERS),--papers $(PAPERS) --n 150)

clean: ## remove the environments (keeps runs/)
	rm -rf $(VENV) .venv.llm .venv.peers
