"""The analyzer: from full trajectories and the history to a root-cause analysis with quoted evidence.

Builds one prompt within a character budget. Trajectories are shown in full if they fit. Otherwise they are
cut fairly: all get the same allowance, and short ones leave their unused part to the long ones; each cut says
how much is missing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from studbook.errors import RequestFailed
from studbook.evaluate.metering import MeteredChat
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Unanswered
from studbook.evolve.prompting import cut_middle, load_prompt, summarize
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import Chat, ChatCall, Message
from studbook.populations.records import PaperResult

DATA_FILES = ("../../prompts/analyzer.md",)
"""Its prompt: part of what a run is bound to."""

RenderTrajectory = Callable[[PaperResult, int], str]
"""Renders one trajectory as text of at most so many characters; see `evaluate/trajectories.py`."""

CHARACTERS_PER_TOKEN = 4

PROMPT_TOKENS = 100_000
"""Approximate prompt budget, at CHARACTERS_PER_TOKEN each."""
SHRINKS = (1, 2, 6)
"""The budget is divided by these numbers in turn while the model refuses the prompt."""
MARGIN = 150
"""Characters for the tags of one section and the line that marks a cut."""

_SECTION = re.compile(
    r"<(?=\s*+/?\s*+(?:history|harness_files|file|trajectories|trajectory)\b)", re.IGNORECASE
)
"""Tags that a harness's text could imitate; their first character is replaced."""


class ChatAnalyzer:
    """An `Analyzer` that asks the role `analyzer` once, or with a shorter prompt if refused. Thread-safe."""

    def __init__(self, chat: Chat, render: RenderTrajectory, prompt_tokens: int = PROMPT_TOKENS) -> None:
        self._chat = chat
        self._render = render
        self._characters = prompt_tokens * CHARACTERS_PER_TOKEN
        self._system = load_prompt("analyzer.md")

    def analyze(
        self, parent: HarnessTree, results: Sequence[PaperResult], history: Sequence[HistoryEntry], seed: int
    ) -> Diagnosis:
        room, reason, chat = self._characters - len(self._system), "", MeteredChat(self._chat)
        for shrink in SHRINKS:
            prompt = build_prompt(parent.files, results, self._render, history, room // shrink)
            try:
                return Diagnosis(text=self._ask(chat, prompt, seed), evidence=chat.evidence)
            except RequestFailed as error:  # too long, filtered, empty or slow: a shorter prompt may work
                reason = str(error)
        raise Unanswered(f"the analyzer's model did not answer: {reason}", chat.evidence)

    def _ask(self, chat: Chat, prompt: str, seed: int) -> str:
        messages = (Message(role="system", content=self._system), Message(role="user", content=prompt))
        return chat.chat(ChatCall(role="analyzer", messages=messages, seed=seed)).text.strip()


def build_prompt(
    files: Mapping[str, bytes],
    results: Sequence[PaperResult],
    render: RenderTrajectory,
    history: Sequence[HistoryEntry],
    limit: int,
) -> str:
    """History gets at most 10% of `limit`, files at most 30%, and trajectories the rest."""
    past = f"<history>\n{_SECTION.sub('‹', summarize(history, limit // 10))}\n</history>"
    texts = [_SECTION.sub("‹", data.decode("utf-8", "replace")) for data in files.values()]
    shares = fair_shares([len(text) for text in texts], limit * 3 // 10)
    listed = "\n".join(
        f'<file path="{path}">\n{cut_middle(text, share)}\n</file>'
        for path, text, share in zip(files, texts, shares, strict=True)
    )
    harness = f"<harness_files>\n{listed}\n</harness_files>"
    room = limit - len(past) - len(harness) - MARGIN * (1 + len(results))
    told = "\n".join(_render_all(results, render, max(0, room)))
    return f"{past}\n{harness}\n<trajectories>\n{told}\n</trajectories>"


def _render_all(results: Sequence[PaperResult], render: RenderTrajectory, room: int) -> Iterator[str]:
    whole = [render(result, room) for result in results]
    shares = fair_shares([len(text) for text in whole], room)
    for number, (result, text, share) in enumerate(zip(results, whole, shares, strict=True), start=1):
        fitting = text if len(text) <= share else cut_middle(render(result, share), share)
        body = _SECTION.sub("‹", fitting)
        yield f'<trajectory number="{number}" verdict="{result.verdict}">\n{body}\n</trajectory>'


def fair_shares(sizes: Sequence[int], limit: int) -> list[int]:
    """How much of each to keep: min(size, level), with the largest level whose sum is within `limit`."""
    shares = [0] * len(sizes)
    left = limit
    for count, at in enumerate(sorted(range(len(sizes)), key=lambda at: sizes[at])):
        shares[at] = min(sizes[at], left // (len(sizes) - count))
        left -= shares[at]
    return shares


plugin = ChatAnalyzer
