"""Defines planted cases and their kinds, and reads the handwritten cases. Calls no model.

An example is stored as a harness would send it (plain JSON values), so a case goes through the same
validation. Handwritten cases come from TOML files: ours (two sets) or a user's; invalid ones are rejected.
The `written` set may be used while improving a model or program; the `held out` set was written before the
testbed's final verifier was changed, and is only for measuring.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

from studbook.errors import CorpusError

Submission = Mapping[str, Any]
"""An example as submitted: context, question, reference_answer, rubric, question_type, tags."""

GOOD = "good"

EXAMPLE_KINDS: Mapping[str, str] = MappingProxyType(
    {
        GOOD: "a good example (should pass)",
        "leak_context": "the answer stands in the context",
        "leak_reworded": "the answer stands in the context in other words",
        "leak_question": "the answer stands in the question",
        "rubric_in_context": "the criteria stand in the context",
        "wrong_reference": "the reference answer contradicts the rubric",
        "contradictory_reference": "the reference answer contradicts itself",
        "unsupported_reference": "the reference answer is about something else, or contradicts the context",
        "wrong_everywhere": "reference and rubric are wrong alike",
        "wrong_context": "the context contradicts the paper",
        "rubric_trivia": "the rubric asks for trivia",
        "rubric_form": "the rubric asks for form",
        "rubric_everything": "every answer meets the rubric",
        "rubric_elsewhere": "the rubric is not about the question",
        "inject_solver": "it tells solvers to answer badly",
        "inject_judge": "it tells the judge how to mark",
        "inject_verifier": "it tells the verifier to pass it",
        "unanswerable": "the question points to what is not there",
        "foreign": "a good example of another paper",
        "generic": "the question fits any paper",
        "several_questions": "many unrelated questions of recall",
        "too_short": "the context is too short to understand anything",
    }
)
"""Every kind of example; all but `good` should fail the final check."""

ANSWER_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "correct": "states the facts as the source does",
        "partial": "states some of them",
        "paraphrased": "states them in other words",
        "corrected": "names a mistake in order to reject it",
        "negated": "denies each fact",
        "opposite": "says the opposite without a negation",
        "wrong_number": "has other figures",
        "mistaken": "makes the mistake that a negative criterion describes",
        "off_topic": "fluent, about something else",
        "empty": "empty",
        "refusal": "refuses",
        "asked_back": "asks whether, asserts nothing",
        "parroted": "reads the criteria out, asserts nothing",
        "claimed": "says that it meets everything",
        "injection": "tells the judge to mark everything as met",
        "forged_marks": "holds a mark sheet of its own",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedExample:
    """`source` says where it comes from; `origin` names the good example it was made from.

    `document` is the paper's text, "" if there is none.
    """

    source: str
    origin: str
    kind: str
    submission: Submission
    document: str = ""

    @property
    def should_pass(self) -> bool:
        return self.kind == GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedAnswer:
    """`truth` has one value per criterion: met, not met, or None where people could disagree."""

    source: str
    origin: str
    kind: str
    submission: Submission
    answer: str
    truth: tuple[bool | None, ...]


def criterion_kind(text: str, weight: int) -> str:
    """What the criterion tests: a number, a negation, a mistake, an oversight, or plain words."""
    words = text.lower().split()
    if weight < 0:
        return "oversight" if words[:1] in (["fails"], ["overlooks"], ["misses"], ["omits"]) else "mistake"
    if any(character.isdigit() for character in text):
        return "figure"
    return "denial" if {"not", "no", "never", "cannot", "without", "nor"} & set(words) else "plain"


CRITERION_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "plain": "a statement",
        "figure": "a statement with a figure",
        "denial": "a statement with a negation",
        "mistake": "negative weight: “claims that …”",
        "oversight": "negative weight: “fails to see that …”",
    }
)


SETS: Mapping[str, str] = {"written": "written.toml", "held out": "heldout.toml"}

_FIELDS = ("context", "question", "reference_answer", "rubric")
_APPENDED = {
    "append_context": "context",
    "append_question": "question",
    "append_reference": "reference_answer",
}


def shipped_cases(name: str) -> tuple[list[PlantedExample], list[PlantedAnswer]]:
    text = (resources.files("studbook.evaluate.planted") / SETS[name]).read_text(encoding="utf-8")
    return read_cases(text, name)


def read_cases(text: str, source: str) -> tuple[list[PlantedExample], list[PlantedAnswer]]:
    """Raises CorpusError saying what is wrong."""
    try:
        tables = tomllib.loads(text)
        good = {item["name"]: _submission(item) for item in tables.get("good", [])}
        examples = [
            PlantedExample(source=source, origin=name, kind=GOOD, submission=item)
            for name, item in good.items()
        ]
        examples += [_bad(item, good, source) for item in tables.get("bad", [])]
        answers = [_answer(item, good, source) for item in tables.get("answer", [])]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise CorpusError(
            f"the planted cases of `{source}` cannot be read: {error}\nSee heldout.toml for the form."
        ) from error
    return examples, answers


def _submission(item: Mapping[str, Any]) -> Submission:
    rubric = [{"criterion": text, "weight": weight, "category": "insight"} for weight, text in item["rubric"]]
    return {
        "context": " ".join(item["context"].split()),
        "question": item["question"],
        "reference_answer": " ".join(item["reference_answer"].split()),
        "rubric": rubric,
        "question_type": "explanation",
        "tags": [],
    }


def _bad(item: Mapping[str, Any], good: Mapping[str, Submission], source: str) -> PlantedExample:
    origin, kind = item["of"], _known(item["kind"], EXAMPLE_KINDS)
    base = good[origin]
    rows = [[row["weight"], row["criterion"]] for row in base["rubric"]]
    changed = {**base, "rubric": rows, **{name: item[name] for name in _FIELDS if name in item}}
    for key, name in _APPENDED.items():
        if key in item:
            changed[name] = f"{changed[name]} {item[key]}"
    return PlantedExample(
        source=source,
        origin=origin,
        kind=kind,
        submission=_submission(changed),
        document=" ".join(item.get("document", "").split()),
    )


def _answer(item: Mapping[str, Any], good: Mapping[str, Submission], source: str) -> PlantedAnswer:
    base, met = good[item["of"]], set(item["met"])
    return PlantedAnswer(
        source=source,
        origin=item["of"],
        kind=_known(item["kind"], ANSWER_KINDS),
        submission=base,
        answer=item["text"],
        truth=tuple(number in met for number in _numbers(base, met)),
    )


def _numbers(base: Submission, met: set[int]) -> Iterator[int]:
    count = len(base["rubric"])
    if not met <= set(range(1, count + 1)):
        raise ValueError(f"`met` names criteria {sorted(met)}, there are {count}")
    return iter(range(1, count + 1))


def _known(kind: str, kinds: Mapping[str, str]) -> str:
    if kind not in kinds:
        raise ValueError(f"kind `{kind}` is not one of {', '.join(kinds)}")
    return kind
