"""Prompt helpers shared by analyzer and implementer: the run's history, cutting text to size, prompt files.

Pure except for reading a bundled prompt. Analyzer and implementer write their prompts themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain, islice
from threading import Lock

from studbook.evolve.contracts import HistoryEntry
from studbook.llm.contracts import RoleModel
from studbook.populations.population import Population
from studbook.populations.records import Decision, Verdict

PROMPT_TOKENS = 100_000
"""The longest prompt of analyzer and implementer, also for models that could take more."""

ANSWER_SHARE = 4
"""An answer gets its role's `max_tokens`, but at most this part of the context: a quarter."""
BESIDE_TOKENS = 1_000
"""Tools, markers of the chat template, and what the server adds."""


LEAST_TOKENS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many tokens prompt and answer may have; `answer_tokens` None: as the role's settings say."""

    prompt_tokens: int
    answer_tokens: int | None


def answer_room(max_tokens: int, context_tokens: int) -> int:
    """How many tokens an answer may have in a context of this length."""
    return min(max_tokens, context_tokens // ANSWER_SHARE)


def room_in(model: RoleModel) -> Room:
    """Sizes that fit the model's context. A quarter of it stays free, because tokens are only estimated.

    A context that has no room for a prompt of LEAST_TOKENS will be refused by its endpoint.
    """
    if model.context_tokens is None:
        return Room(prompt_tokens=PROMPT_TOKENS, answer_tokens=None)
    answer = answer_room(model.max_tokens, model.context_tokens)
    prompt = (model.context_tokens - answer - BESIDE_TOKENS) * 3 // 4
    return Room(prompt_tokens=min(PROMPT_TOKENS, max(LEAST_TOKENS, prompt)), answer_tokens=answer)


NOTHING = "Nothing has been tried yet."


class History:
    """The history of one run, cached: a population contains the decisions of earlier ones. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: list[HistoryEntry] = []

    def of(self, population: Population) -> tuple[HistoryEntry, ...]:
        """Every decided iteration, in order."""
        with self._lock:
            new = islice(population.decisions, len(self._entries), None)
            self._entries += [_entry(decision, population) for decision in new]
            return tuple(self._entries[: len(population.decisions)])


def _entry(decision: Decision, population: Population) -> HistoryEntry:
    return HistoryEntry(
        iteration=decision.iteration,
        parent_id=decision.parent_id,
        mutant_id=decision.mutant_id,
        hypothesis=population.mutants[decision.mutant_id].hypothesis if decision.mutant_id else "",
        verdict=decision.verdict,
        reason=decision.reason,
    )


def summarize(history: Sequence[HistoryEntry], limit: int) -> str:
    """One line per iteration, newest last, within `limit` characters; omitted ones are counted by verdict.

    Rejected changes are omitted before admitted ones, older before newer. Unanswered iterations tell nothing.
    """
    history = [entry for entry in history if entry.verdict != Verdict.UNANSWERED]
    if not history:
        return NOTHING
    admitted = (entry for entry in reversed(history) if entry.verdict == "admitted")
    others = (entry for entry in reversed(history) if entry.verdict != "admitted")
    kept: dict[int, str] = {}
    used = 0
    for entry in chain(admitted, others):
        line = _line(entry)
        used += len(line) + 1
        if used > limit - 120:  # room for the line that counts the rest
            break
        kept[entry.iteration] = line
    rest = [entry for entry in history if entry.iteration not in kept]
    shown = [kept[entry.iteration] for entry in history if entry.iteration in kept]
    return "\n".join(([_count(rest)] if rest else []) + shown)


def _line(entry: HistoryEntry) -> str:
    name = entry.mutant_id or "no mutant"
    return (
        f"- iteration {entry.iteration}: {name} from {entry.parent_id}: {entry.verdict}"
        f" ({entry.reason}). Hypothesis: {entry.hypothesis or 'none'}"
    )


def _count(entries: Sequence[HistoryEntry]) -> str:
    verdicts = [entry.verdict for entry in entries]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts)))
    return f"- left out for room: {len(entries)} iterations ({counts})"


def cut_middle(text: str, limit: int) -> str:
    """`text`, or its start and end with a line that says how much is left out."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit - limit * 2 // 3
    return f"{text[:head]}\n[… {len(text) - limit} characters left out …]\n{text[len(text) - tail :]}"


def load_prompt(name: str) -> str:
    """A bundled prompt."""
    return files("studbook.evolve").joinpath("prompts", name).read_text(encoding="utf-8")
