"""Cases written by hand, out of TOML: ours (two sets) or a user's own. What cannot be read is refused.

`written` may be looked at while a model or program is mended; `held out` was written before the testbed's
final verifier was touched, and is for measuring only.
"""

import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from evaluate.planted.cases import (
    ANSWER_KINDS,
    EXAMPLE_KINDS,
    GOOD,
    PlantedAnswer,
    PlantedExample,
    Submission,
)
from studbook.errors import CorpusError

SETS: Mapping[str, str] = {"written": "written.toml", "held out": "heldout.toml"}

_FIELDS = ("context", "question", "reference_answer", "rubric")
_APPENDED = {
    "append_context": "context",
    "append_question": "question",
    "append_reference": "reference_answer",
}


def shipped_cases(name: str) -> tuple[list[PlantedExample], list[PlantedAnswer]]:
    text = (resources.files("evaluate.planted") / SETS[name]).read_text(encoding="utf-8")
    return read_cases(text, name)


def read_cases(text: str, source: str) -> tuple[list[PlantedExample], list[PlantedAnswer]]:
    """Raises CorpusError that names what is wrong."""
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
    return PlantedExample(source=source, origin=origin, kind=kind, submission=_submission(changed))


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
