"""The same task for Studbook and its peers: the time of an iteration if model and evaluation are free.

    make bench-peers
    .venv/bin/python -m benchmarks.peers [--iterations 200] [--only gepa] [--python .venv.peers/bin/python]

The task: a text of about 2 kB in which a model that answers immediately changes one thing, and an evaluation
that reads a number from it, sequentially. Each framework stores on disk what it stores by default; GEPA is
given a folder. Studbook runs in this process, the peers in a separate environment and process
(`peer_runs.py`); a peer that is not installed there is skipped.

OpenEvolve, ShinkaEvolve and one of Studbook's two rows call a local HTTP server in the OpenAI chat format;
the first line of output is the time of a bare call. GEPA and Studbook's other row have the model in the
process: GEPA needs litellm for HTTP. ShinkaEvolve starts a process for every evaluation and polls for its
end, so its evaluations cannot be free.

ms per iteration is the time from one proposal to the next, in windows of 200. CPU is the time of the
framework's processes without the server, including startup (not for Studbook, which runs in this process).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from statistics import fmean, median

from benchmarks.iterations import ROOT, WINDOW, say
from benchmarks.parallel import Diary, SlowModels, search
from benchmarks.peer_runs import PEERS, answer_of
from benchmarks.scheduling import Latency
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Proposal, SearchSettings, TryHarness
from studbook.harnesses.tree import HarnessTree
from studbook.llm.client import ModelClient
from studbook.llm.contracts import Chat, ChatCall, ChatReply, ChatRequest, Endpoint, Message, RoleModel
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.records import CallRecords
from studbook.llm.secrets import Secret
from studbook.testbed.scripted import reply_to
from studbook.testbed.server.server import BackendServer

MODEL = "free"
NAMES = {"openevolve": "openevolve", "gepa": "gepa", "shinka": "shinka-evolve"}
"""For each peer: the package whose version is reported."""
TIMEOUT_SECONDS = 600
FREE = Latency(mean_seconds=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """When each iteration began, or requested its proposal; and the total CPU seconds."""

    times: list[float]
    cpu_seconds: float


class Answering:
    """A backend that answers immediately and records when it was called."""

    def __init__(self, times: Path) -> None:
        self._times = times
        self._number = count(1)  # next() is atomic

    def complete(self, request: ChatRequest) -> ChatReply:
        with self._times.open("a", encoding="ascii") as file:
            file.write(f"{time.monotonic():.6f}\n")
        return reply_to(request, answer_of(next(self._number)))


@dataclass(slots=True, kw_only=True)
class Asking(SlowModels):
    """An implementer that calls a model first; the reply has no effect."""

    chat: Chat

    def implement(
        self,
        parent: HarnessTree,
        diagnosis: Diagnosis,
        history: Sequence[HistoryEntry],
        try_harness: TryHarness,
        seed: int,
    ) -> Proposal:
        said = "\n".join(content.decode() for content in parent.files.values())[:4000]
        self.chat.chat(
            ChatCall(role="implementer", messages=(Message(role="user", content=said),), seed=seed)
        )
        return SlowModels.implement(self, parent, diagnosis, history, try_harness, seed)


@contextmanager
def served(times: Path) -> Iterator[str]:
    """The free model behind HTTP in a separate process; yields its URL."""
    command = [sys.executable, "-m", "benchmarks.peers", "--serve", str(times)]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None  # it is a pipe
        yield server.stdout.readline().strip()
    finally:
        server.communicate()  # closes its stdin, which ends it


def serve(times: Path) -> None:
    with BackendServer(Answering(times), models=[MODEL]) as server:
        say(server.base_url)
        sys.stdin.read()


def windows(times: Sequence[float], width: int = WINDOW) -> list[tuple[int, int, float, float]]:
    """(first, last, mean ms, median ms) of each window of iterations."""
    taken = [1000 * (later - earlier) for earlier, later in pairwise(times)]
    return [
        (first + 1, first + len(part), fmean(part), median(part))
        for first in range(0, len(taken), width)
        if len(part := taken[first : first + width]) >= min(width, len(taken)) // 2
    ]


def ours(folder: Path, models: SlowModels, iterations: int) -> Timed:
    """The real loop, journal and lineage, sequentially; no knobs, so that every iteration calls the model."""
    settings = SearchSettings(run_seed=1, iterations=iterations, minibatch=1, knob_share=0.0)
    cpu = time.process_time()
    done = search(folder, models, 1, settings)
    return Timed(times=list(done.diary.started.values()), cpu_seconds=time.process_time() - cpu)


def ours_over_http(folder: Path, url: str, iterations: int) -> Timed:
    with CallRecords.open(folder / "calls.sqlite") as records:
        backend = OpenAIBackend(name="local", base_url=url, api_key=Secret())
        client = ModelClient(
            roles={"implementer": RoleModel(endpoint="local", model=MODEL)},
            endpoints={"local": Endpoint(name="local", backend=backend)},
            records=records,
        )
        try:
            return ours(folder, Asking(diary=Diary(latency=FREE), chat=client), iterations)
        finally:
            backend.close()


def version_of(python: Path, package: str) -> str | None:
    """None if the package or the environment is not installed."""
    if not python.exists():
        return None
    program = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def theirs(python: Path, peer: str, folder: Path, url: str, times: Path, iterations: int) -> Timed | str:
    """Runs a peer; on failure returns the end of its output."""
    times.write_text("")
    command = [str(python), str(ROOT / "benchmarks" / "peer_runs.py"), peer, "--url", url]
    command += ["--iterations", str(iterations), "--folder", str(folder)]
    before = children_cpu()
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "OPENAI_API_KEY": "none"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {TIMEOUT_SECONDS} s"
    if ran.returncode != 0:
        return " ".join((ran.stdout + ran.stderr).split())[-400:]
    asked = json.loads(ran.stdout.splitlines()[-1]) or [float(line) for line in times.read_text().split()]
    return Timed(times=asked, cpu_seconds=children_cpu() - before)


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def call_ms(url: str, times: int = 50) -> float:
    """The median of a bare call to the server, with the `openai` package of this environment."""
    backend = OpenAIBackend(name="local", base_url=url, api_key=Secret())
    request = ChatRequest(
        model=MODEL,
        messages=(Message(role="user", content="x" * 4000),),
        seed=1,
        temperature=1.0,
        max_tokens=4096,
    )
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        backend.complete(request)
        taken.append(1000 * (time.perf_counter() - began))
    backend.close()
    return median(taken)


def print_timed(name: str, timed: Timed, iterations: int) -> None:
    cells = [
        f"{first}–{last}: {mean:.1f} (median {middle:.1f})"
        for first, last, mean, middle in windows(timed.times)
    ]
    cpu = 1000 * timed.cpu_seconds / iterations
    say(f"{name:26} {len(timed.times) - 1:6} {cpu:9.1f}   {'   '.join(cells)}")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--only", action="append", choices=["studbook", *PEERS], default=[])
    parser.add_argument("--python", type=Path, default=ROOT / ".venv.peers" / "bin" / "python")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        return serve(options.serve)
    wanted = options.only or ["studbook", *PEERS]
    with tempfile.TemporaryDirectory(prefix="studbook-peers-") as temporary:
        root = Path(temporary)
        folders = {name: root / name for name in ["studbook", "studbook-http", *PEERS]}
        for folder in folders.values():
            folder.mkdir()
        with served(root / "times") as url:
            say(f"a bare call to the local server: {call_ms(url):.1f} ms")
            say("framework                   timed    CPU ms   ms per iteration: mean")
            if "studbook" in wanted:
                free = ours(folders["studbook"], SlowModels(diary=Diary(latency=FREE)), options.iterations)
                print_timed("studbook, in the process", free, options.iterations)
                called = ours_over_http(folders["studbook-http"], url, options.iterations)
                print_timed("studbook, over http", called, options.iterations)
            for peer in PEERS:
                if peer in wanted:
                    run_peer(options.python, peer, folders[peer], url, root / "times", options.iterations)
    return None


def run_peer(python: Path, peer: str, folder: Path, url: str, times: Path, iterations: int) -> None:
    version = version_of(python, NAMES[peer])
    if version is None:
        say(f"{peer:26} skipped: not installed (make bench-peers installs it)")
        return
    found = theirs(python, peer, folder, url, times, iterations)
    if isinstance(found, str):
        say(f"{peer} {version}: failed: {found}")
    elif len(found.times) < 3:
        say(f"{peer} {version}: requested only {len(found.times)} proposals")
    else:
        print_timed(f"{peer} {version}", found, iterations)


if __name__ == "__main__":
    main(sys.argv[1:])
