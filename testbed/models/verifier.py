"""The harness's own verifier: checks what its prompt asks for.

It extracts its checks from prose, as the challenger does its rules, so editing that prose changes what it
checks. It sometimes misses faults. The evaluator's frozen final verifier is a separate program.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.final_verifier import Point
from studbook.testbed.models.instructions import split_instructions
from studbook.testbed.models.judge import is_met
from studbook.testbed.models.recognizer import Concept, Rule, recognize
from studbook.testbed.models.request import SeededDraws, all_text, find_section, without_section
from studbook.testbed.models.sentences import split_sentences
from studbook.testbed.models.words import CountRange, find_count, stem, tokens, word_set

MOST_LEAKED = 0.5
OVERLOOKS = 0.35

_STYLE = re.compile(
    r"\b(?:tone|style|spelling|fluent|grammar|format|well organi[sz]ed|readab)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DraftedExample:
    context: str
    question: str
    rubric: tuple[Point, ...]

    @property
    def positives(self) -> list[Point]:
        return [item for item in self.rubric if item.weight > 0]

    @property
    def negatives(self) -> list[Point]:
        return [item for item in self.rubric if item.weight < 0]


def reply(request: ChatRequest) -> str:
    """The harness's verifier: {"pass": bool, "feedback": str}."""
    text = all_text(request.messages)
    example = _read_example(find_section(text, "example"))
    if example is None:
        return json.dumps({"pass": False, "feedback": "The example could not be read as JSON."})
    checks = without_section(text, "example")
    faults = _faults(example, checks, SeededDraws(request.seed))
    return json.dumps({"pass": not faults, "feedback": " ".join(faults) or "No fault found."})


def _faults(example: _DraftedExample, checks: str, draws: SeededDraws) -> list[str]:
    rules = {rule.concept: rule for rule in recognize(checks)}
    faults = _count_faults(example, checks, rules.get(Concept.POSITIVE_ONLY))
    if (
        _asks(rules, Concept.NO_LEAK)
        and _leaked(example) > MOST_LEAKED
        and not draws.happens(OVERLOOKS, "leak")
    ):
        faults.append("The context gives away the answer.")
    if _asks(rules, Concept.SINGLE_QUESTION) and example.question.count("?") > 1:
        faults.append("It asks several questions in one.")
    if (
        _asks(rules, Concept.PAPER_SPECIFIC)
        and _is_generic(example)
        and not draws.happens(OVERLOOKS, "generic")
    ):
        faults.append("The question is generic: it could be asked of any paper.")
    cap = rules.get(Concept.WEIGHT_CAP)
    if cap and cap.wanted and cap.amount and any(abs(item.weight) > cap.amount for item in example.rubric):
        faults.append(f"A weight is above {cap.amount}.")
    style = rules.get(Concept.STYLE_CRITERIA)
    if style and not style.wanted and any(_STYLE.search(item.text) for item in example.rubric):
        faults.append("A criterion is about form.")
    return faults


def _asks(rules: dict[Concept, Rule], concept: Concept) -> bool:
    return concept in rules and rules[concept].wanted


def _count_faults(example: _DraftedExample, checks: str, positive_only: Rule | None) -> list[str]:
    if positive_only and positive_only.wanted:
        return ["The rubric has negative criteria; it should have none."] if example.negatives else []
    faults = _count_fault(len(example.negatives), _count(checks, r"negatives?\b"), "negative")
    return faults + _count_fault(len(example.positives), _count(checks, r"positives?\b"), "positive")


def _count(checks: str, noun: str) -> CountRange | None:
    counts = [find_count(sentence, noun) for sentence in split_instructions(checks)]
    return next((count for count in counts if count), None)


def _count_fault(found: int, wanted: CountRange | None, noun: str) -> list[str]:
    if wanted is None or wanted.low <= found <= wanted.high:
        return []
    word = "few" if found < wanted.low else "many"
    return [f"There are too {word} {noun} criteria ({found})."]


def _leaked(example: _DraftedExample) -> float:
    """The share of the positive weight that the context alone earns."""
    context = split_sentences(example.context)
    earned = sum(item.weight for item in example.positives if is_met(item.text, context))
    return earned / max(1, sum(item.weight for item in example.positives))


_PLAIN = frozenset(
    map(
        stem,
        word_set(
            """
            explain approach described work better simple alternative main idea effective advantage offer
            usual method succeed trade off describe important problem solution good technique result
            """
        ),
    )
)


def _is_generic(example: _DraftedExample) -> bool:
    telling = [word for word in tokens(example.question) if len(word) > 4 and stem(word) not in _PLAIN]
    return len(telling) < 4


def _read_example(text: str) -> _DraftedExample | None:
    try:
        value = json.loads(text)
        return _DraftedExample(
            context=str(value["context"]),
            question=str(value["question"]),
            rubric=tuple(_as_criterion(item) for item in value["rubric"]),
        )
    except (ValueError, KeyError, TypeError):  # the harness did not send an example
        return None


def _as_criterion(item: Any) -> Point:
    return Point(str(item["criterion"]), int(item["weight"]))
