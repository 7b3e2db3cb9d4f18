"""What the tests of the testbed's analyzer and implementer share: harnesses, trajectories, a chat of one model."""

from collections.abc import Callable
from dataclasses import dataclass

from evolve.contracts import Diagnosis, HistoryEntry, Proposal, TryHarness
from evolve.implementer import ChatImplementer
from harnesses.tree import HarnessTree
from studbook.llm.contracts import ChatCall, ChatReply, ChatRequest, Message, Usage
from studbook.llm.testbed import implementer

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
    """A `Chat` in which a single text program answers everything. Keeps the requests it was sent."""

    def __init__(self, answer: Callable[[ChatRequest], str]) -> None:
        self._answer = answer
        self.requests: list[ChatRequest] = []

    def chat(self, call: ChatCall) -> ChatReply:
        request = ask(call.messages, call.seed)
        self.requests.append(request)
        return ChatReply(text=self._answer(request), usage=Usage())


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
    return Talk(proposal=proposal, replies=tuple(implementer.reply(request) for request in chat.requests))


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
