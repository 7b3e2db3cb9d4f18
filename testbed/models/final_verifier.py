"""The evaluator's frozen final verifier: finds what is wrong with an example by reading it.

It sees the paper, context, question, reference answer, rubric and the evaluator's screening. It uses the
paper only to check whether the criteria occur in it and whether the context contradicts it. It knows no
synonyms and no list of cases, and sometimes misses faults, depending on the seed alone.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.address import find_address
from studbook.testbed.models.judge import FRAMING, is_denial, is_denied_within, is_met, says_opposite
from studbook.testbed.models.request import SeededDraws, all_text, find_section
from studbook.testbed.models.sentences import Sentence, read_sentence, split_sentences
from studbook.testbed.models.words import stem, word_set

OVERLOOKS = 0.1
INVENTS = 0.02


@dataclass(frozen=True, slots=True)
class Point:
    """A criterion and its weight."""

    text: str
    weight: int

    @property
    def claim(self) -> Sentence:
        """What the criterion asks for, without a leading "states that"."""
        return read_sentence(FRAMING.sub("", self.text, count=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    context: str
    question: str
    reference: str
    rubric: tuple[Point, ...]
    screening: str = ""
    source: str = ""

    @property
    def positives(self) -> list[Point]:
        return [point for point in self.rubric if point.weight > 0]

    @property
    def told(self) -> frozenset[str]:
        """The stems of context and reference answer."""
        return stems_of(self.context) | stems_of(self.reference)


def reply(request: ChatRequest) -> str:
    """The final check: {"check": str, "reason": str, "pass": bool}."""
    text = all_text(request.messages)
    example = Submitted(
        context=find_section(text, "context"),
        question=find_section(text, "question"),
        reference=find_section(text, "reference_answer"),
        rubric=tuple(_rubric_lines(find_section(text, "rubric"))),
        screening=find_section(text, "screening"),
        source=find_section(text, "source_document"),
    )
    draws = SeededDraws(request.seed)
    faults = [fault for fault in find_faults(example) if not draws.happens(OVERLOOKS, fault)]
    if not faults and draws.happens(INVENTS, "invented"):
        faults = ["Something about it seems wrong."]
    reason = " ".join(faults) or "No fault found."
    return json.dumps({"check": find_section(text, "check"), "reason": reason, "pass": not faults})


_RUBRIC_LINE = re.compile(r"^\s*\d+\.\s*\[weight ([+-]?\d+)[^\]]*\]\s*(.*)$", re.MULTILINE)


def _rubric_lines(text: str) -> Sequence[Point]:
    return [Point(match[2], int(match[1])) for match in _RUBRIC_LINE.finditer(text)]


def is_told(point: Point, text: str) -> bool:
    return is_met(point.text, split_sentences(text)) or is_met(point.text, _pieces(text))


@lru_cache(maxsize=1_024)
def _pieces(text: str) -> tuple[Sentence, ...]:
    """Cut long sentences at semicolons and between listed clauses."""
    cut = re.split(r"[;:]|,\s+(?=(?:and |or )?(?:that|since|because|says?|states?|explains?|notes?)\b)", text)
    return tuple(read_sentence(piece) for piece in cut if piece.strip())


@lru_cache(maxsize=2_048)
def stems_of(text: str) -> frozenset[str]:
    return frozenset().union(*(sentence.stem_set for sentence in split_sentences(text)))


STYLE = re.compile(
    r"\b(?:tone|style|spelling|fluen\w+|gramma\w+|format\w*|well[- ](?:organi[sz]ed|written|structured)"
    r"|readab\w+|polite\w*|concise\w*|punctuation|paragraphs?|headings?|bullets?|words long"
    r"|repetition|register|easy to read)\b",
    re.IGNORECASE,
)
RECALL = re.compile(r"\b(?:is it true|what is meant by|list what)\b", re.IGNORECASE)
ABSENT = re.compile(
    r"\b(?:figures?|fig\.|tables?|equations?|eq\.|appendix|panel|footnote|page|theorem|algorithm) \(?[A-Z]?\d"
    r"|\b(?:described|shown|mentioned|given|stated|\w+ (?:figure|table|equation|graph|diagram)) above\b"
    r"|\b(?:in|of|to) (?:the|this) (?:paper|article|appendix)\b",
    re.IGNORECASE,
)
MATTER = re.compile(
    r"\b(?:judges?|graders?|solvers?|verifiers?|prompts?|language models?|LLMs?|rubrics?)\b", re.I
)

PLAIN = frozenset(
    map(
        stem,
        word_set(
            """
            explain approach described work works better simple simpler alternative main idea effective
            advantage advantages offer offers usual method methods succeed trade offs off describe important
            problem solution good technique result results finding findings paper study contribution strengths
            strength weaknesses weakness proposed key summarise summarize conclusions conclusion drawn next
            matter point points useful words own learn discuss different earlier one reason reasons answer
            question significance significant overall implications impact purpose aim goal role play together
            follows follow belong
            """
        ),
    )
)
REPORTING = frozenset(
    map(
        stem,
        word_set(
            """
            mention mentions word words term terms refer refers reference uses use used contain contains speak
            speaks least once answer answers question topic subject include includes name names something
            anything there state states say says explain explains reader response relevant information
            """
        ),
    )
)
SHORTEST_CONTEXT = 200
LEAST_POSITIVE = 4
MOST_QUESTION_MARKS = 2
MOST_LEAKED = 0.5
MOST_UNFOUNDED = 0.5
MOST_TRIVIAL = 0.5

LEAST_REFERENCE = 0.5
"""These three are shares of the positive weight."""

_ABOUT_BUILD = re.compile(
    r"^-? ?rubric\.\d+\.criterion: "
    r"(?:repeated_criterion|few_criteria|few_criteria_decide|one_criterion_decides|mostly_penalties"
    r"|about_form): "
)

COVERED = 0.5
"""Share of a criterion's words that must occur in a text for the text to cover it."""

