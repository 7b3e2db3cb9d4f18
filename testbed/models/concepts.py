"""What the testbed's challenger can be told: the concepts it recognises in instructions, and what each does.

A concept is a meaning, not a wording; `lexicon.py` holds the words, `recogniser.py` the reading. Whether a
concept helps is not written anywhere: it follows from what the text it leads to does to solvers and judge.

Which combinations of slots mean which concept, and whether the plain or the negated sentence asks for it.

`asks_when_negated`: "the context reveals the answer" is the opposite of a concept, its negation asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Concept(StrEnum):
    PAPER_SPECIFIC = "paper_specific"
    NO_LEAK = "no_leak"
    POSITIVE_ONLY = "positive_only"
    WEIGHT_CAP = "weight_cap"
    STRICT_JSON = "strict_json"
    INTEGER_WEIGHTS = "integer_weights"
    LONG_CONTEXT = "long_context"
    SHORT_CONTEXT = "short_context"
    NUMBERS = "numbers"
    ABLATIONS = "ablations"
    WHY = "why"
    MULTI_PART = "multi_part"
    SINGLE_QUESTION = "single_question"
    YES_NO = "yes_no"
    DEFINITIONS = "definitions"
    MORE_CRITERIA = "more_criteria"
    FEWER_CRITERIA = "fewer_criteria"
    EQUAL_WEIGHTS = "equal_weights"
    HEAVY_WEIGHTS = "heavy_weights"
    ATOMIC_CRITERIA = "atomic_criteria"
    BROAD_CRITERIA = "broad_criteria"
    BEYOND_CONTEXT = "beyond_context"
    PRECISE_ERRORS = "precise_errors"
    STYLE_CRITERIA = "style_criteria"
    SECTION_NAMES = "section_names"
    LIMITATIONS = "limitations"
    FUTURE_WORK = "future_work"
    TITLE = "title"
    HYPOTHETICAL = "hypothetical"
    SHORT_ANSWER = "short_answer"
    HINTS = "hints"
    EASIER = "easier"
    HARDER = "harder"
    THINK_FIRST = "think_first"
    SIMPLE_LANGUAGE = "simple_language"
    FORMAL_TONE = "formal_tone"
    ABSTRACT = "abstract"
    COMPARE = "compare"
    LISTS = "lists"
    MECHANISM = "mechanism"
    NEW_ANGLE = "new_angle"
    DEEP_IN_PAPER = "deep_in_paper"


MEANING: Mapping[Concept, str] = MappingProxyType(
    {
        Concept.PAPER_SPECIFIC: "The question needs facts only this paper holds.",
        Concept.NO_LEAK: "The context gives domain and set-up, never the solution.",
        Concept.POSITIVE_ONLY: "No negative criteria (negated: negative criteria are wanted).",
        Concept.WEIGHT_CAP: "No weight above the number that is said.",
        Concept.STRICT_JSON: "Nothing but JSON in the reply: no prose, no fences around it.",
        Concept.INTEGER_WEIGHTS: "Weights are bare integers, not strings, no plus sign.",
        Concept.LONG_CONTEXT: "A longer context.",
        Concept.SHORT_CONTEXT: "A shorter context.",
        Concept.NUMBERS: "Ask for, or grade, figures and quantities.",
        Concept.ABLATIONS: "Ask about ablations: what happens when a part is taken away.",
        Concept.WHY: "Ask why.",
        Concept.MULTI_PART: "A question of several parts.",
        Concept.SINGLE_QUESTION: "Exactly one question.",
        Concept.YES_NO: "A question that is answered with yes or no.",
        Concept.DEFINITIONS: "Ask for definitions of terms.",
        Concept.MORE_CRITERIA: "More criteria (how many if said).",
        Concept.FEWER_CRITERIA: "Fewer criteria (how many if said).",
        Concept.EQUAL_WEIGHTS: "All criteria weigh the same.",
        Concept.HEAVY_WEIGHTS: "Let one or two decisive criteria weigh much more.",
        Concept.ATOMIC_CRITERIA: "One fact a criterion, short.",
        Concept.BROAD_CRITERIA: "Holistic criteria about overall understanding.",
        Concept.BEYOND_CONTEXT: "Every criterion goes beyond what the context says.",
        Concept.PRECISE_ERRORS: "Negative criteria name one specific false claim.",
        Concept.STYLE_CRITERIA: "Criteria about form, clarity, style.",
        Concept.SECTION_NAMES: "Name the section of the paper that the question is about.",
        Concept.LIMITATIONS: "Ask about limits and weaknesses.",
        Concept.FUTURE_WORK: "Ask about future work.",
        Concept.TITLE: "Put the title of the paper into the question.",
        Concept.HYPOTHETICAL: "Dress the question as an invented scenario.",
        Concept.SHORT_ANSWER: "A reference answer of one sentence.",
        Concept.HINTS: "Give the solver hints in the question.",
        Concept.EASIER: "Make it easier.",
        Concept.HARDER: "Make it harder.",
        Concept.THINK_FIRST: "Reason or use a scratchpad before the JSON.",
        Concept.SIMPLE_LANGUAGE: "Plain words, no jargon.",
        Concept.FORMAL_TONE: "Formal, academic tone.",
        Concept.ABSTRACT: "Put the paper's abstract or summary into the context.",
        Concept.COMPARE: "Ask for a comparison with earlier or rival approaches.",
        Concept.LISTS: "Ask for a list of items.",
        Concept.MECHANISM: "Ask how the mechanism works: causes, steps, interactions.",
        Concept.NEW_ANGLE: "After a failure, an entirely new question from another angle.",
        Concept.DEEP_IN_PAPER: "Take material from deep in the paper: details, experiments, appendices.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A sentence that fills all `slots` speaks of `concept`; `clarity` < 1 for vaguer combinations."""

    concept: Concept
    slots: tuple[str, ...]
    asks_when_negated: bool = False
    has_opposite: bool = True
    is_ordered: bool = False
    unless: tuple[str, ...] = ()
    clarity: float = 1.0


