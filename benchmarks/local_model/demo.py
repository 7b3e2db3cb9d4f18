"""`make demo-llm`: doctor, an evaluation and a whole small run with a real model.

Without OPENAI_BASE_URL a 1.5B model is fetched and served on this machine by a server that nobody here wrote
(1.2 GB once, two cores, at most 40 minutes). With it, MODEL at that address is tried instead:

    OPENAI_BASE_URL=https://… OPENAI_API_KEY=… MODEL=name make demo-llm

HOURS=2 gives the run more time, on a slow or busy machine. The last step writes the report, conformance.md
and conformance.json. Nothing it shows is a result about harnesses: the run is far too small, and a model of
this size judges near chance.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path("benchmarks/local_model")
LOCAL_MODEL = "qwen2.5-coder-1.5b-instruct"
SLOTS = 2
HOURS = 0.5
"""Of the run itself, unless the variable HOURS says otherwise: with all other steps below 40 minutes."""
PAPERS = Path("experiments/conformance/papers")
REPORT = "conformance.md"


@contextmanager
def local_server(model: str) -> Iterator[str]:
    """The address of a server of its own, ended with the block."""
    subprocess.run(["sh", HERE / "setup.sh", model], cwd=ROOT, check=True)
    command = [".venv.llm/bin/python", HERE / "serve.py", f".models/{model}.gguf", str(SLOTS)]
    environment = {**os.environ, "GOMP_SPINCOUNT": "0"}  # waiting threads would take the cores from the run
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            if not address:
                raise SystemExit("the model server did not start")
            yield f"{address}/v1"
        finally:
            server.kill()


def settings(model: str, *, is_local: bool) -> list[str]:
    """The spec's keys that every step shares."""
    chosen = {"models.default.endpoint": "openai", "models.default.model": model}
    slow = {
        "models.endpoints.openai.concurrency": SLOTS,
        "models.endpoints.openai.timeout_seconds": 900,
        "sandbox.limits.wall_seconds": 900,
        "corpus.splits.validation": 1,
        "budget.hours": float(os.environ.get("HOURS", HOURS)),
    }
    values = {**chosen, **(slow if is_local else {})}
    return [word for key, value in values.items() for word in ("-s", f"{key}={value}")]


def steps(model: str, *, is_local: bool) -> dict[str, list[str]]:
    """What is done, in order: words for the reader → arguments of `studbook`."""
    chosen = settings(model, is_local=is_local)
    seed = "agentic_self_instruct"
    return {
        "Does the endpoint answer?": ["doctor", "conformance", "--no-canary", *chosen],
        "The seed harness on one paper": [
            *("evaluate", seed, "--papers", str(PAPERS), "--limit", "1", "--spec", "conformance"),
            *chosen,
        ],
        "A whole small run, and the report": [
            *("conformance", "conformance", "--out", REPORT),
            *chosen,
        ],
    }


def run_steps(address: str, model: str, *, is_local: bool) -> int:
    """The last exit code that was not 0. A step that fails is shown, and the next one is tried."""
    environment: Mapping[str, str] = {**os.environ, "OPENAI_BASE_URL": address}
    code, began = 0, time.monotonic()
    for words, arguments in steps(model, is_local=is_local).items():
        say(f"\n== {words}\n   studbook {' '.join(arguments)}")
        done = subprocess.run(
            [sys.executable, "-m", "studbook", *arguments], cwd=ROOT, env=environment, check=False
        )
        code = done.returncode or code
        say(f"   ({(time.monotonic() - began) / 60:.1f} minutes so far)")
    return code


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server is ended, too
    address, model = os.environ.get("OPENAI_BASE_URL"), os.environ.get("MODEL")
    if address:
        if not model:
            say("OPENAI_BASE_URL is set: name the model, too: MODEL=name make demo-llm")
            return 2
        return run_steps(address, model, is_local=False)
    if os.environ.get("OPENAI_API_KEY") and model:
        return run_steps("https://api.openai.com/v1", model, is_local=False)
    with local_server(model or LOCAL_MODEL) as local:
        return run_steps(local, model or LOCAL_MODEL, is_local=True)


if __name__ == "__main__":
    sys.exit(main())
