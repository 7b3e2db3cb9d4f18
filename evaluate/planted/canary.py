"""Puts sixteen planted cases to judge and final verifier before a run, to see whether they are above chance.

A judge that marks everything as met makes every example too easy, and a verifier that copies the example of
its prompt passes every one: the run's numbers then say nothing, and no later check would notice. The canary
is a smoke test, not a measurement (`benchmarks/verifier_errors.py` is one): the cases are plain, each is
asked about once, and a model that is right where people would all agree is well above chance.

The judge marks four answers that each meet about half of their criteria; the final verifier checks six good
examples and six bad ones. Giving always the same answer is therefore right half of the time. Every reply is
read by the evaluator's own code; one that it would have to ask for again counts as unreadable.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from studbook.evaluate.planted.cases import (
    EXAMPLE_KINDS,
    GOOD,
    PlantedAnswer,
    PlantedExample,
    shipped_cases,
)
from studbook.evaluate.planted.error_rates import CheckOutcome, Examiner
from studbook.evaluate.settings import EvaluatorSettings
from studbook.llm.contracts import Chat
from studbook.llm.first_call import AskedAgain, FirstCall
from studbook.populations.records import CanaryScore

ROLES = ("judge", "final_verifier")

SET = "written"
"""The held-out cases stay unseen."""

ANSWERS = ("dunes", "court", "registers", "antenna")
"""Good examples whose answers of kind `partial` the judge marks: 10 criteria of 20 are met."""

BAD = (
    ("bread", "leak_context"),
    ("dunes", "rubric_elsewhere"),
    ("court", "unsupported_reference"),
    ("antenna", "rubric_everything"),
    ("registers", "unanswerable"),
    ("sleep study", "contradictory_reference"),
)
"""What the final verifier should fail; it should pass the good examples of the same six subjects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongCase:
    """A case whose reply was wrong or could not be read: what was asked, what was wrong, and the reply.

    `reply` is the model's text as it came, or why there is none.
    """

    case: str
    fault: str
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryResult:
    """What a role made of its cases; `wrong` in the order in which they are asked."""

    score: CanaryScore
    wrong: tuple[WrongCase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One case: for every truth whether it was found, None for a reply that cannot be read."""

    case: str
    right: tuple[bool, ...] | None
    fault: str
    reply: str


UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """`settings` and `prompts` are the run's own, `run_seed` its seed: the same run asks the same."""

    chat: Chat
    settings: EvaluatorSettings
    prompts: Mapping[str, str]
    run_seed: int

    def ask(self, roles: Collection[str], pool: Executor) -> tuple[CanaryResult, ...]:
        """One result for each of `roles` (of `ROLES`), in the order of `ROLES`; calls run on `pool`.

        Raises what the chat raises for an endpoint that does not answer, InfrastructureError or
        BudgetExceeded. A request that its role cannot answer counts as unreadable.
        """
        examples, answers = canary_cases()
        marked = [pool.submit(self._mark, case) for case in answers if "judge" in roles]
        checked = [pool.submit(self._check, case) for case in examples if "final_verifier" in roles]
        found = {"judge": marked, "final_verifier": checked}
        return tuple(_result(role, found[role]) for role in ROLES if role in roles)

    def _mark(self, case: PlantedAnswer) -> _Asked:
        chat, right, met = FirstCall(self.chat), None, case.truth.count(True)
        try:
            marks = self._examiner(chat).mark(case).marks
        except AskedAgain:
            marks = None
        if marks is not None:
            right = tuple(mark is truth for mark, truth in zip(marks, case.truth, strict=True))
        fault = UNREADABLE if right is None else f"{right.count(False)} of {len(right)} marks wrong"
        return _Asked(
            case=f"{case.origin}, an answer that meets {met} of {len(case.truth)} criteria",
            right=right,
            fault=fault,
            reply=_reply(chat),
        )

    def _check(self, case: PlantedExample) -> _Asked:
        chat = FirstCall(self.chat)
        try:
            outcome = self._examiner(chat).check(case).outcome
        except AskedAgain:
            outcome = CheckOutcome.REFUSED
        is_readable = outcome is not CheckOutcome.REFUSED
        return _Asked(
            case=f"{case.origin}, {EXAMPLE_KINDS[case.kind]}",
            right=((outcome is CheckOutcome.PASSED) is case.should_pass,) if is_readable else None,
            fault=outcome.value if is_readable else UNREADABLE,
            reply=_reply(chat),
        )

    def _examiner(self, chat: Chat) -> Examiner:
        return Examiner(
            chat=chat,
            settings=replace(self.settings, reading_attempts=1),
            prompts=self.prompts,
            run_seed=self.run_seed,
        )


def _reply(chat: FirstCall) -> str:
    return chat.reply.text if chat.reply is not None else str(chat.failure or "")


def canary_cases() -> tuple[list[PlantedExample], list[PlantedAnswer]]:
    """Twelve examples and four answers.

    An example comes with a document, as in a run: its good version's context and reference answer, and what
    the criteria ask for, in their words.
    """
    examples, answers = shipped_cases(SET)
    good = {case.origin: case for case in examples if case.kind == GOOD}
    places = {(case.origin, case.kind): case for case in examples}
    chosen = [places[place] for origin, kind in BAD for place in ((origin, GOOD), (origin, kind))]
    partial = {case.origin: case for case in answers if case.kind == "partial"}
    return (
        [replace(case, document=_document(good[case.origin])) for case in chosen],
        [partial[origin] for origin in ANSWERS],
    )


def _document(case: PlantedExample) -> str:
    rewarded = [row["criterion"] for row in case.submission["rubric"] if row["weight"] > 0]
    said = [text.partition(" that ")[2] or text for text in rewarded]  # without "States that"
    points = " ".join(f"{text[:1].upper()}{text[1:]}." for text in said)
    return f"{case.submission['context']}\n\n{case.submission['reference_answer']}\n\n{points}"


def _result(role: str, cases: Sequence["Future[_Asked]"]) -> CanaryResult:
    asked = [case.result() for case in cases]
    read = [each.right for each in asked if each.right is not None]
    right = [truth for each in read for truth in each]
    return CanaryResult(
        score=CanaryScore(role=role, right=sum(right), n=len(right), readable=len(read), asked=len(asked)),
        wrong=tuple(
            WrongCase(case=each.case, fault=each.fault, reply=each.reply)
            for each in asked
            if each.right is None or not all(each.right)
        ),
    )
