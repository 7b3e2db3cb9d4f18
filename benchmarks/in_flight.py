"""64 papers at once in one process: the overhead of a call from a box to a model and back.

    .venv/bin/python -m benchmarks.in_flight [--papers 64] [--calls 20] [--sandbox process|docker]

Uses the real evaluator, sandbox, shim, relay, client, call records and trajectories, all on disk. The harness
makes sequential chat calls, each with a paper of 20,000 characters; the backend sleeps 0.5 to 1.5 s
(uniformly distributed, 1 s on average, seeded by the call; `--fixed`: 1 s each, so that calls arrive in
bursts).

There are two backends: one in this process (only box, host and client) and one behind HTTP in a separate
process (adds the openai package, HTTP and the server's own work). In the last row the same number of threads
calls the HTTP backend without boxes, records or client, as a baseline.

`overhead` is how long the harness waits beyond the time that the backend reports to have slept, for calls
that began and ended while all papers were running. `throughput` is the number of calls that ended in that
period, relative to papers / mean latency. `cores` is CPU time divided by wall time, for this process and its
boxes, without containers. `wall` includes starting all boxes, the throughput does not.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.box_overhead import Call, read_calls, summarize
from benchmarks.iterations import ROOT, say
from studbook.evaluate.contracts import Paper
from studbook.evaluate.evaluations import evaluate_many
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.paper_queue import PaperQueue
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.harnesses.tree import HarnessTree
from studbook.identity import derive_seed
from studbook.llm.client import ModelClient
from studbook.llm.contracts import Backend, ChatReply, ChatRequest, Endpoint, Message, RoleModel
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.records import CallRecords
from studbook.llm.secrets import Secret
from studbook.sandbox.contract import Sandbox
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.process_box import ProcessSandbox
from studbook.sandbox.shim import kit_sources, shim_source
from studbook.testbed.scripted import reply_to
from studbook.testbed.server.server import BackendServer

MODEL = "sleeper"
PAPER_CHARACTERS = 20_000
REPLY_CHARACTERS = 2_000
MANIFEST = b"""version: 1
name: caller
entry: agent.py:main
roles: [challenger]
editable: ["*.py"]
knobs:
  calls: {type: int, low: 1, high: 100, value: 20}
"""
AGENT = b"""import time

from harness_kit import Box


