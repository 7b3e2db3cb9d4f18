"""The host side of one box: validates, budgets and answers every request of a harness.

Records the rounds, events and calls of the paper, which become its trajectory, and converts a report to what
the harness receives and what the journal stores (exact fractions; floats appear only in what people and
harnesses read). Trusts nothing the harness sends: infrastructure failures are raised, and a harness's errors
are answered with an error frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from threading import Condition, Lock
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from studbook.errors import RequestFailed
from studbook.evaluate.contracts import Example, Report, Rollout, Status
from studbook.evaluate.control import Unmeasurable
from studbook.evaluate.evaluator import Evaluator, Solvers
from studbook.evaluate.examples import (
    Malformed,
    ReadExample,
    example_hash,
    read_example,
    submission_hash,
)
from studbook.evaluate.near_duplicates import Fingerprint, find_near, fingerprint
from studbook.evaluate.reply_schema import check_schema
from studbook.evaluate.rubric import average
from studbook.evaluate.seeds import SeedScope
from studbook.evaluate.settings import EvaluatorSettings
from studbook.evaluate.text import visible_line
from studbook.evaluate.trajectories import Transcript
from studbook.identity import canonical_json
from studbook.llm.contracts import HARNESS_ROLES, Chat, ChatCall, FailureKind, Message
from studbook.populations.records import FailureCategory, RoundResult
from studbook.sandbox.contract import Frame

MAX_LOGS = 200
MAX_LOG_CHARACTERS = 4_000
MAX_FAILED_CALLS = 8  # an unresponsive model is retried for half a minute, while the box's clock is paused
MAX_STUCK = 2
MAX_ROLE_FAULTS = 2
"""Rounds of a paper that a frozen role could not measure through its own fault; more would fail alike."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _MessageBody(_Closed):
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, StringConstraints(max_length=1_000_000)]


class _ChatBody(_Closed):
    role: Annotated[str, StringConstraints(max_length=40)]
    messages: Annotated[list[_MessageBody], Field(min_length=1, max_length=200)]
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=32_768)] | None = None
    json_mode: bool = False
    json_schema: Annotated[dict[str, Any], AfterValidator(check_schema)] | None = None


class _EvaluateBody(_Closed):
    example: Any
    solvers: Solvers = "both"


class _LogBody(_Closed):
    text: Annotated[str, StringConstraints(max_length=1_000_000)]


class Refusal(Exception):
    """The harness asked for something it may not have; becomes an error frame and never leaves the relay."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One distinct example: its number, and its report or the reason why there is none.

    `likeness` is what later examples are compared with. It is None when nothing was drawn: fixing an example
    that could not be read, or that the weak solver refused every time, is not a second draw. Any other
    example that could not be measured is compared with, even if only a solver's silence was drawn.
    """

    number: int
    example: Example | None = None
    report: Report | None = None
    problem: str = ""
    likeness: Fingerprint | None = None
    category: FailureCategory = FailureCategory.MALFORMED


@dataclass(slots=True)
class _Account:
    """What the box has used and achieved so far."""

    rounds: dict[str, _Round] = field(default_factory=dict)
    accepted_round: int | None = None
    calls: int = 0
    failed_calls: int = 0
    stuck: int = 0
    role_faults: int = 0
    calls_by_role: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    pledged_tokens: int = 0  # upper bound on the tokens of calls in progress
    logs: int = 0