LEAST_FROM_SOURCE = 0.5
"""Least share of the positive weight that sentences of the paper must support."""

SAID_IN_SOURCE = 0.7
"""Share of a criterion's words that must occur in one sentence of the paper."""

LEAST_KNOWN = 0.4
"""Share of the question's informative words that must occur in context, reference or rubric."""

LEAST_TELLING = 3
SAME_SUBJECT = 0.75
SAME_SENTENCE = 0.9

SUBJECT_MATTER = 3
"""With this many sentences about judges, solvers or prompts in the context, these are its subject."""


def find_faults(example: Submitted) -> list[str]:
    """One sentence per fault, in the order of the evaluator's prompt."""
    return [fault for check in _CHECKS for fault in check(example)]


def _leak(example: Submitted) -> Iterator[str]:
    if _share(example, lambda point: is_told(point, example.context)) > MOST_LEAKED:
        yield "The context already says what the answer must say."
    elif _share(example, lambda point: is_told(point, example.question)) > MOST_LEAKED:
        yield "The question already says what the answer must say."


def _context(example: Submitted) -> Iterator[str]:
    if len(example.context) < SHORTEST_CONTEXT:
        yield "The context is too short."


def _question(example: Submitted) -> Iterator[str]:
    if example.question.count("?") > MOST_QUESTION_MARKS:
        yield "Several questions in one."
    if RECALL.search(example.question):
        yield "Recall instead of reasoning."
    if ABSENT.search(example.question):
        yield "The question points to something that is not there."
    telling = {item for item in stems_of(example.question) if len(item) > 2} - PLAIN
    if len(telling) < LEAST_TELLING:
        yield "The question could be put to any paper."
    elif len(telling & (example.told | _rubric_stems(example))) < LEAST_KNOWN * len(telling):
        yield "The question is about something that the rest does not speak of."


def _rubric(example: Submitted) -> Iterator[str]:
    if len(example.positives) < LEAST_POSITIVE:
        yield "The rubric has too few criteria."
    known = example.told | stems_of(example.question)
    if any(STYLE.search(point.text) and not _rests_on(point, known) for point in example.rubric):
        yield "The rubric rewards form."
    if _share(example, lambda point: not _rests_on(point, known)) > MOST_UNFOUNDED:
        yield "The rubric asks for what neither the question nor the reference answer speaks of."
    if _share(example, _is_trivial) > MOST_TRIVIAL:
        yield "The rubric asks for trivia."


def _rests_on(point: Point, stems: frozenset[str]) -> bool:
    telling = point.claim.stem_set - REPORTING
    return bool(telling) and len(telling & stems) >= COVERED * len(telling)


def _is_trivial(point: Point) -> bool:
    """One or two words and no number: any answer on the subject would contain them."""
    claim = point.claim
    return len(claim.stem_set - REPORTING) + len(claim.numbers) < LEAST_TELLING


