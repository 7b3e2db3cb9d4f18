"""The loop: write an example, check it, have it measured, tell what failed, ask again from another side.

Runs inside a box. It believes only the evaluator's reports; "undecided" (weak rollouts only) is no verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass

import quality
from attempts import Attempt, Attempts
from drafts import SCHEMA, BadDraft, read_draft
from harness_kit import Box, BudgetSpent, MalformedExample, ModelFailed

CHALLENGER_TASK = ("challenger_system.md", "challenger_task.md", "rubric_guide.md")


@dataclass
class Draft:
    """An example ready to be measured, or the reason why there is none."""

    example: dict | None
    problem: str = ""


def main(box: Box) -> None:
    attempts = Attempts()
    for number in range(1, rounds_allowed(box) + 1):
        box.log(f"round {number}")
        try:
            attempt = play_round(box, attempts)
        except BudgetSpent as error:
            box.log(f"stopping: {error}")
            return
        if attempt.outcome == "accepted":
            return
        attempts.add(attempt)


def rounds_allowed(box: Box) -> int:
    return min(box.max_rounds, int(box.knobs["max_rounds"]))


def play_round(box: Box, attempts: Attempts) -> Attempt:
    """One example, from the first word to the evaluator's verdict."""
    draft = write_checked_draft(box, attempts)
    if draft.example is None:
        return Attempt(outcome="malformed", reason=draft.problem)
    try:
        report = measure(box, draft.example)
    except MalformedExample as error:
        return Attempt(outcome="malformed", question=question_of(draft.example), reason=str(error))
    return Attempt.from_report(question_of(draft.example), report)


def write_checked_draft(box: Box, attempts: Attempts) -> Draft:
    """A draft that passed our own verifier, or the last one written when retries are used up."""
    remark = ""
    for _ in range(int(box.knobs["quality_retries"]) + 1):
        draft = write_draft(box, attempts, remark)
        if draft.example is None:
            return draft
        verdict = quality.check(box, draft.example)
        if verdict.passed:
            return draft
        box.log(f"quality check failed: {verdict.feedback}")
        remark = verdict.feedback
    return draft


def write_draft(box: Box, attempts: Attempts, remark: str) -> Draft:
    """Ask the challenger; a reply that cannot be read may be asked for again."""
    problem = ""
    for _ in range(int(box.knobs["reply_retries"]) + 1):
        reply = ask_challenger(box, attempts, remark)
        try:
            return Draft(read_draft(reply))
        except BadDraft as error:
            problem = str(error)
            box.log(f"unreadable draft: {problem}")
    return Draft(None, problem)


def ask_challenger(box: Box, attempts: Attempts, remark: str) -> str:
    messages = [{"role": "user", "content": challenger_request(box, attempts, remark)}]
    temperature = box.knobs["challenger_temperature"]
    return persist(lambda: box.chat("challenger", messages, temperature=temperature, json_schema=SCHEMA))


def challenger_request(box: Box, attempts: Attempts, remark: str) -> str:
    """Paper first (a long shared prefix is cheap to repeat), then the task, what has failed, and the form."""
    parts = [f"<paper>\n{box.paper.text}\n</paper>", read_prompts(box, CHALLENGER_TASK)]
    if attempts:
        parts.append(box.read("prompts/refine.md"))
        parts.append(attempts.as_feedback(limit=int(box.knobs["feedback_items"])))
    if remark:
        parts.append(f"Your last draft was sent back by the quality verifier. Its remark: {remark}")
    parts.append(read_prompts(box, ("output_format.md",)))
    return "\n\n".join(part for part in parts if part)


def read_prompts(box: Box, names: tuple) -> str:
    return "\n\n".join(box.read(f"prompts/{name}").strip() for name in names)


def measure(box: Box, example: dict) -> dict:
    """Weak rollouts first: strong ones are paid for only while the weak ones leave it open."""
    report = box.evaluate(example, solvers="weak")
    if report["status"] == "undecided":
        report = box.evaluate(example, solvers="both")
    box.log(f"evaluated: {report['status']}: {report['reason']}")
    return report


def question_of(example: dict) -> str:
    return str(example.get("question", ""))


def persist(request: Callable[[], str], tries: int = 3) -> str:
    """A model that fails to answer is asked again: an outage is no reason to change the question."""
    for _ in range(tries - 1):
        try:
            return request()
        except ModelFailed:
            continue
    return request()