def _ask(
    concept: Concept, slots: str, *, clarity: float = 1.0, unless: str = "", opposite: bool = True
) -> Frame:
    return Frame(
        concept=concept,
        slots=tuple(slots.split()),
        clarity=clarity,
        unless=tuple(unless.split()),
        has_opposite=opposite,
    )


def _forbid(
    concept: Concept, slots: str, *, opposite: bool = True, clarity: float = 1.0, unless: str = ""
) -> Frame:
    return Frame(
        concept=concept,
        slots=tuple(slots.split()),
        asks_when_negated=True,
        has_opposite=opposite,
        clarity=clarity,
        unless=tuple(unless.split()),
    )


def _in_order(concept: Concept, slots: str, *, unless: str = "") -> Frame:
    return Frame(
        concept=concept,
        slots=tuple(slots.split()),
        is_ordered=True,
        has_opposite=False,
        unless=tuple(unless.split()),
    )


_C = Concept
FRAMES: tuple[Frame, ...] = (
    _ask(_C.PAPER_SPECIFIC, "asked need paper detail", unless="criterion"),
    _ask(_C.PAPER_SPECIFIC, "asked specific paper", unless="criterion abstract title"),
    _ask(_C.PAPER_SPECIFIC, "asked need read paper", unless="criterion"),
    _ask(_C.PAPER_SPECIFIC, "need detail specific paper", unless="criterion"),
    _ask(_C.PAPER_SPECIFIC, "asked need paper", unless="criterion context", clarity=0.8),
    _ask(_C.PAPER_SPECIFIC, "asked only read paper", unless="criterion"),
    _ask(_C.PAPER_SPECIFIC, "detail specific paper", unless="criterion context", clarity=0.9),
    _ask(
        _C.PAPER_SPECIFIC,
        "asked detail paper",
        unless="criterion context future",
        clarity=0.6,
        opposite=False,
    ),
    _ask(_C.PAPER_SPECIFIC, "without paper lost", opposite=False),
    _forbid(_C.PAPER_SPECIFIC, "asked without paper"),
    _ask(_C.PAPER_SPECIFIC, "asked paper_alone", unless="criterion context"),
    _forbid(_C.PAPER_SPECIFIC, "asked generic", unless="criterion context formal"),
    _forbid(_C.PAPER_SPECIFIC, "generic suffice", unless="criterion context formal"),
    _forbid(_C.PAPER_SPECIFIC, "asked guess", opposite=False),
    _ask(_C.NO_LEAK, "context withhold answer"),
    _ask(_C.NO_LEAK, "context withhold approach"),
    _forbid(_C.NO_LEAK, "context reveal answer"),
    _forbid(_C.NO_LEAK, "spill answer"),
    _forbid(_C.NO_LEAK, "context possible"),
    _forbid(_C.NO_LEAK, "context answer", opposite=False, clarity=0.9),
    _ask(_C.NO_LEAK, "context setup only"),
    _forbid(_C.POSITIVE_ONLY, "negative criterion", unless="precise"),
    _forbid(_C.POSITIVE_ONLY, "negative weight"),
    _ask(_C.POSITIVE_ONLY, "swap negative positive", opposite=False),
    _forbid(_C.POSITIVE_ONLY, "negative error", opposite=False),
    _ask(_C.POSITIVE_ONLY, "positive only criterion"),
    _ask(_C.POSITIVE_ONLY, "positive only weight"),
    _in_order(_C.POSITIVE_ONLY, "every criterion positive"),
    _in_order(_C.POSITIVE_ONLY, "every weight positive"),
    _in_order(_C.POSITIVE_ONLY, "every positive weight"),
    _in_order(_C.POSITIVE_ONLY, "weight always positive"),
    _in_order(_C.POSITIVE_ONLY, "weight copula positive", unless="negative"),
    _in_order(_C.POSITIVE_ONLY, "criterion copula positive", unless="negative"),
    _ask(_C.STRICT_JSON, "json strictly"),
    _forbid(_C.STRICT_JSON, "wrapping", opposite=False, unless="context source weight"),
    _forbid(_C.STRICT_JSON, "noise around", unless="context source weight"),
    _ask(_C.INTEGER_WEIGHTS, "weight integer"),
    _forbid(_C.INTEGER_WEIGHTS, "weight string"),
    _ask(_C.LONG_CONTEXT, "context long", unless="criterion"),
    _ask(_C.SHORT_CONTEXT, "context short", unless="criterion"),
    _ask(_C.NUMBERS, "topic figure"),
    _ask(_C.NUMBERS, "criterion figure"),
    _ask(_C.ABLATIONS, "topic ablation"),
    _ask(_C.WHY, "asked why", unless="criterion"),
    _ask(_C.MULTI_PART, "asked parts", unless="criterion context"),
    _ask(_C.SINGLE_QUESTION, "one", opposite=False, unless="criterion"),
    _ask(_C.YES_NO, "topic polar"),
    _ask(_C.DEFINITIONS, "topic definition"),
    _ask(_C.MORE_CRITERIA, "many rubric", unless="negative weight context"),
    _ask(_C.FEWER_CRITERIA, "few rubric", unless="negative weight context atomic"),
    _ask(_C.EQUAL_WEIGHTS, "equal weight"),
    _ask(_C.HEAVY_WEIGHTS, "heavy weight", unless="negative"),
    _ask(_C.ATOMIC_CRITERIA, "criterion atomic", unless="negative weight json"),
    _ask(_C.BROAD_CRITERIA, "criterion broad"),
    _ask(_C.BEYOND_CONTEXT, "criterion beyond context"),
    _forbid(_C.BEYOND_CONTEXT, "criterion repeat context", opposite=False),
    _ask(_C.PRECISE_ERRORS, "negative precise error"),
    _ask(_C.STYLE_CRITERIA, "criterion style"),
    _ask(_C.SECTION_NAMES, "section name question"),
    _ask(_C.LIMITATIONS, "topic limits"),
    _ask(_C.FUTURE_WORK, "topic future"),
    _ask(_C.TITLE, "title question"),
    _ask(_C.HYPOTHETICAL, "hypothetical topic"),
    _ask(_C.SHORT_ANSWER, "reference brief"),
    _ask(_C.HINTS, "hint give"),
    _ask(_C.EASIER, "easy asked", unless="language criterion"),
    _ask(_C.HARDER, "hard asked", unless="criterion"),
    _ask(_C.THINK_FIRST, "think first"),
    _ask(_C.SIMPLE_LANGUAGE, "plain language"),
    _forbid(_C.SIMPLE_LANGUAGE, "jargon"),
    _ask(_C.FORMAL_TONE, "formal register"),
    _ask(_C.ABSTRACT, "abstract context"),
    _ask(_C.COMPARE, "compare prior"),
    _ask(_C.LISTS, "topic list", unless="criterion json"),
    _ask(_C.MECHANISM, "topic mechanism", unless="context"),
    _ask(_C.NEW_ANGLE, "new angle"),
    _forbid(_C.NEW_ANGLE, "reword question"),
    _ask(_C.DEEP_IN_PAPER, "take deep paper"),
    _ask(_C.DEEP_IN_PAPER, "take deep section"),
)