def _reference(example: Submitted) -> Iterator[str]:
    there = stems_of(example.reference)
    said = split_sentences(example.reference)
    asked = [point for point in example.positives if not is_told(point, example.context)]
    resting = sum(point.weight for point in asked if _rests_on(point, there))
    if resting < LEAST_REFERENCE * sum(point.weight for point in asked):
        yield "The reference answer does not say what the rubric asks for."
    if any(_contradicted(point, said) for point in example.positives):
        yield "The reference answer contradicts the rubric."
    if any(_conflict(one, other, SAME_SENTENCE) for one, other in combinations(said, 2)):
        yield "The reference answer contradicts itself."
    context = split_sentences(example.context)
    if any(_conflict(one, other, SAME_SENTENCE) for one, other in product(said, context)):
        yield "The reference answer contradicts the context."


def _source(example: Submitted) -> Iterator[str]:
    paper = split_sentences(example.source)
    if paper and _share(example, lambda point: _stands_in(point, paper)) < LEAST_FROM_SOURCE:
        yield "The rubric asks for what the source document does not say."
    if any(_contradicts(said, paper) for said in split_sentences(example.context)):
        yield "The context contradicts the source document."


def _contradicts(said: Sentence, paper: Sequence[Sentence]) -> bool:
    """Does the paper discuss the same thing, and nowhere agree with the sentence?"""
    about = [
        sentence
        for sentence in paper
        if min(_coverage(said, sentence), _coverage(sentence, said)) >= SAME_SENTENCE
    ]
    return bool(about) and all(_differ(said, sentence) for sentence in about)


def _stands_in(point: Point, paper: Sequence[Sentence]) -> bool:
    """Does one sentence contain its words and numbers, with the same negation?"""
    claim = point.claim
    telling = claim.stem_set - REPORTING
    enough = SAID_IN_SOURCE * len(telling)
    return any(
        len(telling & sentence.stem_set) >= enough
        and claim.numbers <= sentence.numbers
        and is_denial(sentence) == is_denial(claim)
        for sentence in paper
    )


def _contradicted(point: Point, said: tuple[Sentence, ...]) -> bool:
    """Does the reference discuss the same thing, contradict it, and nowhere agree with it?"""
    claim = point.claim
    if is_met(point.text, said) or any(claim.text.lower() in sentence.text.lower() for sentence in said):
        return False
    about = [sentence for sentence in said if _coverage(claim, sentence) >= SAME_SUBJECT]
    return any(
        is_denied_within(sentence, claim) != is_denial(claim)
        or says_opposite((sentence,), claim)
        or _other_numbers(claim, sentence)
        for sentence in about
    )


def _conflict(one: Sentence, other: Sentence, same: float) -> bool:
    return min(_coverage(one, other), _coverage(other, one)) >= same and _differ(one, other)


def _differ(one: Sentence, other: Sentence) -> bool:
    return is_denial(one) != is_denial(other) or says_opposite((one,), other) or _other_numbers(one, other)


def _other_numbers(one: Sentence, other: Sentence) -> bool:
    """Do both have numbers, neither set being a subset of the other?"""
    return bool(one.numbers and other.numbers) and not (
        one.numbers <= other.numbers or other.numbers <= one.numbers
    )


def _coverage(one: Sentence, other: Sentence) -> float:
    if len(one.stem_set) < LEAST_TELLING:
        return 0.0
    return len(one.stem_set & other.stem_set) / len(one.stem_set)


def _address(example: Submitted) -> Iterator[str]:
    texts = [example.context, example.question, example.reference, *(point.text for point in example.rubric)]
    fault = next(filter(None, map(find_address, texts)), "")
    if fault:
        yield fault
    elif _findings(example.screening) and not _is_about_marking(example.context):
        yield "The screening found text that speaks to those who answer, mark or check."


def _findings(screening: str) -> list[str]:
    """The lines about text that addresses a model; notes on the rubric's structure are left out."""
    lines = [line for line in screening.splitlines() if line.strip()]
    told = [line for line in lines if not re.match(r"(?:none|nothing|no )", line, re.IGNORECASE)]
    return [line for line in told if not _ABOUT_BUILD.search(line)]


def _is_about_marking(context: str) -> bool:
    """A paper about judges or prompts legitimately contains such sentences."""
    return sum(bool(MATTER.search(item.text)) for item in split_sentences(context)) >= SUBJECT_MATTER


def _share(example: Submitted, holds: Callable[[Point], bool]) -> float:
    """Share of the positive weight for which `holds` is true."""
    positives = example.positives
    return sum(point.weight for point in positives if holds(point)) / max(1, sum(p.weight for p in positives))


def _rubric_stems(example: Submitted) -> frozenset[str]:
    return frozenset().union(*(point.claim.stem_set for point in example.rubric))


_CHECKS: Sequence[Callable[[Submitted], Iterator[str]]] = (
    _leak,
    _context,
    _question,
    _rubric,
    _reference,
    _source,
    _address,
)
