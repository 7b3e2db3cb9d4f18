"""The analyzer: from full trajectories and the history to a root-cause analysis with quoted evidence.

Builds one prompt within a character budget. Trajectories are shown in full if they fit. Otherwise they are
cut fairly: all get the same allowance, and short ones leave their unused part to the long ones; each cut says
how much is missing. The task is repeated in one line after the long material. An analysis without the
sections that the prompt asks for, or with nothing in them, is asked for once more; the diagnosis is always
one of the replies.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from studbook.errors import RequestFailed
from studbook.evaluate.metering import MeteredChat
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Unanswered
from studbook.evolve.prompting import PROMPT_TOKENS, cut_middle, load_prompt, summarize
from studbook.harnesses.text_files import read_text
from studbook.harnesses.tree import HarnessTree
from studbook.identity import derive_seed
from studbook.llm.contracts import CHARACTERS_PER_TOKEN, Chat, ChatCall, Message
from studbook.populations.records import PaperResult

DATA_FILES = ("../../prompts/analyzer.md",)
"""Its prompt: part of what a run is bound to."""

RenderTrajectory = Callable[[PaperResult, int], str]
"""Renders one trajectory as text of at most so many characters; see `evaluate/trajectories.py`."""

SHRINKS = (1, 2, 6)
"""The budget is divided by these numbers in turn while the model refuses the prompt."""
MARGIN = 150
"""Characters for the tags of one section and the line that marks a cut, and for the task's line."""

_SECTION = re.compile(
    r"<(?=\s*+/?\s*+(?:history|harness_files|file|trajectories|trajectory)\b)", re.IGNORECASE
)
"""Tags that a harness's text could imitate; their first character is replaced."""


class ChatAnalyzer:
    """An `Analyzer` that asks the role `analyzer`, with a shorter prompt if refused. Thread-safe.

    `prompt_tokens` bounds a prompt, and `answer_tokens` an answer (None: as the role's settings say).
    """

    def __init__(
        self,
        chat: Chat,
        render: RenderTrajectory,
        prompt_tokens: int = PROMPT_TOKENS,
        answer_tokens: int | None = None,
    ) -> None:
        self._chat = chat
        self._render = render
        self._answer_tokens = answer_tokens
        self._characters = prompt_tokens * CHARACTERS_PER_TOKEN
        self._system = load_prompt("analyzer.md")
        self._sections = asked_sections(self._system)

    def analyze(
        self, parent: HarnessTree, results: Sequence[PaperResult], history: Sequence[HistoryEntry], seed: int
    ) -> Diagnosis:
        room, reason, chat = self._characters - len(self._system), "", MeteredChat(self._chat)
        for shrink in SHRINKS:
            prompt = build_prompt(parent.files, results, self._render, history, room // shrink)
            try:
                text = self._ask(chat, prompt, seed)
            except RequestFailed as error:  # too long, filtered, empty or slow: a shorter prompt may work
                reason, room = str(error), min(room, len(prompt))
                continue
            return Diagnosis(text=self._completed(chat, prompt, text, seed), evidence=chat.evidence)
        raise Unanswered(f"the analyzer's model did not answer: {reason}", chat.evidence)

    def _completed(self, chat: Chat, prompt: str, text: str, seed: int) -> str:
        """The analysis, or a second one if sections are missing and the second lacks fewer."""
        lacking = missing_sections(text, self._sections)
        if not lacking:
            return text
        note = f"\nA first analysis lacked the sections {', '.join(lacking)}. Write all of them."
        try:
            second = self._ask(chat, prompt, derive_seed("analyzer", seed, 2), note)
        except RequestFailed:
            return text
        return min(second, text, key=lambda each: len(missing_sections(each, self._sections)))

    def _ask(self, chat: Chat, prompt: str, seed: int, note: str = "") -> str:
        headings = ", ".join(f"## {section}" for section in self._sections)
        task = f"Now write the analysis of these trajectories in Markdown, with the headings {headings}."
        messages = (
            Message(role="system", content=self._system),
            Message(role="user", content=f"{prompt}\n\n{task}{note}"),
        )
        call = ChatCall(role="analyzer", messages=messages, seed=seed, max_tokens=self._answer_tokens)
        return chat.chat(call).text.strip()


def asked_sections(prompt: str) -> tuple[str, ...]:
    """The headings that the prompt shows as its format."""
    return tuple(re.findall(r"^## (.+)$", prompt, re.MULTILINE))


def missing_sections(text: str, sections: Sequence[str]) -> tuple[str, ...]:
    """Those that no line of the text begins with, whatever the markup around them, or with nothing below."""
    filled: set[str] = set()
    current = ""
    for line in text.split("\n"):
        plain = re.sub(r"^[^a-z]+", "", line.lower())
        opened = next((each for each in sections if plain.startswith(each.lower())), "")
        current = opened or current
        if re.search(r"\w", plain.removeprefix(opened.lower()) if opened else line):
            filled.add(current)
    return tuple(each for each in sections if each not in filled)


def build_prompt(
    files: Mapping[str, bytes],
    results: Sequence[PaperResult],
    render: RenderTrajectory,
    history: Sequence[HistoryEntry],
    limit: int,
) -> str:
    """History gets at most 10% of `limit`, files at most 30%, and trajectories the rest."""
    past = f"<history>\n{_SECTION.sub('‹', summarize(history, limit // 10))}\n</history>"
    texts = [_SECTION.sub("‹", read_text(data)) for data in files.values()]
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