def main(box: Box) -> None:
    lines = []
    for number in range(box.knobs["calls"]):
        said = [{"role": "user", "content": box.paper.text + f"\\n\\nDraft {number}."}]
        begin = time.monotonic()
        reply = box.chat("challenger", said)
        seconds = time.monotonic() - begin
        lines.append(f"{begin:.4f} {seconds:.5f} {reply.split()[0]}")
    box.log("\\n".join(lines))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeper:
    """A backend that sleeps and starts its reply with the seconds it slept."""

    fixed: bool = False
    mean_seconds: float = 1.0

    def complete(self, request: ChatRequest) -> ChatReply:
        spread = 1.0 if self.fixed else Random(request.seed).uniform(0.5, 1.5)
        began = time.monotonic()
        time.sleep(self.mean_seconds * spread)
        text = f"{time.monotonic() - began:.5f} and then a reply of the usual length. "
        return reply_to(request, text.ljust(REPLY_CHARACTERS, "x"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flown:
    """The result of one measurement. CPU seconds are of this process and of all its boxes together."""

    calls: list[Call]
    wall: float
    host_cpu: float
    boxes_cpu: float


def caller(calls: int) -> HarnessTree:
    """A harness that only makes calls."""
    manifest = MANIFEST.replace(b"value: 20", b"value: %d" % calls)
    return HarnessTree.of({"harness.yaml": manifest, "agent.py": AGENT})


def papers_of(count: int) -> list[Paper]:
    words = "What was measured is given with its unit and with the number of samples. "
    text = (words * (PAPER_CHARACTERS // len(words) + 1))[:PAPER_CHARACTERS]
    return [
        Paper(paper_id=f"p{number:03}", title="A paper", text=f"{number}. {text}", source="-")
        for number in range(count)
    ]


def fly(sandbox: Sandbox, backend: Backend, folder: Path, papers: int, calls: int) -> Flown:
    """Runs all papers at once, in an empty folder."""
    frozen = Frozen(
        settings=EvaluatorSettings(),
        run_seed=1,
        models={},
        box_sources={"shim": shim_source(), **kit_sources()},
    )
    store = TrajectoryStore(folder / "trajectories")
    with CallRecords.open(folder / "calls.sqlite") as records, ThreadPoolExecutor(papers) as pool:
        client = ModelClient(
            roles={"challenger": RoleModel(endpoint="local", model=MODEL)},
            endpoints={"local": Endpoint(name="local", backend=backend, max_concurrent=papers)},
            records=records,
        )
        evaluator = SandboxedEvaluator(chat=client, sandbox=sandbox, store=store, frozen=frozen)
        began, host, boxes = time.monotonic(), time.process_time(), boxes_cpu()
        evaluation = evaluate_many(
            PaperQueue(evaluator, pool),
            caller(calls),
            papers_of(papers),
            harness_id="seed",
            split="validation",
            replicate=1,
            workers=papers,
        )
        wall, host = time.monotonic() - began, time.process_time() - host
    logged = [
        call
        for result in evaluation.results
        for event in store.get(result.key).events
        if event["kind"] == "log"
        for call in read_calls(result.paper_id, event["text"])
    ]
    return Flown(calls=logged, wall=wall, host_cpu=host, boxes_cpu=boxes_cpu() - boxes)


def ask_alone(backend: Backend, papers: int, calls: int) -> Flown:
    """The same requests by the same number of threads, directly to the backend."""

    def ask(paper: Paper) -> list[Call]:
        asked = []
        for number in range(calls):
            said = Message(role="user", content=f"{paper.text}\n\nDraft {number}.")
            seed = derive_seed(paper.paper_id, number)
            request = ChatRequest(model=MODEL, messages=(said,), seed=seed, temperature=1.0, max_tokens=4096)
            begin = time.monotonic()
            text = backend.complete(request).text
            seconds = time.monotonic() - begin
            slept = float(text.split()[0])
            asked.append(Call(paper=paper.paper_id, begin=begin, seconds=seconds, backend=slept))
        return asked

    began, host = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(papers) as pool:
        asked = [call for each in pool.map(ask, papers_of(papers)) for call in each]
    return Flown(
        calls=asked, wall=time.monotonic() - began, host_cpu=time.process_time() - host, boxes_cpu=0.0
    )


def boxes_cpu() -> float:
    """CPU seconds of finished child processes; containers are not included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def served(sleeper: Sleeper) -> Iterator[Backend]:
    """The same backend behind HTTP, in a separate process."""
    command = [sys.executable, "-m", "benchmarks.in_flight", "--serve", "--mean", str(sleeper.mean_seconds)]
    command += ["--fixed"] if sleeper.fixed else []
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None  # it is a pipe
        url = server.stdout.readline().strip()
        backend = OpenAIBackend(name="local", base_url=url, api_key=Secret())
        try:
            yield backend
        finally:
            backend.close()
    finally:
        server.communicate()  # closes its stdin, which ends it


def serve(sleeper: Sleeper) -> None:
    """Serves until stdin is closed, which happens when the parent process ends for any reason."""
    with BackendServer(sleeper, models=[MODEL]) as server:
        say(server.base_url)
        sys.stdin.read()


def print_flown(name: str, flown: Flown) -> None:
    found = summarize(flown.calls)
    told = "never all at once: increase --calls"
    if found is not None:
        told = (
            f"{found.calls:6} {100 * found.share:9.1f}% {found.median_ms:14.1f} {found.p95_ms:7.1f} ms"
            f" {1000 * flown.host_cpu / len(flown.calls):6.1f} ms"
        )
    say(
        f"{name:24} {flown.wall:5.1f} s {flown.host_cpu / flown.wall:12.2f}"
        f" {flown.boxes_cpu / flown.wall:6.2f} {told}"
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--papers", type=int, default=64)
    parser.add_argument("--calls", type=int, default=20, help="calls per paper")
    parser.add_argument("--mean", type=float, default=1.0, help="mean seconds per call")
    parser.add_argument("--fixed", action="store_true", help="the same duration for every call")
    parser.add_argument("--sandbox", choices=["process", "docker"], default="process")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    sleeper = Sleeper(fixed=options.fixed, mean_seconds=options.mean)
    if options.serve:
        return serve(sleeper)
    sandbox = DockerSandbox.connect() if options.sandbox == "docker" else ProcessSandbox.open()
    say(f"{options.papers} papers at once, {options.calls} calls each; {sandbox.statement}")
    say("backend                    wall   cores: host  boxes   calls  throughput  overhead: median p95 CPU")
    try:
        with tempfile.TemporaryDirectory(prefix="studbook-flight-") as temporary:
            for name in ("in the process", "http"):
                (folder := Path(temporary) / name.replace(" ", "-")).mkdir()
                if name == "http":
                    with served(sleeper) as backend:
                        print_flown(name, fly(sandbox, backend, folder, options.papers, options.calls))
                        print_flown("http, no boxes", ask_alone(backend, options.papers, options.calls))
                else:
                    print_flown(name, fly(sandbox, sleeper, folder, options.papers, options.calls))
    finally:
        sandbox.close()
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