class Relay:
    """Answers one box. `handle` is a sandbox `Handler`: thread-safe, raises only infrastructure failures."""

    def __init__(
        self,
        *,
        chat: Chat,
        evaluator: Evaluator,
        settings: EvaluatorSettings,
        roles: tuple[str, ...],
        seeds: SeedScope,
        transcript: Transcript,
    ) -> None:
        self._chat = chat
        self._evaluator = evaluator
        self._settings = settings
        self._roles = roles
        self._seeds = seeds
        self._transcript = transcript
        self._account = _Account()
        self._lock = Lock()
        self._settled = Condition(self._lock)
        self._evaluating = Lock()
        self._answers: dict[str, Callable[[Frame], Frame]] = {
            "chat": self._answer_chat,
            "evaluate": self._answer_evaluate,
            "log": self._answer_log,
        }

    @property
    def accepted_round(self) -> int | None:
        """The round whose example was accepted, if any."""
        return self._account.accepted_round

    @property
    def accepted_example(self) -> Example | None:
        """The accepted example, as it was measured."""
        accepted = self._account.accepted_round
        return next((item.example for item in self._account.rounds.values() if item.number == accepted), None)

    @property
    def rounds(self) -> tuple[RoundResult, ...]:
        """Every example that used a round, in order."""
        return tuple(
            malformed_round(item.number, item.problem, item.category)
            if item.report is None
            else report_to_round(item.report)
            for item in self._account.rounds.values()
        )

    def handle(self, kind: str, body: Frame) -> Frame:
        """Answer one request; see `studbook.sandbox.contract.Handler`."""
        try:
            answer = self._answers.get(kind)
            if answer is None:
                raise Refusal("refused", f"unknown request `{visible_line(kind[:40])}`")
            return answer(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = visible_line(".".join(str(part) for part in first["loc"])[:200])
            return self._refuse(kind, Refusal("refused", f"{kind} request: {place}: {first['msg']}"))
        except Refusal as refusal:
            return self._refuse(kind, refusal)

    def _refuse(self, kind: str, refusal: Refusal) -> Frame:
        if (
            refusal.kind != "malformed_example"
        ):  # already recorded in an event of its own, with the submission
            self._transcript.refused(kind, refusal.kind, str(refusal))
        return {"error": {"type": refusal.kind, "message": str(refusal)}}

    def _answer_chat(self, frame: Frame) -> Frame:
        body = _ChatBody.model_validate(frame)
        if body.role not in self._roles or body.role not in HARNESS_ROLES:
            allowed = ", ".join(self._roles)
            role = visible_line(body.role)
            raise Refusal("refused", f"role `{role}` is not one of this harness's roles ({allowed})")
        pledge = _most_tokens(body)
        number = self._reserve_call(body.role, pledge)
        call = ChatCall(
            role=body.role,
            messages=tuple(Message(role=item.role, content=item.content) for item in body.messages),
            seed=self._seeds.seed("chat", body.role, number),
            temperature=body.temperature,
            max_tokens=body.max_tokens,
            json_mode=body.json_mode,
            json_schema=body.json_schema,
        )
        try:
            return self._ask(call)
        finally:
            with self._settled:
                self._account.pledged_tokens -= pledge
                self._settled.notify_all()

    def _ask(self, call: ChatCall) -> Frame:
        try:
            reply = self._chat.chat(call)
        except RequestFailed as error:  # caused by the harness's request: the role answers others
            with self._lock:
                self._account.failed_calls += 1
                self._account.stuck += error.kind == FailureKind.STUCK
            first_line = str(error).partition("\n")[0]  # later lines name the endpoint and the model
            raise Refusal("model_failed", first_line) from error
        usage = reply.usage
        with self._lock:
            self._account.tokens += usage.prompt_tokens + usage.completion_tokens
        self._transcript.chat(call, reply)
        counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
        return {"text": reply.text, "finish_reason": reply.finish_reason, "usage": counts}

    def _reserve_call(self, role: str, pledge: int) -> int:
        """Return the number of this call among the role's calls; refuse when the paper's budget is spent.

        Waits for calls in progress while they might use up the rest of the budget.
        """
        account, settings = self._account, self._settings
        with self._settled:
            while account.pledged_tokens and account.tokens + account.pledged_tokens >= settings.max_tokens:
                self._settled.wait()
            if account.calls >= settings.max_calls:
                raise Refusal("budget_spent", f"all {settings.max_calls} model calls for this paper are used")
            if account.tokens >= settings.max_tokens:
                raise Refusal("budget_spent", f"all {settings.max_tokens} tokens for this paper are used")
            if account.failed_calls >= MAX_FAILED_CALLS:
                raise Refusal("budget_spent", f"{MAX_FAILED_CALLS} calls for this paper came to nothing")
            self._refuse_when_stuck()
            account.calls += 1
            account.pledged_tokens += pledge
            number = account.calls_by_role.get(role, 0)
            account.calls_by_role[role] = number + 1
            return number

    def _refuse_when_stuck(self) -> None:
        """To wait for an answer, or for a readable one, takes long: each paper gets only a few of these."""
        if self._account.stuck >= MAX_STUCK:
            raise Refusal("budget_spent", f"{MAX_STUCK} requests of this paper were never answered")
        if self._account.role_faults >= MAX_ROLE_FAULTS:
            raise Refusal("budget_spent", "the evaluator's own models give no readable replies on this paper")

    def _answer_evaluate(self, frame: Frame) -> Frame:
        """An invalid example costs a round, as it would with a real model in the loop."""
        body = _EvaluateBody.model_validate(frame)
        account = self._account
        with self._evaluating:
            if account.accepted_round is not None:
                raise Refusal(
                    "refused", "an example of this paper was accepted already; nothing is left to do"
                )
            submitted = read_example(body.example)
            if isinstance(submitted, Malformed):
                key = submission_hash(body.example)
                if key not in account.rounds:
                    number = self._next_round()
                    account.rounds[key] = _Round(number=number, problem=submitted.reason)
                    self._transcript.malformed(number, body.example, submitted.reason)
                raise Refusal("malformed_example", submitted.reason)
            example = submitted.example
            key = example_hash(example)
            item = account.rounds.get(key) or _Round(
                number=self._next_round(), example=example, likeness=fingerprint(example)
            )
            try:
                report = self._measure(submitted, item, body.solvers)
            except Unmeasurable as problem:
                account.rounds[key] = _Round(
                    number=item.number,
                    example=example,
                    problem=str(problem),
                    likeness=None if problem.is_undrawn else item.likeness,
                    category=problem.category,
                )
                account.stuck += problem.is_stuck
                account.role_faults += problem.is_role_fault
                self._transcript.unmeasured(
                    item.number,
                    example,
                    str(problem),
                    problem.category,
                    is_compared_with=not problem.is_undrawn,
                )
                raise Refusal("malformed_example", str(problem)) from problem
            account.rounds[key] = replace(item, report=report)
            if report.status is Status.ACCEPTED:
                account.accepted_round = item.number
            return report_to_frame(report, example, self._settings.max_rounds - len(account.rounds))

    def _measure(self, submitted: ReadExample, item: _Round, solvers: Solvers) -> Report:
        """The example's report so far, extended by what `solvers` asks for.

        A near duplicate of an earlier round's example is rejected without rollouts.
        """
        known = item.report
        if item.problem:
            raise Refusal("malformed_example", item.problem)
        if known is not None and (solvers == "weak" or known.status is not Status.UNDECIDED):
            return known
        if known is not None:
            report = self._evaluator.complete(submitted.example, known, submitted.findings)
        elif (repeated := self._find_near(item)) is not None:
            report = near_duplicate(submitted.example, item.number, repeated)
        else:
            report = self._evaluator.evaluate(submitted.example, item.number, solvers, submitted.findings)
        self._transcript.report(submitted, report, earlier=known)
        return report

    def _find_near(self, item: _Round) -> int | None:
        rounds = self._account.rounds.values()
        earlier = ((each.number, each.likeness) for each in rounds if each.likeness is not None)
        return None if item.likeness is None else find_near(item.likeness, earlier)

    def _next_round(self) -> int:
        used = len(self._account.rounds)
        if used >= self._settings.max_rounds:
            raise Refusal("budget_spent", f"all {self._settings.max_rounds} rounds for this paper are used")
        self._refuse_when_stuck()
        return used + 1

    def _answer_log(self, frame: Frame) -> Frame:
        body = _LogBody.model_validate(frame)
        with self._lock:
            self._account.logs += 1
            kept = self._account.logs <= MAX_LOGS
        if kept:
            self._transcript.log(body.text[:MAX_LOG_CHARACTERS])
        return {}


def _most_tokens(body: _ChatBody) -> int:
    """Upper bound, at one byte per token; excludes the reply when it has no limit."""
    said = sum(len(item.content.encode("utf-8", "replace")) for item in body.messages)
    schema = 0 if body.json_schema is None else len(canonical_json(body.json_schema))
    return said + schema + (body.max_tokens or 0)


def report_to_frame(report: Report, example: Example, rounds_left: int) -> dict[str, Any]:
    """What the harness receives: no answers and no marks of individual rollouts."""
    gap = average_of(report.strong) - average_of(report.weak) if report.strong else None
    return {
        "round": report.round_number,
        "status": report.status.value,
        "category": report.category.value if report.category else None,
        "reason": report.reason,
        "weak": _scores(report.weak),
        "strong": _scores(report.strong),
        "gap": None if gap is None else round(float(gap), 4),
        "criteria": [
            {
                "weak_met": sum(rollout.marks[number] for rollout in report.weak),
                "strong_met": sum(rollout.marks[number] for rollout in report.strong)
                if report.strong
                else None,
            }
            for number in range(len(example.rubric))
        ],
        "rounds_left": rounds_left,
    }


def report_to_round(report: Report) -> RoundResult:
    return RoundResult(
        number=report.round_number,
        status=report.status.value,
        category=report.category,
        reason=report.reason,
        weak_average=str(average_of(report.weak)) if report.weak else None,
        strong_average=str(average_of(report.strong)) if report.strong else None,
    )


def near_duplicate(example: Example, number: int, repeated: int) -> Report:
    """The report on an example that was not measured, because it is a near duplicate of round `repeated`."""
    return Report(
        example_hash=example_hash(example),
        round_number=number,
        status=Status.REJECTED,
        category=FailureCategory.NEAR_DUPLICATE,
        reason=(
            f"nearly the example of round {repeated}, so it was not measured again: "
            "ask another question, or write other criteria"
        ),
        weak=(),
        strong=(),
    )


def malformed_round(
    number: int, reason: str, category: FailureCategory = FailureCategory.MALFORMED
) -> RoundResult:
    return RoundResult(
        number=number,
        status="rejected",
        category=category,
        reason=reason,
        weak_average=None,
        strong_average=None,
    )


def average_of(rollouts: Sequence[Rollout]) -> Fraction:
    return average(rollout.score for rollout in rollouts)


def _scores(rollouts: Sequence[Rollout]) -> dict[str, Any] | None:
    if not rollouts:
        return None
    scores = [rollout.score for rollout in rollouts]
    return {
        "average": round(float(average(scores)), 4),
        "best": round(float(max(scores)), 4),
        "scores": [round(float(score), 4) for score in scores],
        "truncated": sum(rollout.is_truncated for rollout in rollouts),
    }
