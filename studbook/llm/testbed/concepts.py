"""What the testbed's challenger can be told: the concepts it recognises in instructions, and what each does.

A concept is a meaning, not a wording; `lexicon.py` holds the words, `recogniser.py` the reading. Whether a
concept helps is not written anywhere: it follows from what the text it leads to does to solvers and judge.
"""

from collections.abc import Mapping
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
