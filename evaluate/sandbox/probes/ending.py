"""What has to hold at the end of a box: the deadline, the flood of output, and that nothing is left."""

import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evaluate.sandbox.contract import BoxStatus, Sandbox
from evaluate.sandbox.docker_box import DockerSandbox
from evaluate.sandbox.owner import OWNER_LABEL, this_process
from evaluate.sandbox.probes.readings import Reading, Verdict, enforced, judged, missing, reading, untried
from evaluate.sandbox.probes.visits import LIMITS, Visit, finished, visit
from evaluate.sandbox.process_box import ProcessSandbox
from evaluate.sandbox.process_home import PREFIX, owner_of
from evaluate.sandbox.process_tree import all_pids, command_line

DEADLINE = replace(LIMITS, wall_seconds=1.0)
OVERSHOOT_SECONDS = 2.0
GOING_SECONDS = 1.0  # for a killed process to be gone from /proc


def probe_deadline(sandbox: Sandbox) -> Iterator[Reading]:
    yield reading("deadline", judge_deadline(visit(sandbox, "stay", DEADLINE)), sandbox.name)


def judge_deadline(found: Visit) -> Verdict:
    if found.heard_at is None:
        return untried(f"the box ended with {found.outcome.status}: {found.outcome.detail}")
    over = max(0.0, found.ended_at - found.heard_at - DEADLINE.wall_seconds)
    text = f"ended and removed {over:.2f} s after its deadline of {DEADLINE.wall_seconds:g} s"
    if found.outcome.status is not BoxStatus.TIMED_OUT:
        return missing(f"a box went on to its own end, {over:.1f} s past its deadline")
    return enforced(text) if over <= OVERSHOOT_SECONDS else missing(text, is_mild=True)


def probe_output(sandbox: Sandbox) -> Iterator[Reading]:
    outcome = visit(sandbox, "flood").outcome
    text = f"{4 * LIMITS.output_bytes >> 20} MiB printed where {LIMITS.output_bytes >> 20} is allowed"
    verdict = judged(outcome.status is BoxStatus.OUT_OF_LIMITS, f"{text}: {outcome.detail}")
    if outcome.status not in (BoxStatus.OUT_OF_LIMITS, BoxStatus.FINISHED):
        verdict = untried(f"the box ended with {outcome.status}: {outcome.detail}")
    yield reading("output", verdict, sandbox.name)


def probe_leaving(sandbox: Sandbox) -> Iterator[Reading]:
    """The engine's log of a box that lives, and what is left of it when it has ended."""
    token = str(secrets.randbelow(10**15) + 10**15)
    logs: list[str] = []
    seen: set[int] = set()

    def look(_word: str) -> None:
        seen.update(marked_processes(token))
        logs.extend(kept_logs(sandbox))

    finished(visit(sandbox, "leave", on_word=look, token=int(token)))
    yield reading("log", judge_log(sandbox, logs), sandbox.name)
    yield reading("removal", judge_removal(sandbox, token, bool(seen)), sandbox.name)


def judge_log(sandbox: Sandbox, logs: list[str]) -> Verdict:
    if not isinstance(sandbox, DockerSandbox):
        return enforced("nothing keeps what a child process prints")
    return missing(f"the engine kept {logs[0]!r}") if logs else enforced("the engine kept nothing of it")


def kept_logs(sandbox: Sandbox) -> list[str]:
    if not isinstance(sandbox, DockerSandbox):
        return []
    logs = [sandbox.engine.find_log(box) for box in own_containers(sandbox)]
    return [text for text in logs if text]


def own_containers(sandbox: DockerSandbox) -> list[str]:
    me = str(this_process())
    return [box for box, labels in sandbox.engine.labelled(OWNER_LABEL).items() if labels[OWNER_LABEL] == me]


def judge_removal(sandbox: Sandbox, token: str, was_seen: bool) -> Verdict:
    left = leftovers(sandbox, token)
    if left:
        return missing(f"left: {', '.join(left)}")
    what = "container" if isinstance(sandbox, DockerSandbox) else "folder"
    seen = (
        "its daemon was seen from here and is gone" if was_seen else "its processes cannot be seen from here"
    )
    return enforced(f"no {what} is left; {seen}")


def leftovers(sandbox: Sandbox, token: str) -> list[str]:
    until = time.monotonic() + GOING_SECONDS
    while (pids := marked_processes(token)) and time.monotonic() < until:
        time.sleep(0.02)
    left = [f"process {pid}" for pid in pids]
    if isinstance(sandbox, DockerSandbox):
        return left + [f"container {box[:12]}" for box in own_containers(sandbox)]
    return left + [f"folder {folder}" for folder in own_folders(sandbox)]


def own_folders(sandbox: Sandbox) -> list[Path]:
    folder = sandbox.folder if isinstance(sandbox, ProcessSandbox) else None
    boxes = (folder or Path(tempfile.gettempdir())).glob(f"{PREFIX}*")
    return [box for box in boxes if owner_of(box) == str(this_process())]


def marked_processes(token: str) -> set[int]:
    """Processes anywhere on this machine that carry the token as an argument."""
    return {pid for pid in all_pids() if token.encode() in command_line(pid).split(b"\0")}
