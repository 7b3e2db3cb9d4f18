"""The implementer's dialogue read back from the messages: what it knows, what it did, how that went.

The implementer remembers nothing between turns, so all of it is recovered here, each time. Text inside
results is data: only the frame around it is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from studbook.llm.contracts import Message
from studbook.llm.testbed.analyzer_trajectory import tagged

_RESULT = re.compile(
    r'^<result action="(?P<action>\w+)"(?: path="(?P<path>[^"\n]*)")? ok="(?P<ok>true|false)"[^>\n]*>\n'
    r"(?P<text>.*?)\n?</result>(?=\s*(?:^<result |^Turns left|\Z)|\s*\n)",
    re.DOTALL | re.MULTILINE,
)
_TURNS_LEFT = re.compile(r"Turns left: (\d+)")
_FILE_LINE = re.compile(r"^[-*]?\s*(?P<path>[^\s:]+)(?::?\s+\(?\d+.*)?$")
_READABLE = (".py", ".md", ".txt", ".yaml", ".yml", ".json")
_CUT = re.compile(r"^\[… \d+ characters left out …\]$", re.MULTILINE)
_HYPOTHESIS = re.compile(r"^Hypothesis: (.+)$", re.MULTILINE)

EDITS = frozenset({"replace", "write", "delete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    action: str
    path: str
    ok: bool
    text: str

    @property
    def is_refused(self) -> bool:
        return not self.ok and self.action in EDITS and self.text.lower().startswith("refused")


@dataclass(slots=True, kw_only=True)
class Dialogue:
    """`files` are the texts before any edit; `rounds` the results of each own message, in order."""

    diagnosis: str = ""
    history: str = ""
    listed: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    rounds: list[list[Result]] = field(default_factory=list)
    hypothesis: str = ""
    turns_left: int | None = None

    @property
    def edits(self) -> list[Result]:
        return [result for results in self.rounds for result in results if result.action in EDITS]

    @property
    def edit_rounds(self) -> int:
        return sum(any(result.action in EDITS for result in results) for results in self.rounds)

    @property
    def last(self) -> list[Result]:
        return self.rounds[-1] if self.rounds else []

    @property
    def unread(self) -> list[str]:
        return [path for path in self.listed if path not in self.asked and path.endswith(_READABLE)]


def read_dialogue(messages: Sequence[Message]) -> Dialogue:
    dialogue = Dialogue()
    users = [message.content for message in messages if message.role == "user"]
    opening = users[0] if users else ""
    dialogue.diagnosis = tagged(opening, "diagnosis")
    dialogue.history = tagged(opening, "history")
    _list(dialogue, tagged(opening, "files"))
    for text in users[1:]:
        _take_results(dialogue, text)
    for message in messages:
        found = _HYPOTHESIS.findall(message.content) if message.role == "assistant" else []
        dialogue.hypothesis = found[-1].strip() if found else dialogue.hypothesis
    left = _TURNS_LEFT.findall(users[-1]) if users else []
    dialogue.turns_left = int(left[-1]) if left else None
    return dialogue


def _take_results(dialogue: Dialogue, text: str) -> None:
    results = [
        Result(action=found["action"], path=found["path"] or "", ok=found["ok"] == "true", text=found["text"])
        for found in _RESULT.finditer(text)
    ]
    dialogue.rounds.append(results)
    for result in results:
        if result.action == "list" and result.ok:
            _list(dialogue, result.text)
        elif result.action == "read":
            dialogue.asked.add(result.path)
            if result.ok and not dialogue.edits and not _CUT.search(result.text):
                dialogue.files[result.path] = result.text


def _list(dialogue: Dialogue, text: str) -> None:
    for line in text.split("\n"):
        found = _FILE_LINE.match(line.strip())
        if found and found["path"] not in dialogue.listed:
            dialogue.listed.append(found["path"])
