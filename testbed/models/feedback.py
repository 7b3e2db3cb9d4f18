"""What a prompt says about earlier attempts: the questions asked, and the count of each kind of failure.

A paragraph counts as feedback, not as instructions, if it reports a score, a failure or an earlier question.
Instructions about future failures remain instructions. The orchestrator, for harnesses that use one, says in
one sentence what the failures so far suggest.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.request import all_text, without_section
from studbook.testbed.models.sentences import read_sentence

_SCORED = re.compile(
    r"(?:averag|avg|scor|weak|strong)[^.\n]{0,40}?"
    r"(?:\b[01]?\.\d|\b\d{1,3}(?:\.\d+)? ?%|\b\d{1,3} percent)",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:already asked|previous(?:ly)? (?:asked|attempt|round|question|draft)"
    r"|earlier (?:attempt|round|question|draft)"
    r"|(?:attempt|round|question|draft)s? (?:so far|before)|asked (?:so far|before|already)|failures? so far"
    r"|(?:was|were|has been|have been) (?:rejected|judged|found|asked|sent back|turned down))",
    re.IGNORECASE,
)
_GROUPS = (
    ("too_easy", re.compile(r"too easy|weak solver (?:did|does) too well|not hard enough", re.IGNORECASE)),
    (
        "strong_failed",
        re.compile(
            r"failed on (?:the )?strong|strong (?:solver )?fail|small gap|gap (?:is )?too small|too hard",
            re.IGNORECASE,
        ),
    ),
    (
        "quality",
        re.compile(
            r"quality|verifier|malformed|could not be (?:read|parsed)|not valid json|unreadable",
            re.IGNORECASE,
        ),
    ),
)
_LEAK = re.compile(r"(?:context|background)[^.\n]*(?:answer|gives|solution|leak|states)|leak", re.IGNORECASE)
_BROKEN = re.compile(r"json|malformed|parse|unreadable|could not be read", re.IGNORECASE)
_FEW_NEGATIVES = re.compile(r"(?:few|no|more|missing|least|only) [^.\n]*negative", re.IGNORECASE)
_QUESTION = re.compile(r"[A-Z“\"'][^?\n]{20,}\?")

MOST_COUNTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """`asked` contains the content stems of each earlier question."""

    asked: tuple[frozenset[str], ...] = ()
    too_easy: int = 0
    strong_failed: int = 0
    quality: int = 0
    leaked: bool = False
    was_unreadable: bool = False
    wants_negatives: bool = False

    @property
    def failures(self) -> int:
        return self.too_easy + self.strong_failed + self.quality


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    instructions: str
    feedback: Feedback


@lru_cache(maxsize=512)
def read_prompt(text: str) -> ReadPrompt:
    """`text`: everything in the prompt except the paper."""
    instructions: list[str] = []
    reports: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        (reports if _is_feedback(paragraph) else instructions).append(paragraph)
    return ReadPrompt("\n\n".join(instructions), _read_feedback("\n".join(reports)))


def _is_feedback(paragraph: str) -> bool:
    has_group = any(pattern.search(paragraph) for _, pattern in _GROUPS)
    asked = _QUESTION.search(paragraph) is not None
    return (
        bool(_SCORED.search(paragraph))
        or (asked and (has_group or bool(_EARLIER.search(paragraph))))
        or (bool(_EARLIER.search(paragraph)) and has_group)
    )


def _read_feedback(text: str) -> Feedback:
    counts = {name: 0 for name, _ in _GROUPS}
    asked: list[frozenset[str]] = []
    group = ""
    for line in text.splitlines():
        group = next((name for name, pattern in _GROUPS if pattern.search(line)), group)
        questions = _QUESTION.findall(line)
        asked += [read_sentence(question).stem_set for question in questions]
        if group and (questions or _SCORED.search(line)):
            counts[group] += 1
    return Feedback(
        asked=tuple(asked[-MOST_COUNTED:]),
        too_easy=min(counts["too_easy"], MOST_COUNTED),
        strong_failed=min(counts["strong_failed"], MOST_COUNTED),
        quality=min(counts["quality"], MOST_COUNTED),
        leaked=bool(_LEAK.search(text)),
        was_unreadable=bool(_BROKEN.search(text)),
        wants_negatives=bool(_FEW_NEGATIVES.search(text)),
    )


def advise(request: ChatRequest) -> str:
    feedback = read_prompt(without_section(all_text(request.messages), "paper")).feedback
    counts = {
        "too easy": feedback.too_easy,
        "failed on strong": feedback.strong_failed,
        "failed quality check": feedback.quality,
    }
    worst = max(counts, key=lambda name: counts[name])
    if not counts[worst]:
        return "Nothing has failed so far. Start with what is most specific in the paper."
    return f"Most attempts were {worst} ({counts[worst]} of {feedback.failures}). {_ADVICE[worst]}"


_ADVICE = {
    "too easy": "Ask an entirely new question that needs the paper.",
    "failed on strong": "Ask an entirely new question whose answer the paper states.",
    "failed quality check": "Ask an entirely new question and mend the form.",
}
