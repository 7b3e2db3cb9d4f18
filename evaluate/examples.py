"""Validates a harness's example once, on entry; after that it is a plain frozen value.

An invalid example becomes `Malformed`, with a reason that is reported to the harness; it is never repaired
here. Does not judge content.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from studbook.evaluate.contracts import Criterion, Example
from studbook.evaluate.rubric import find_contradiction
from studbook.evaluate.screening import Finding, screen
from studbook.evaluate.text import defuse, strip_hidden, visible_line
from studbook.identity import hash_bytes, hash_json

MAX_CRITERIA = 40
MAX_TAGS = 20
MAX_CHARACTERS = 40_000  # all fields together: each of them appears in some frozen prompt

_Long = Annotated[str, StringConstraints(max_length=20_000)]
_Line = Annotated[str, StringConstraints(max_length=2_000)]
_Word = Annotated[str, StringConstraints(max_length=200)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _SubmittedCriterion(_Closed):
    criterion: _Line
    weight: Annotated[int, Field(ge=-10, le=10)]
    category: _Word = ""


class _SubmittedExample(_Closed):
    context: _Long
    question: _Long
    reference_answer: _Long
    rubric: Annotated[list[_SubmittedCriterion], Field(min_length=1, max_length=MAX_CRITERIA)]
    question_type: _Word = ""
    tags: Annotated[list[_Word], Field(max_length=MAX_TAGS)] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadExample:
    """A valid example, and the manipulation attempts found in it.

    `hidden_characters` were removed. `defused_marks` are section tags and role marks, which stay in the
    example as written and are defused in every prompt. `findings` are the results of screening.
    """

    example: Example
    hidden_characters: int
    defused_marks: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    reason: str


def read_example(submitted: Any) -> ReadExample | Malformed:  # any JSON value a harness may send
    """Validate what a harness submitted: strict types, bounded lengths, integer weights, no unknown keys."""
    try:
        parsed = _SubmittedExample.model_validate(submitted)
    except ValidationError as error:
        return Malformed(reason=_first_problem(error))
    problem = _problem_with_size(parsed) or _problem_with_rubric(parsed.rubric)
    if problem is not None:
        return Malformed(reason=problem)
    return _clean(parsed)


def example_to_json(example: Example) -> dict[str, Any]:
    """The same JSON object as a harness submits."""
    return {
        "context": example.context,
        "question": example.question,
        "reference_answer": example.reference_answer,
        "rubric": [
            {"criterion": item.criterion, "weight": item.weight, "category": item.category}
            for item in example.rubric
        ],
        "question_type": example.question_type,
        "tags": list(example.tags),
    }


def example_from_json(data: dict[str, Any]) -> Example:
    """The inverse of `example_to_json`."""
    rubric = tuple(Criterion(**item) for item in data["rubric"])
    return Example(**{**data, "rubric": rubric, "tags": tuple(data["tags"])})


def example_hash(example: Example) -> str:
    """Equal only for identical text: one changed character makes a different example."""
    return hash_json(example_to_json(example))


def submission_hash(submitted: Any) -> str:
    """Identifies an invalid submission, so that sending it twice costs one round."""
    return hash_bytes(repr(submitted).encode("utf-8", "backslashreplace"))


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "example"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{visible_line(place[:200])}: {first['msg']}{more}"


def _problem_with_size(parsed: _SubmittedExample) -> str | None:
    texts = [parsed.context, parsed.question, parsed.reference_answer, parsed.question_type, *parsed.tags]
    total = sum(map(len, texts)) + sum(len(item.criterion) + len(item.category) for item in parsed.rubric)
    return f"example: {total} characters in all, at most {MAX_CHARACTERS}" if total > MAX_CHARACTERS else None


def _problem_with_rubric(rubric: list[_SubmittedCriterion]) -> str | None:
    for number, item in enumerate(rubric):
        if item.weight == 0:
            return f"rubric.{number}.weight: must not be 0"
    if not any(item.weight > 0 for item in rubric):
        return "rubric: needs at least one positive weight"
    pair = find_contradiction([(item.criterion, item.weight) for item in rubric])
    if pair is not None:
        return f"rubric.{pair[1]}: says the same as rubric.{pair[0]}, with a weight of the other sign"
    return None


def _clean(parsed: _SubmittedExample) -> ReadExample | Malformed:
    texts = _Cleaner()
    example = Example(
        context=texts.clean(parsed.context),
        question=texts.clean(parsed.question),
        reference_answer=texts.clean(parsed.reference_answer),
        rubric=tuple(
            Criterion(
                criterion=texts.clean(item.criterion), weight=item.weight, category=texts.clean(item.category)
            )
            for item in parsed.rubric
        ),
        question_type=texts.clean(parsed.question_type),
        tags=tuple(texts.clean(tag) for tag in parsed.tags),
    )
    empty = _empty_field(example)
    if empty is not None:
        return Malformed(reason=f"{empty}: must not be empty")
    return ReadExample(
        example=example,
        hidden_characters=texts.hidden,
        defused_marks=texts.defused,
        findings=screen(_fields(parsed)),
    )


def _fields(parsed: _SubmittedExample) -> Iterator[tuple[str, str]]:
    """Every text with its field name, as it was sent."""
    for name in ("question", "context", "reference_answer", "question_type"):
        yield name, getattr(parsed, name)
    for number, item in enumerate(parsed.rubric):
        yield f"rubric.{number}.criterion", item.criterion
        yield f"rubric.{number}.category", item.category
    for number, tag in enumerate(parsed.tags):
        yield f"tags.{number}.tag", tag


def _empty_field(example: Example) -> str | None:
    for name in ("context", "question", "reference_answer"):
        if not getattr(example, name):
            return name
    for number, item in enumerate(example.rubric):
        if not item.criterion:
            return f"rubric.{number}.criterion"
    return None


class _Cleaner:
    """Strips text and counts removals over all fields of one example."""

    def __init__(self) -> None:
        self.hidden = 0
        self.defused = 0

    def clean(self, text: str) -> str:
        visible, hidden = strip_hidden(text)
        self.hidden += hidden
        self.defused += defuse(visible).count
        return visible.strip()
