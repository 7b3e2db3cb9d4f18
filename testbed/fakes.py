"""Fakes of what costs money: an evaluator with known pass rates, an implementer with known behavior.

They implement the same protocols as the real ones and are deterministic in their arguments; delays vary the
order of threads. A harness's true quality is the number in `prompts/level.md`, in percent, so the truth
behind every search outcome is known. For tests and for studying search methods; never used by a run.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from studbook.errors import IntegrityError, ModelError, ModelRejected, StudbookError
from studbook.evaluate.contracts import Paper
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Proposal, TryHarness
from studbook.evolve.policies.implementers.chat import kind_of_change
from studbook.harnesses.tree import HarnessTree
from studbook.identity import derive_seed, hash_json
from studbook.llm.contracts import ChatCall, ChatReply, Usage
from studbook.populations.records import Mutant, PaperResult, PaperVerdict

LEVEL = "prompts/level.md"

MANIFEST = b"""version: 1
name: fake
entry: agent.py:main
roles: [challenger]
editable: ["*.py", "prompts/*.md"]
knobs:
  bonus: {type: int, low: 0, high: 8, value: 0}
"""


def fake_harness(level: int = 20) -> HarnessTree:
    """A valid harness whose true pass rate is `level` percent (plus its knob `bonus`)."""
    agent = b"from harness_kit import Box\n\n\ndef main(box: Box) -> None:\n    box.log('nothing')\n"
    return HarnessTree.of({"harness.yaml": MANIFEST, "agent.py": agent, LEVEL: f"{level}\n".encode()})


def fake_papers(prefix: str, count: int) -> tuple[Paper, ...]:
    ids = [f"{prefix}{number:03d}" for number in range(count)]
    return tuple(Paper(paper_id=each, title=each, text=f"The text of {each}.", source=each) for each in ids)


@dataclass(slots=True, kw_only=True)
class FakeEvaluator:
    """Passes a paper with the probability given in the harness; all harnesses share the same random draws.

    From call `fail_at` on, `failure` is raised instead of returning a result. Thread-safe.
    """

    evaluator_hash: str = "fake"
    max_delay_seconds: float = 0.0
    fail_at: int | None = None
    failure: StudbookError | None = None
    calls: int = 0
    seen: dict[str, PaperResult] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def evaluate_paper(self, harness: HarnessTree, paper: Paper, replicate: int) -> PaperResult:
        key = hash_json([self.evaluator_hash, harness.tree_hash, paper.paper_id, replicate])
        with self.lock:
            if key in self.seen:
                return self.seen[key]
            self.calls += 1
            if self.failure is not None and self.fail_at is not None and self.calls >= self.fail_at:
                raise self.failure
        if self.max_delay_seconds:
            time.sleep(self.max_delay_seconds * Random().random())  # deliberately not seeded
        result = _result(harness, paper, replicate, key)
        with self.lock:
            self.seen[key] = result
        return result

    def draw_again(self, harness: HarnessTree, paper: Paper, replicate: int) -> None:
        """It has no judging roles, and nothing to draw."""


def _result(harness: HarnessTree, paper: Paper, replicate: int, key: str) -> PaperResult:
    draw = derive_seed("luck", paper.paper_id, replicate) / 2**31
    verdict = PaperVerdict.ACCEPTED if draw < pass_chance(harness) else PaperVerdict.NOT_ACCEPTED
    if b"crash" in harness.files["agent.py"]:
        verdict = PaperVerdict.CRASHED
    return PaperResult(
        key=key,
        paper_id=paper.paper_id,
        replicate=replicate,
        verdict=verdict,
        reason=f"the fake says {verdict}",
        rounds=(),
        usage=Usage(prompt_tokens=1, completion_tokens=1),
        calls=1,
        trajectory_hash=key,
    )


def pass_chance(harness: HarnessTree) -> float:
    """The true pass rate of a fake harness."""
    level = int(harness.files[LEVEL])
    return min(100.0, max(0.0, level + harness.manifest.knob_values["bonus"])) / 100


@dataclass(slots=True)
class ScriptedChat:
    """A `Chat` that returns its replies in order and raises those that are errors; `asked` is the calls."""

    replies: list[str | ChatReply | ModelError]
    asked: list[ChatCall] = field(default_factory=list)

    def chat(self, call: ChatCall) -> ChatReply:
        self.asked.append(call)
        if len(self.asked) > len(self.replies):
            raise ModelRejected(f"the script ends before call {len(self.asked)}")
        reply = self.replies[len(self.asked) - 1]
        if isinstance(reply, ModelError):
            raise reply
        return reply if isinstance(reply, ChatReply) else ChatReply(text=reply, usage=Usage())


class FakeAnalyzer:
    def analyze(
        self, parent: HarnessTree, results: Sequence[PaperResult], history: Sequence[HistoryEntry], seed: int
    ) -> Diagnosis:
        passed = sum(result.passed for result in results)
        level = parent.files[LEVEL].decode().strip()
        return Diagnosis(
            text=f"{passed} of {len(results)} at level {level}, {len(history)} tried, seed {seed}"
        )


class FakeImplementer:
    """Raises or lowers the level, breaks the code, crashes it, or does nothing, depending on the seed."""

    def implement(
        self,
        parent: HarnessTree,
        diagnosis: Diagnosis,
        history: Sequence[HistoryEntry],
        try_harness: TryHarness,
        seed: int,
    ) -> Proposal:
        level = int(parent.files[LEVEL])
        agent = parent.files["agent.py"]
        move, change = Random(seed).choice(
            [
                ("raise the level", {LEVEL: f"{level + 10}\n".encode()}),
                ("raise the level more", {LEVEL: f"{level + 20}\n".encode()}),
                ("lower the level", {LEVEL: f"{max(0, level - 10)}\n".encode()}),
                ("explain the code", {"agent.py": b"# a comment\n" + agent}),
                ("shorten the code", {"agent.py": agent + b"\ndef broken(:\n"}),
                ("clean the code", {"agent.py": agent + b"\nCLEAN = 'crash'\n"}),
                ("leave it", {}),
            ]
        )
        tree = parent.replace(dict(change))
        try_harness(tree)
        return Proposal(
            tree=tree,
            kind=kind_of_change(parent.files, tree.files),
            hypothesis=move,
            refused_actions=len(history) % 2,
        )


@dataclass(slots=True)
class MemoryTrees:
    """An in-memory `TreeStore`; the commit is a hash of what was added."""

    trees: dict[str, HarnessTree] = field(default_factory=dict)

    def get(self, mutant: Mutant) -> HarnessTree:
        if mutant.commit not in self.trees:
            raise IntegrityError(f"{mutant.harness_id} is not in this store")
        return self.trees[mutant.commit]

    def add(self, mutant: Mutant, tree: HarnessTree, parent_commit: str | None) -> str:
        commit = hash_json([mutant.harness_id, tree.tree_hash, parent_commit])[:40]
        self.trees[commit] = tree
        return commit
