"""Instruction prose cut into sentences that can be understood one by one.

A bullet takes its lead-in with it ("Never put into the context:" + "the result"), and a sentence that points
back with a pronoun takes the thing the sentence before it spoke of. Code blocks and JSON are left out.
"""

import re
from functools import lru_cache

from studbook.testbed.models.lexicon import LEADING, SUBJECTS
from studbook.testbed.models.words import stem, tokens

_FENCE = re.compile(r"^\s*(`{3,}|~{3,}).*?^\s*\1\s*$", re.MULTILINE | re.DOTALL)
_BULLET = re.compile(r"^\s*(?:[-*+•]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
_END = re.compile(r"(?<=[.!?])[\"'”’)\]*_]*\s+(?=[\"'“‘(\[*_`]*[A-Z0-9`])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|cf|vs|incl)\.$")
_PRONOUN = re.compile(r"^(?:it|they|this|these|those|there)\b", re.IGNORECASE)
_VERDICT = re.compile(r"(?:if so|in that case|if it (?:can|could|does|is|would)),\s*", re.IGNORECASE)
_POINTS_BACK = re.compile(r"\b(?:in|into|from|of|to) (?:it|them|there)\b", re.IGNORECASE)
_MARKUP = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_QUOTED = re.compile(r"[“\"][^“”\"\n]{1,40}[”\"]")
_QUOTED_NUMBER = re.compile(r"[“\"][+-]?\d{1,2}[”\"]")
_SUBJECT_STEMS = frozenset(stem(word) for word in SUBJECTS)
_LEADING_STEMS = _SUBJECT_STEMS | {stem(word) for word in LEADING}
LONGEST_LEAD_IN = 9


@lru_cache(maxsize=1_024)
def split_instructions(text: str) -> tuple[str, ...]:
    sentences: list[str] = []
    for unit in _units(_FENCE.sub("\n\n", text)):
        sentences += _resolve(_sentences(unit))
    return tuple(sentences)


def _units(text: str) -> list[str]:
    """Paragraphs and bullets, each on one line; bullets carry their lead-in."""
    units: list[str] = []
    lead_in, is_open = "", False
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare[0] in '{}[]"<|':
            is_open = False
            if bare:
                lead_in = ""
        elif bare.startswith("#"):
            lead_in, is_open = "", False
        elif match := _BULLET.match(line):
            units.append(f"{lead_in} {line[match.end() :].strip()}".strip())
            is_open = True
        elif is_open:
            units[-1] += " " + bare
        else:
            units.append(bare)
            is_open = True
        if is_open and not _BULLET.match(line):
            lead_in = _lead_in(units[-1], lead_in, bare)
    return [_without_quotations(_MARKUP.sub("", unit)) for unit in units]


def _without_quotations(unit: str) -> str:
    """Examples in quotation marks instruct nobody, but a number in them is an example of a string."""
    return _QUOTED.sub("", _QUOTED_NUMBER.sub("a quoted number", unit))


def _lead_in(unit: str, before: str, line: str) -> str:
    """A short last sentence before a colon, if it says something; it holds for the bullets after it."""
    if line.endswith(":"):
        words = tokens(last := _sentences(unit)[-1].rstrip(":"))
        says_something = any(stem(word) in _LEADING_STEMS for word in words)
        return last if says_something and len(words) <= LONGEST_LEAD_IN else ""
    return before if before and unit.startswith(before) else ""


def _sentences(unit: str) -> list[str]:
    pieces: list[str] = []
    for piece in _END.split(unit):
        if pieces and _ABBREVIATION.search(pieces[-1]):
            pieces[-1] += " " + piece
        elif piece.strip():
            pieces.append(piece.strip())
    return pieces or [unit]


def _resolve(sentences: list[str]) -> list[str]:
    resolved: list[str] = []
    subject = ""
    for sentence in sentences:
        words = tokens(sentence)
        if resolved and (verdict := _VERDICT.match(sentence)):
            resolved[-1] = f"{resolved[-1].rstrip('.')}: {sentence[verdict.end() :]}"
            continue
        own = next((word for word in words if stem(word) in _SUBJECT_STEMS), "")
        points_back = _PRONOUN.match(sentence) or (not own and _POINTS_BACK.search(sentence))
        if subject and points_back:
            resolved.append(f"The {subject} {sentence}")
            continue
        subject = own
        resolved.append(sentence)
    return resolved
