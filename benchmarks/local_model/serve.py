"""Serves a GGUF model on loopback with a server that nobody here wrote: python serve.py MODEL [SLOTS].

Runs in .venv.llm, without anything of Studbook. Prints the server's address, then waits to be ended. With one
slot (the default) prompts are not cached, because only then do the same seeds give the same answers. With
more, each slot has a context of its own, and repeated beginnings of prompts are read once.
"""

import sys
import threading
from pathlib import Path

import xllamacpp

CONTEXT_TOKENS = 8192
"""Of each slot."""
CACHE_MEBIBYTES = 1024
"""Prompts that left their slot: about 36,000 tokens of a 1.5B model."""


def main(model_path: str, slots: int) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = model_path
    params.model_alias = {Path(model_path).stem}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT_TOKENS * slots
    params.n_parallel = slots
    params.cache_prompt = slots > 1
    params.cache_ram_mib = CACHE_MEBIBYTES if slots > 1 else 0
    params.cpuparams.n_threads = 2
    params.verbosity = -1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
