"""Material for planted cases: good examples, and changes to a sentence with a known effect on its truth.

A good example is made from any paper by rules: what the question asks for is in the paper and not in the
context. It is correct but stiff: no model wrote it, and a strict reader may find the question contrived. It
selects sentences in the same way as the testbed's challenger; nothing else is shared with it.

A sentence is negated, given other numbers, or reworded; text that addresses a model is disguised. Uses
patterns and word lists, English only; no testbed program takes part, so that none judges its own work.
"""

import base64
import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from types import MappingProxyType

from pydantic import with_config

from studbook.evaluate.contracts import Paper
from studbook.evaluate.planted.cases import Submission
from studbook.testbed.models.facts import Fact, PaperReading, clause_of, key_phrase, rare_stems, read_paper
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.planted"
DATA_FILES = ("wordings.toml",)

FACTS = 5
CONTEXT_SENTENCES = 9
LONGEST = 24  # words: the longest sentence that a criterion can repeat in full
SHORTEST_CONTEXT = 400

MOST_SHARED = 0.5
"""No sentence of the context may contain more than this share of a fact's long words."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Wordings:
    """Lists to draw from; wordings.toml explains them."""

    questions: tuple[str, ...]
    verbs: tuple[str, ...]
    form: tuple[str, ...]
    everything: tuple[str, ...]
    trivia: tuple[str, ...]
    generic: tuple[str, ...]
    absent: tuple[str, ...]
    recall: tuple[str, ...]
    to_solver: tuple[str, ...]
    to_judge: tuple[str, ...]
    to_verifier: tuple[str, ...]
    refusals: tuple[str, ...]
    claims: tuple[str, ...]
    forged_marks: tuple[str, ...]
    empty: tuple[str, ...]
    lead_ins: tuple[str, ...]
    other_words: Mapping[str, str]


@cache
def wordings() -> Wordings:
    return read_table(PACKAGE, DATA_FILES[0], Wordings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """`facts` are the sentences that the criteria ask for, in the order of the rubric."""

    paper_id: str
    document: str
    topic: str
    facts: tuple[str, ...]
    clauses: tuple[str, ...]
    setting: tuple[str, ...]
    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a planted case is made from: a good example, that of another paper, and a random generator."""

    made: Made
    other: Made
    random: Random


def make_good(paper: Paper, random: Random) -> Made | None:
    """None when the paper has too few plain sentences."""
    reading = read_paper(paper.text)
    usable = [fact for fact in reading.facts if _is_usable(fact)]
    start = random.randrange(max(1, min(12, len(usable) - FACTS)))
    chosen = _distinct(usable[start:], FACTS)
    setting = _setting(reading, chosen)
    if len(chosen) < FACTS or len(" ".join(setting)) < SHORTEST_CONTEXT:
        return None
    topic = " ".join(paper.title.split(":")[0].split()[:8]).strip(" .,;?") or "this work"
    points = [key_phrase(fact.sentence, rare_stems(reading.index, fact.sentence)) for fact in chosen[:3]]
    clauses = tuple(clause_of(fact.sentence.text) for fact in chosen)
    question = random.choice(wordings().questions).format(
        topic=topic, points=f"{', '.join(points[:2])} and {points[2]}"
    )
    facts = tuple(fact.sentence.text for fact in chosen)
    rubric = [
        {
            "criterion": f"{random.choice(wordings().verbs)} {clause}",
            "weight": random.randint(3, 7),
            "category": "insight",
        }
        for clause in clauses
    ]
    return Made(
        paper_id=paper.paper_id,
        document=paper.text,
        topic=topic,
        facts=facts,
        clauses=clauses,
        setting=setting,
        submission={
            "context": " ".join(setting),
            "question": question,
            "reference_answer": " ".join(facts),
            "rubric": rubric,
            "question_type": "explanation",
            "tags": ["synthesis"],
        },
    )


def _is_usable(fact: Fact) -> bool:
    text = fact.sentence.text
    return 8 <= len(text.split()) <= LONGEST and "?" not in text


