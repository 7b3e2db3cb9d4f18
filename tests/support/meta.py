"""What the tests of the testbed's analyzer and implementer share: harnesses, a chat of one model, a box."""

import contextlib
import importlib
import importlib.abc
import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import yaml

from studbook.evolve.contracts import Diagnosis, HistoryEntry, Proposal, TryHarness
from studbook.evolve.policies.implementers.chat import ChatImplementer
from studbook.harnesses import harness_kit
from studbook.harnesses.harness_kit import Box
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import ChatCall, ChatReply, ChatRequest, Message, Usage
from studbook.testbed.models import implementer

HOME_MADE = {
    "harness.yaml": b"""version: 1
name: home_made
description: Somebody's own harness, with other file names and another shape.
entry: run.py:start
roles: [challenger]
editable: ["*.py", "texts/*"]
knobs:
  max_rounds: {type: int, low: 1, high: 6, value: 3}
""",
    "run.py": b'''"""One question a paper, three tries."""

import json
from harness_kit import Box


def start(box: Box):
    for number in range(min(box.max_rounds, int(box.knobs["max_rounds"]))):
        reply = box.chat("challenger", [{"role": "user", "content": prompt(box)}])
        try:
            draft = json.loads(reply)
        except ValueError:
            continue
        report = box.evaluate(draft)
        if report["status"] == "accepted":
            return


def prompt(box):
    return box.read("texts/ask.txt") + "\\n<paper>\\n" + box.paper.text + "\\n</paper>"
''',
    "texts/ask.txt": b"""Write one question about the paper, with a context, a reference answer and a rubric.
Reply in JSON.
""",
    "texts/unused.md": b"Nobody reads this question, context and answer.\n",
}


class OneModel:
    """A `Chat` in which a single text program answers everything. Keeps what it answered."""

    def __init__(self, answer: Callable[[ChatRequest], str]) -> None:
        self._answer = answer
        self.replies: list[str] = []

    def chat(self, call: ChatCall) -> ChatReply:
        text = self._answer(ask(call.messages, call.seed))
        self.replies.append(text)
        return ChatReply(text=text, usage=Usage())


def ask(messages: tuple[Message, ...], seed: int) -> ChatRequest:
    return ChatRequest(model="testbed", messages=messages, seed=seed, temperature=1.0, max_tokens=8000)


def survives(tree: HarnessTree) -> str:
    return "The harness ended in order: not accepted after 3 rounds."


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    proposal: Proposal
    replies: tuple[str, ...]


def implement(
    files: dict[str, bytes],
    diagnosis: str,
    seed: int,
    history: tuple[HistoryEntry, ...] = (),
    try_harness: TryHarness = survives,
) -> Talk:
    """A whole dialogue with the testbed's implementer, carried out by the real one."""
    chat = OneModel(implementer.reply)
    tree = HarnessTree.of(files)
    proposal = ChatImplementer(chat).implement(tree, Diagnosis(text=diagnosis), history, try_harness, seed)
    return Talk(proposal=proposal, replies=tuple(chat.replies))


LEAK_FOUND = """# Diagnosis

## Root causes, most weighty first

### 1. The context gives the answer away

The context leaks the solution: the weak solver copies the answer from the context.

> “To generate the final output of the model, we compute a logit.” (trajectory 1, round 2)

## Suggestions

1. Keep the solution and the results out of the context; check it for leaked answers before evaluating.
"""

TONE_BLAMED = """# Diagnosis

## Root causes, most weighty first

### 1. The tone of the instructions

The challenger is addressed curtly. A persona, some courtesy and a formal register might bring better work.

## Suggestions

1. Give it a persona and a formal tone, with some courtesy.
"""


SEED = Path(__file__).parents[2] / "harnesses" / "agentic_self_instruct"


def seed_files() -> dict[str, str]:
    """The seed harness as it is shipped."""
    paths = sorted(path for path in SEED.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(SEED).as_posix(): path.read_text() for path in paths}


def home_made_files() -> dict[str, str]:
    return {path: data.decode() for path, data in HOME_MADE.items()}


def as_bytes(files: Mapping[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in files.items()}


EXAMPLE = {
    "context": "Networks are large. Pruning makes them small. Some channels are idle.",
    "question": "What is pruned? Why?",
    "reference_answer": "Idle channels are pruned. They add nothing.",
    "rubric": [
        {"criterion": f"Says that channel {n} of the network is idle", "weight": n - 3} for n in range(8)
    ],
    "question_type": "why",
    "tags": ["a"],
}


@dataclass(slots=True)
class Visit:
    """What a harness did in a box that answers everything: chats, evaluated examples, prompts read."""

    chats: list[dict[str, Any]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    def answer(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        if kind == "chat":
            self.chats.append(body)
            reply = {"pass": True, "feedback": ""} if body["role"] == "verifier" else EXAMPLE
            return {"text": json.dumps(reply)}
        if kind == "evaluate":
            self.examples.append(body["example"])
            scores = {"average": 0.8, "best": 0.9, "scores": [0.8]}
            return {
                "status": "rejected",
                "category": "too_easy",
                "reason": "easy",
                "weak": scores,
                "strong": None,
            }
        return {}


@cache
def read_knobs(manifest: str) -> dict[str, float]:
    return {name: knob["value"] for name, knob in yaml.safe_load(manifest)["knobs"].items()}


def visit(files: Mapping[str, str], start: str) -> Visit:
    """Runs a harness in this process, against a box in which every example is too easy."""
    seen = Visit()
    knobs = read_knobs(files["harness.yaml"])
    payload = {
        "paper": {"id": "p", "title": "On pruning", "text": "Pruning. " * 3000},
        "knobs": dict(knobs),
        "max_rounds": 3,
    }

    def read(path: str) -> str:
        seen.read.add(path)
        return files[path]

    run_entry(files, start, Box(payload, read, seen.answer))
    return seen


def run_entry(files: Mapping[str, str], start: str, box: Box) -> None:
    """Imports the harness's modules under their own names, calls `file.py:function`, forgets them again."""
    names = [path.removesuffix(".py") for path in files if path.endswith(".py")]
    before = {name: sys.modules.pop(name, None) for name in [*names, "harness_kit"]}
    sys.modules["harness_kit"] = harness_kit
    finder = InMemory(files)
    sys.meta_path.insert(0, finder)
    try:
        module, _, function = start.partition(".py:")
        with contextlib.redirect_stdout(io.StringIO()):
            getattr(importlib.import_module(module), function)(box)
    finally:
        sys.meta_path.remove(finder)
        for name, old in before.items():
            sys.modules.pop(name, None)
            if old is not None:
                sys.modules[name] = old


class InMemory(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Top-level modules out of a mapping of files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if f"{fullname}.py" in self._files else None

    def get_source(self, fullname: str) -> str:
        return self._files[f"{fullname}.py"]
