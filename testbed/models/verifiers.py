"""Two verifiers: the harness's own, which checks what its prompt asks for, and the evaluator's frozen one.

The first reads its checks out of prose, as the challenger reads its rules, so editing that prose changes what
it checks. The second always checks the same things. Both overlook faults now and then.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.concepts import Concept
from studbook.testbed.models.final_check import Point, Submitted, find_faults
from studbook.testbed.models.instructions import split_instructions
from studbook.testbed.models.judge import is_met
from studbook.testbed.models.luck import Luck
from studbook.testbed.models.recognizer import Rule, recognise
from studbook.testbed.models.sentences import all_text, find_section, split_sentences, without_section
from studbook.testbed.models.words import Count, find_count, stem, tokens, word_set

MOST_LEAKED = 0.5
OVERLOOKS = 0.35
FINAL_OVERLOOKS = 0.1
FINAL_INVENTS = 0.02
_STYLE = re.compile(
    r"\b(?:tone|style|spelling|fluent|grammar|format|well organi[sz]ed|readab)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Example:
    context: str
    question: str
    rubric: tuple[Point, ...]

    @property
    def positives(self) -> list[Point]:
        return [item for item in self.rubric if item.weight > 0]

    @property
    def negatives(self) -> list[Point]:
        return [item for item in self.rubric if item.weight < 0]


def quality(request: ChatRequest) -> str:
    """The harness's verifier: {"pass": bool, "feedback": str}."""
    text = all_text(request.messages)
    example = _read_example(find_section(text, "example"))
    if example is None:
        return json.dumps({"pass": False, "feedback": "The example could not be read as JSON."})
    checks = without_section(text, "example")
    faults = _faults(example, checks, Luck(request.seed))
    return json.dumps({"pass": not faults, "feedback": " ".join(faults) or "No fault found."})


def final(request: ChatRequest) -> str:
    """The evaluator's last check: {"pass": bool, "reason": str}."""
    text = all_text(request.messages)
    example = Submitted(
        context=find_section(text, "context"),
        question=find_section(text, "question"),
        reference=find_section(text, "reference_answer"),
        rubric=tuple(_rubric_lines(find_section(text, "rubric"))),
        screening=find_section(text, "screening"),
        source=find_section(text, "source_document"),
    )
    luck = Luck(request.seed)
    faults = [fault for fault in find_faults(example) if not luck.happens(FINAL_OVERLOOKS, fault)]
    if not faults and luck.happens(FINAL_INVENTS, "invented"):
        faults = ["Something about it seems wrong."]
    return json.dumps({"pass": not faults, "reason": " ".join(faults) or "No fault found."})


def _faults(example: _Example, checks: str, luck: Luck) -> list[str]:
    rules = {rule.concept: rule for rule in recognise(checks)}
    faults = _count_faults(example, checks, rules.get(Concept.POSITIVE_ONLY))
    if (
        _asks(rules, Concept.NO_LEAK)
        and _leaked(example) > MOST_LEAKED
        and not luck.happens(OVERLOOKS, "leak")
    ):
        faults.append("The context gives away the answer.")
    if _asks(rules, Concept.SINGLE_QUESTION) and example.question.count("?") > 1:
        faults.append("It asks several questions in one.")
    if (
        _asks(rules, Concept.PAPER_SPECIFIC)
        and _is_generic(example)
        and not luck.happens(OVERLOOKS, "generic")
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


def _count_faults(example: _Example, checks: str, positive_only: Rule | None) -> list[str]:
    if positive_only and positive_only.wanted:
        return ["The rubric has negative criteria; it should have none."] if example.negatives else []
    faults = _count_fault(len(example.negatives), _count(checks, r"negatives?\b"), "negative")
    return faults + _count_fault(len(example.positives), _count(checks, r"positives?\b"), "positive")


def _count(checks: str, noun: str) -> Count | None:
    counts = [find_count(sentence, noun) for sentence in split_instructions(checks)]
    return next((count for count in counts if count), None)


def _count_fault(found: int, wanted: Count | None, noun: str) -> list[str]:
    if wanted is None or wanted.low <= found <= wanted.high:
        return []
    word = "few" if found < wanted.low else "many"
    return [f"There are too {word} {noun} criteria ({found})."]


def _leaked(example: _Example) -> float:
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


def _is_generic(example: _Example) -> bool:
    telling = [word for word in tokens(example.question) if len(word) > 4 and stem(word) not in _PLAIN]
    return len(telling) < 4


def _read_example(text: str) -> _Example | None:
    try:
        value = json.loads(text)
        return _Example(
            context=str(value["context"]),
            question=str(value["question"]),
            rubric=tuple(_as_criterion(item) for item in value["rubric"]),
        )
    except (ValueError, KeyError, TypeError):  # whatever the harness sent: it is not an example
        return None


def _as_criterion(item: Any) -> Point:
    return Point(str(item["criterion"]), int(item["weight"]))


_RUBRIC_LINE = re.compile(r"^\s*\d+\.\s*\[weight ([+-]?\d+)[^\]]*\]\s*(.*)$", re.MULTILINE)


def _rubric_lines(text: str) -> Sequence[Point]:
    return [Point(match[2], int(match[1])) for match in _RUBRIC_LINE.finditer(text)]