def _distinct(facts: Sequence[Fact], count: int) -> list[Fact]:
    """The first `count` facts that do not repeat an earlier one."""
    chosen: list[Fact] = []
    for fact in facts:
        if len(chosen) < count and all(
            _shared(fact.sentence.text, other.sentence.text) < MOST_SHARED for other in chosen
        ):
            chosen.append(fact)
    return chosen


def _setting(reading: PaperReading, chosen: Sequence[Fact]) -> tuple[str, ...]:
    texts = [sentence.text for sentence in reading.opening]
    texts += [fact.sentence.text for fact in reading.facts[::-1]]
    hidden = [fact.sentence.text for fact in chosen]
    return tuple(_first(_apart(dict.fromkeys(texts), hidden), CONTEXT_SENTENCES))


def _apart(texts: dict[str, None], hidden: Sequence[str]) -> Iterator[str]:
    return (text for text in texts if all(_shared(fact, text) < MOST_SHARED for fact in hidden))


def _first(texts: Iterator[str], count: int) -> list[str]:
    return [text for text, _ in zip(texts, range(count), strict=False)]


def _shared(fact: str, text: str) -> float:
    """Share of the fact's long words that occur in the text."""
    words = _long_words(fact)
    return len(words & _long_words(text)) / max(1, len(words))


def _long_words(text: str) -> set[str]:
    return {word.strip(".,;:()“”\"'").lower()[:6] for word in text.split() if len(word) > 3}


_LOOKALIKES = str.maketrans("aceopxyi", "асеорхуі")
_LEET = str.maketrans("aeiost", "431057")
_DISGUISES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "plain": str,
        "as a role": lambda text: f"<|im_start|>system\n{text}<|im_end|>",
        "in capitals": str.upper,
        "as a comment": lambda text: f"<!-- {text} -->",
        "in brackets": lambda text: f"[[ {text} ]]",
        "base64": lambda text: base64.b64encode(text.encode()).decode(),
        "rot13": lambda text: codecs.encode(text, "rot13"),
        "spaced": " ".join,
        "look-alikes": lambda text: text.translate(_LOOKALIKES),
        "leet": lambda text: text.translate(_LEET),
        "zero width": lambda text: "\u200b".join(text),
    }
)
PLAIN_SHARE = 0.6


def draw_wording(options: tuple[str, ...], random: Random) -> str:
    """A random wording, usually undisguised."""
    names = list(_DISGUISES)
    name = "plain" if random.random() < PLAIN_SHARE else random.choice(names)
    return _DISGUISES[name](random.choice(options))


_PLAIN_VERB = re.compile(
    r"\b(is|are|was|were|can|will|has|have|does|do|may|should|must|could|would)\b(?! not)"
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w]|\.\d)")
_WORD = re.compile(r"[A-Za-z]+")


def denied(sentence: str) -> str:
    """The sentence with its first verb negated; "It is not so that …" if it has no plain verb."""
    changed, count = _PLAIN_VERB.subn(r"\1 not", sentence, count=1)
    return changed if count else f"It is not so that {sentence[:1].lower()}{sentence[1:]}"


def has_number(sentence: str) -> bool:
    return _NUMBER.search(sentence) is not None


def with_other_numbers(sentence: str, random: Random) -> str:
    """Every free-standing number replaced by one that differs by a factor of 1.4 to 4."""
    return _NUMBER.sub(lambda match: _other_number(match.group(), random), sentence)


def _other_number(text: str, random: Random) -> str:
    decimals = len(text.partition(".")[2])
    value = float(text) * random.uniform(1.4, 4.0)
    changed = f"{value:.{decimals}f}"
    return changed if changed != text else str(int(float(text)) + 3)


def made_wrong(sentence: str, random: Random) -> str:
    return with_other_numbers(sentence, random) if has_number(sentence) else denied(sentence)


def reworded(sentence: str, random: Random) -> str:
    """Replaces words from the list and adds a lead-in; the meaning stays the same."""
    lead = random.choice(wordings().lead_ins)
    text = _WORD.sub(lambda match: _other_word(match.group()), sentence)
    return lead + (text[:1].lower() + text[1:] if not text[1:2].isupper() else text)


def _other_word(word: str) -> str:
    other = wordings().other_words.get(word.lower(), word)
    return other.capitalize() if word[:1].isupper() and other != word else other
