"""Serves a GGUF model on loopback with a server that nobody here wrote: python serve_local_model.py MODEL.

Runs in .venv.llm, without anything of Studbook. Prints the server's address, then waits to be ended. One slot
and no prompt cache, because only then do the same seeds give the same answers.
"""

import sys
import threading

import xllamacpp

CONTEXT_TOKENS = 8192


def main(model_path: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = model_path
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = 2
    params.verbosity = -1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
