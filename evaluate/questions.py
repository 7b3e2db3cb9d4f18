"""What the frozen roles are asked: the sections of their prompts, the form and the JSON schema of a reply.

Long parts that many requests share come first, so that an endpoint's prompt cache can reuse them: paper
before example, form and criteria before the answer that is marked, the check word last. The forms show the
true number of marks, put reasons before verdicts, and contain placeholders that are no JSON: a copied form is
unreadable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from studbook.evaluate.contracts import Example
from studbook.evaluate.replies import WHY_CHECK, WHY_MARK, Check, UnreadableReply, read_check, read_marks
from studbook.evaluate.rubric import note_rubric
from studbook.evaluate.screening import MAX_FINDINGS, Finding
from studbook.evaluate.text import defuse, one_line, section, strip_hidden
from studbook.llm.contracts import Message

T = TypeVar("T")

MAX_QUOTED_REPLY = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """A request to a judging role. `ending` is the last line of the prompt, with `{word}` in it.

    `unseen` is text behind the request that no harness is shown; the check word depends on it. `read` takes a
    reply and the check word, and raises UnreadableReply.
    """

    role: str
    parts: tuple[str, ...]
    ending: str
    schema: dict[str, Any]
    read: Callable[[str, str], T]
    unseen: str

    def opening(self, instructions: str, word: str) -> tuple[Message, ...]:
        asked = "\n\n".join([*self.parts, section("check", word), self.ending.format(word=word)])
        return (Message(role="system", content=instructions), Message(role="user", content=asked))

    def correction(self, reply: str, problem: UnreadableReply, word: str) -> tuple[Message, ...]:
        """Follows the opening when the question is asked again: the reply, and what was wrong with it."""
        quoted = defuse(strip_hidden(reply)[0]).text.strip()[:MAX_QUOTED_REPLY] or "(nothing)"
        told = f"That reply could not be used: {problem}. {self.ending.format(word=word)}"
        return (Message(role="assistant", content=quoted), Message(role="user", content=told))


def solver_sections(example: Example) -> tuple[str, str]:
    return section("context", example.context), section("question", example.question)


def judge_question(example: Example, answer: str) -> Question[tuple[bool, ...]]:
    count = len(example.rubric)
    criteria = [f"{n}. {one_line(item.criterion)}" for n, item in enumerate(example.rubric, 1)]
    entries = [
        f'{{"criterion": {n}, "reason": <{WHY_MARK}>, "met": <true or false>}}' for n in range(1, count + 1)
    ]
    form = '{"check": <the word>, "marks": [\n' + ",\n".join(entries) + "\n]}"
    number = "1 entry" if count == 1 else f"{count} entries"
    return Question(
        role="judge",
        parts=(
            f"The form of your reply, for {count} criteria:\n{form}",
            section("question", example.question),
            section("criteria", "\n".join(criteria)),
            section("answer", answer),
        ),
        ending=(
            'Reply with one JSON object and nothing else, in the form above: "check" is "{word}", and '
            f'"marks" has exactly {number}, each with its reason before true or false.'
        ),
        schema=marks_schema(count),
        read=lambda reply, word: read_marks(reply, count, word),
        unseen=answer,
    )


def verifier_question(
    example: Example,
    findings: Sequence[Finding] = (),
    *,
    document: Sequence[str] = (),
    answers: Sequence[str] = (),
) -> Question[Check]:
    """`document` is the section with the paper. Screening comes last, and only when there are findings.

    `answers` are those of the solvers: the verifier does not see them, but neither does the harness.
    """
    rubric = [
        f"{n}. [weight {item.weight}, {one_line(item.category) or 'no category'}] {one_line(item.criterion)}"
        for n, item in enumerate(example.rubric, 1)
    ]
    notes = [*findings, *note_rubric(example.rubric)][:MAX_FINDINGS]
    told = [f"- {item.field}: {item.kind}: {item.quote}" for item in notes]
    return Question(
        role="final_verifier",
        parts=(
            *document,
            section("context", example.context),
            section("question", example.question),
            section("reference_answer", example.reference_answer),
            section("rubric", "\n".join(rubric)),
            *([section("screening", "\n".join(told))] if told else []),
        ),
        ending=(
            "Reply with one JSON object and nothing else, the reason before the verdict: "
            f'{{{{"check": "{{word}}", "reason": <{WHY_CHECK}>, "pass": <true or false>}}}}'
        ),
        schema=CHECK_SCHEMA,
        read=read_check,
        unseen="\n".join(answers),
    )


def marks_schema(count: int) -> dict[str, Any]:
    """The JSON schema of a reply with exactly `count` marks."""
    mark = _closed(
        {"criterion": {"type": "integer"}, "reason": {"type": "string"}, "met": {"type": "boolean"}}
    )
    marks = {"type": "array", "items": mark, "minItems": count, "maxItems": count}
    return _closed({"check": {"type": "string"}, "marks": marks})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """All properties required, no others: strict modes accept nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


CHECK_SCHEMA = _closed(
    {"check": {"type": "string"}, "reason": {"type": "string"}, "pass": {"type": "boolean"}}
)
