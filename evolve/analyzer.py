"""The analyzer: full trajectories and the history in, a root-cause analysis with quoted evidence out.

Builds one prompt within a budget of characters. What does not fit is cut fairly: all trajectories get the
same allowance, short ones hand what they do not need to the long ones, and a cut says how much is missing.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from evolve.contracts import Diagnosis, HistoryEntry
from evolve.dialogue import cut_middle
from evolve.history import summarize
from evolve.implementer import load_prompt
from harnesses.tree import HarnessTree
from populations.records import PaperResult
from studbook.errors import RequestRefused
from studbook.llm.client import EmptyReply
from studbook.llm.contracts import Chat, ChatCall, Message

RenderTrajectory = Callable[[PaperResult], str]
"""The full story of one paper as text; see `evaluate/trajectories.py`."""

CHARACTERS_PER_TOKEN = 4

SHRINKS = (1, 2, 6)
"""A prompt that the model refuses is sent again at these fractions of the budget."""
MARGIN = 150
"""Characters for the tags of one section and the line that marks a cut."""

_SECTION = re.compile(r"<(?=/?(?:history|harness_files|file|trajectories|trajectory)\b)")
"""What a harness wrote could imitate; its first character is changed."""


class ChatAnalyzer:
    """An `Analyzer` that asks the role `analyzer` once, or with less when that is refused. Thread-safe."""

    def __init__(self, chat: Chat, render: RenderTrajectory, prompt_tokens: int = 100_000) -> None:
        self._chat = chat
        self._render = render
        self._characters = prompt_tokens * CHARACTERS_PER_TOKEN
        self._system = load_prompt("analyzer.md")

    def analyze(
        self, parent: HarnessTree, results: Sequence[PaperResult], history: Sequence[HistoryEntry], seed: int
    ) -> Diagnosis:
        trajectories = [(result, self._render(result)) for result in results]
        room, reason = self._characters - len(self._system), ""
        for shrink in SHRINKS:
            prompt = build_prompt(parent.files, trajectories, history, room // shrink)
            try:
                return Diagnosis(text=self._ask(prompt, seed))
            except (RequestRefused, EmptyReply) as error:  # too long, filtered, silent: less may do
                reason = str(error)
        return Diagnosis(text=f"There is no diagnosis: the analyzer's model did not answer. {reason}")

    def _ask(self, prompt: str, seed: int) -> str:
        messages = (Message(role="system", content=self._system), Message(role="user", content=prompt))
        return self._chat.chat(ChatCall(role="analyzer", messages=messages, seed=seed)).text.strip()


def build_prompt(
    files: Mapping[str, bytes],
    trajectories: Sequence[tuple[PaperResult, str]],
    history: Sequence[HistoryEntry],
    limit: int,
) -> str:
    """History gets at most a tenth of `limit`, files at most three tenths, trajectories all that is left."""
    past = f"<history>\n{summarize(history, limit // 10)}\n</history>"
    texts = [data.decode("utf-8", "replace") for data in files.values()]
    shares = fair_shares([len(text) for text in texts], limit * 3 // 10)
    listed = "\n".join(
        f'<file path="{path}">\n{cut_middle(text, share)}\n</file>'
        for path, text, share in zip(files, texts, shares, strict=True)
    )
    harness = f"<harness_files>\n{listed}\n</harness_files>"
    room = limit - len(past) - len(harness) - MARGIN * (1 + len(trajectories))
    return f"{past}\n{harness}\n<trajectories>\n{_render_all(trajectories, room)}\n</trajectories>"


def _render_all(trajectories: Sequence[tuple[PaperResult, str]], room: int) -> str:
    told = [(result, _SECTION.sub("‹", text)) for result, text in trajectories]
    shares = fair_shares([len(text) for _, text in told], max(0, room))
    return "\n".join(
        f'<trajectory number="{number}" verdict="{result.verdict}">\n{cut_middle(text, share)}\n</trajectory>'
        for number, ((result, text), share) in enumerate(zip(told, shares, strict=True), start=1)
    )


def fair_shares(sizes: Sequence[int], limit: int) -> list[int]:
    """How much of each may stay: min(size, level), with the largest level whose sum is within `limit`."""
    shares = [0] * len(sizes)
    left = limit
    for count, at in enumerate(sorted(range(len(sizes)), key=lambda at: sizes[at])):
        shares[at] = min(sizes[at], left // (len(sizes) - count))
        left -= shares[at]
    return shares
