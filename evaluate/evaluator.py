"""The frozen evaluator: runs solvers on an example, has the judge mark every answer, applies the predicate.

Weak rollouts run before strong ones, and the final check runs only on examples that would otherwise be
accepted. Nothing the harness claims enters a score.

When a role gives no usable answer, the cause is either the harness's example or the infrastructure. If one
overlong or filtered example stopped the run, any harness could deny service; if an outage could change a
score, that would be worse. So the role is immediately asked, with everything else the same, about an ordinary
example (`CONTROL`). The example is to blame (`Unmeasurable`) only if the role answers the control and then
fails on the harness's example again. For requests that an endpoint refuses or never answers, the client makes
this test, with the ordinary example as the call's control; unreadable replies are handled here.

An accepted example is confirmed after its box has ended: the same predicate on fresh rollouts, which no
harness can see, wait for or influence. This estimates how much of the acceptance was chance; it changes no
verdict (docs/decisions/008-confirmation.md).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from studbook.errors import ModelUnavailable, RequestFailed
from studbook.evaluate.contracts import Criterion, Example, Paper, Report, Rollout, Ruling, Status
from studbook.evaluate.examples import example_hash
from studbook.evaluate.rubric import Check, average, note_rubric, read_check, read_marks, score_marks
from studbook.evaluate.ruling import ruled
from studbook.evaluate.screening import MAX_FINDINGS, Finding
from studbook.evaluate.settings import EvaluatorSettings
from studbook.evaluate.text import one_line, section, visible_line
from studbook.identity import derive_seed
from studbook.llm.contracts import Chat, ChatCall, ChatReply, FailureKind, Message
from studbook.populations.records import Confirmation, FailureCategory

Solvers = Literal["weak", "both"]
T = TypeVar("T")

FINAL_CHECK_PASSED = "; final check passed"
FINAL_CHECK_FAILED = "final check failed: "
UNMEASURED = "could not be measured again: "


class Unreadable(ModelUnavailable):
    """A frozen role repeatedly gave a reply that was not the required JSON, or was cut off."""

    def __init__(self, message: str, *, is_truncated: bool) -> None:
        super().__init__(message)
        self.is_truncated = is_truncated


class Unmeasurable(Exception):
    """The example is at fault: the frozen role answers others. A verdict, so it never leaves the relay."""

    def __init__(self, message: str, category: FailureCategory, *, is_stuck: bool = False) -> None:
        super().__init__(message)
        self.category = category
        self.is_stuck = is_stuck


def _unreadable(role: str, attempts: int, *, is_truncated: bool) -> Unreadable:
    how, step = "cannot be read as its JSON", "a model that follows the format"
    if is_truncated:
        how, step = "were cut off at its token limit", "more max_tokens"
    return Unreadable(
        f"the model of role `{role}` gave {attempts} replies in a row that {how}.\n"
        f"This is never scored. Give the role {step} (see the call records).",
        is_truncated=is_truncated,
    )


TRUNCATED = "does not come to an end about it within its token limit"
UNREADABLE = "gives it no reply in the required form: fewer or plainer criteria may help"
WORDS = {
    FailureKind.REFUSED: "cannot take it: too long, or filtered",
    FailureKind.SILENT: "answers it with nothing",
    FailureKind.TRUNCATED: TRUNCATED,
    FailureKind.STUCK: "does not answer it in time, or fails on it, while it answers others",
}


def ask_fairly(role: str, ask: Callable[[int], T], ask_control: Callable[[], object]) -> T:
    """Return what `ask` returns; its argument is the number of earlier attempts.

    Raises Unmeasurable when the example is at fault, and the original error otherwise.
    """
    try:
        return ask(0)
    except RequestFailed as error:
        raise _of_request(role, error) from error
    except Unreadable as error:
        _check_world(error, ask_control)
    try:
        return ask(1)
    except RequestFailed as error:
        raise _of_request(role, error) from error
    except Unreadable as error:
        if error.is_truncated:
            raise Unmeasurable(_told(role, TRUNCATED), FailureCategory.TRUNCATED) from error
        raise Unmeasurable(_told(role, UNREADABLE), FailureCategory.MALFORMED) from error


def _of_request(role: str, error: RequestFailed) -> Unmeasurable:
    kind = FailureKind(error.kind)
    category = FailureCategory.TRUNCATED if kind is FailureKind.TRUNCATED else FailureCategory.MALFORMED
    return Unmeasurable(_told(role, WORDS[kind]), category, is_stuck=kind is FailureKind.STUCK)


def _told(role: str, words: str) -> str:
    return f"the evaluator's model of role `{role}` {words}"


def _check_world(error: Unreadable, ask_control: Callable[[], object]) -> None:
    """Raises `error` when the role cannot answer about an ordinary example either."""
    try:
        ask_control()
    except (Unreadable, RequestFailed):
        raise error from None


_LINES = (
    "The old bridge of the town was built of oak on stone piers and carried carts for two hundred years.",
    "After the flood the council asked two engineers whether it should be mended or replaced by one of iron.",
    "The first measured the piers and found that the river had washed out the gravel below three of them.",
    "The second counted the carts and showed that their weight had doubled since the mill was opened.",
)

CONTROL = Example(
    context="\n".join(
        _LINES * 8
    ),  # as long as a typical context: a model that fails on this fails on any example
    question="Why did the council decide against mending the old bridge? Give the two findings that matter.",
    reference_answer="Its piers had lost their ground, and the loads had doubled since it was built.",
    rubric=tuple(
        Criterion(criterion=text, weight=3, category="insight")
        for text in (
            "Says that gravel below piers was washed out.",
            "Says that three piers are concerned.",
            "Says that the weight of carts doubled.",
            "Connects the weight with the mill.",
            "Concludes that mending would not be enough.",
        )
    ),
    question_type="explanation",
    tags=(),
)
CONTROL_ANSWER = (
    "Gravel was washed out below three piers, and since the mill opened carts weigh twice as much."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScope:
    """The values from which every random seed for one paper is derived; the harness is not among them."""

    run_seed: int
    paper_id: str
    replicate: int

    def seed(self, purpose: str, *parts: str | int) -> int:
        return derive_seed(purpose, self.run_seed, self.paper_id, self.replicate, *parts)


class Evaluator:
    """Evaluates examples made from one paper. Thread-safe; `pool`, if given, runs rollouts side by side."""

    def __init__(
        self,
        *,
        chat: Chat,
        settings: EvaluatorSettings,
        prompts: Mapping[str, str],
        paper: Paper,
        seeds: SeedScope,
        pool: Executor | None = None,
    ) -> None:
        self._chat = chat
        self._settings = settings
        self._prompts = prompts
        self._document = [section("source_document", paper.text)] if paper.text.strip() else []
        self._seeds = seeds
        self._pool = pool
        self._controls = {
            "weak": self._messages("solver", self._solver_sections(CONTROL, "weak")),
            "strong": self._messages("solver", self._solver_sections(CONTROL, "strong")),
            "judge": self._messages("judge", _judge_sections(CONTROL, CONTROL_ANSWER)),
            "final_verifier": self._messages("final_verifier", _verifier_sections(CONTROL)),
        }

    def evaluate(
        self, example: Example, round_number: int, solvers: Solvers, findings: Sequence[Finding] = ()
    ) -> Report:
        """The first report on an example; `solvers` = "weak" leaves the strong rollouts to `complete`.

        Both raise Unmeasurable when a frozen role cannot handle this particular example.
        """
        weak = self._rollouts(example, round_number, "weak", self._settings.weak_rollouts)
        ruling = ruled(self._settings.predicate, [rollout.score for rollout in weak])
        report = _report(example, round_number, ruling, weak, ())
        return self.complete(example, report, findings) if solvers == "both" else report

    def complete(self, example: Example, report: Report, findings: Sequence[Finding] = ()) -> Report:
        """Add strong rollouts and the final check to an undecided report; return any other report unchanged.

        `findings` are what screening found in the example; they are passed to the final verifier.
        """
        measured = self.measure_strong(example, report)
        if measured.status is not Status.ACCEPTED:
            return measured
        check = self._ask_final_verifier(example, measured.round_number, findings)
        if check.passed:
            return replace(measured, reason=measured.reason + FINAL_CHECK_PASSED)
        return replace(
            measured,
            status=Status.REJECTED,
            category=FailureCategory.QUALITY,
            reason=FINAL_CHECK_FAILED + visible_line(check.reason),
        )

    def measure_strong(self, example: Example, report: Report) -> Report:
        """`complete` without the final check: the ruling from the scores alone."""
        if report.status is not Status.UNDECIDED:
            return report
        number = report.round_number
        strong = self._rollouts(example, number, "strong", self._settings.strong_rollouts)
        scores = [rollout.score for rollout in report.weak]
        ruling = ruled(self._settings.predicate, scores, [rollout.score for rollout in strong])
        return _report(example, number, ruling, report.weak, strong)

    def _rollouts(self, example: Example, number: int, solver: str, count: int) -> tuple[Rollout, ...]:
        """Run all of them even when one is Unmeasurable, so that the calls made do not depend on the pool."""

        def run(index: int) -> Rollout | Unmeasurable:
            try:
                return self._rollout(example, number, solver, index)
            except Unmeasurable as problem:
                return problem

        outcomes = list(map(run, range(count)) if self._pool is None else self._pool.map(run, range(count)))
        for outcome in outcomes:
            if isinstance(outcome, Unmeasurable):
                raise outcome
        return tuple(outcome for outcome in outcomes if isinstance(outcome, Rollout))

    def _rollout(self, example: Example, number: int, solver: str, index: int) -> Rollout:
        seed = self._seeds.seed("rollout", number, solver, index)
        place = (number, solver, index)
        answer = ask_fairly(solver, lambda _: self._answer(example, solver, seed), lambda: None)
        marks = ask_fairly(
            "judge",
            lambda turn: self._marks(example, answer.text, place, turn),
            lambda: self._marks(CONTROL, CONTROL_ANSWER, ("control", example_hash(example), *place)),
        )
        return Rollout(
            solver=solver,
            index=index,
            seed=seed,
            answer=answer.text,
            marks=marks,
            score=score_marks(example.rubric, marks),
            is_truncated=answer.is_truncated,
        )

    def _answer(self, example: Example, solver: str, seed: int) -> ChatReply:
        """A truncated answer counts as the solver's answer: the limit is the same for every example."""
        call = ChatCall(
            role=solver,
            messages=self._messages("solver", self._solver_sections(example, solver)),
            seed=seed,
            temperature=self._settings.solver_temperature,
            max_tokens=self._settings.solver_max_tokens,
            control=self._controls[solver],
        )
        return self._chat.chat(call)

    def _solver_sections(self, example: Example, solver: str) -> list[str]:
        sees_paper = solver == "strong" and self._settings.strong_sees_paper
        return [
            *(self._document if sees_paper else []),
            section("context", example.context),
            section("question", example.question),
        ]

    def _marks(
        self, example: Example, answer: str, place: tuple[str | int, ...], turn: int = 0
    ) -> tuple[bool, ...]:
        sections, count = _judge_sections(example, answer), len(example.rubric)
        return self._read("judge", sections, place, turn, lambda reply, word: read_marks(reply, count, word))

    def _ask_final_verifier(self, example: Example, number: int, findings: Sequence[Finding]) -> Check:
        role, place = "final_verifier", ("control", example_hash(example))
        sections = [*self._document, *_verifier_sections(example, findings)]
        return ask_fairly(
            role,
            lambda turn: self._read(role, sections, (number,), turn, read_check),
            lambda: self._read(role, _verifier_sections(CONTROL), place, 0, read_check),
        )

    def _read(
        self,
        role: str,
        sections: list[str],
        place: tuple[str | int, ...],
        turn: int,
        read: Callable[[str, str], T | None],
    ) -> T:
        """Ask until the reply can be read, each time with another random seed; raises Unreadable."""
        attempts, is_truncated = self._settings.reading_attempts, True
        for attempt in range(turn * attempts, (turn + 1) * attempts):
            again = (attempt,) if attempt else ()
            word = reading_word(self._seeds, role, place, attempt)
            call = ChatCall(
                role=role,
                messages=self._messages(role, [*sections, section("check", word)]),
                seed=self._seeds.seed(role, *place, *again),
                temperature=self._settings.judge_temperature,
                json_mode=True,
                control=self._controls[role],
            )
            reply = self._chat.chat(call)
            value = None if reply.is_truncated else read(reply.text, word)  # a truncated reply is never read
            if value is not None:
                return value
            is_truncated = is_truncated and reply.is_truncated
        raise _unreadable(role, attempts, is_truncated=is_truncated)

    def _messages(self, prompt: str, sections: list[str]) -> tuple[Message, ...]:
        return (
            Message(role="system", content=self._prompts[prompt]),
            Message(role="user", content="\n\n".join(sections)),
        )


def reading_word(seeds: SeedScope, role: str, place: Sequence[str | int], attempt: int) -> str:
    """The word a role is asked to repeat, which distinguishes its own reply from one that it quotes."""
    again = (attempt,) if attempt else ()
    return f"{seeds.seed('check', role, *place, *again):016x}"[-8:]


def _judge_sections(example: Example, answer: str) -> list[str]:
    criteria = [f"{n}. {one_line(item.criterion)}" for n, item in enumerate(example.rubric, 1)]
    return [
        section("question", example.question),
        section("answer", answer),
        section("criteria", "\n".join(criteria)),
    ]


def _verifier_sections(example: Example, findings: Sequence[Finding] = ()) -> list[str]:
    """The screening section comes last, and only when there are findings."""
    rubric = [
        f"{n}. [weight {item.weight}, {one_line(item.category) or 'no category'}] {one_line(item.criterion)}"
        for n, item in enumerate(example.rubric, 1)
    ]
    notes = [*findings, *note_rubric(example.rubric)][:MAX_FINDINGS]
    told = [f"- {item.field}: {item.kind}: {item.quote}" for item in notes]
    return [
        section("context", example.context),
        section("question", example.question),
        section("reference_answer", example.reference_answer),
        section("rubric", "\n".join(rubric)),
        *([section("screening", "\n".join(told))] if told else []),
    ]


def _report(
    example: Example, number: int, ruling: Ruling, weak: tuple[Rollout, ...], strong: tuple[Rollout, ...]
) -> Report:
    return Report(
        example_hash=example_hash(example),
        round_number=number,
        status=ruling.status,
        category=ruling.category,
        reason=ruling.reason,
        weak=weak,
        strong=strong,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The record, and the rollouts behind it."""

    record: Confirmation
    weak: tuple[Rollout, ...] = ()
    strong: tuple[Rollout, ...] = ()


def confirmation_seeds(seeds: SeedScope) -> SeedScope:
    """Every seed of the confirmation differs from every seed of the rounds."""
    return replace(seeds, run_seed=seeds.seed("confirmation"))


def confirm(evaluator: Evaluator, example: Example, round_number: int) -> Confirmed:
    """Measure the example again; `evaluator` needs fresh seeds. Strong rollouts run only if weak ones pass.

    Raises infrastructure errors. An example that can no longer be measured counts as not confirmed.
    """
    try:
        report = evaluator.evaluate(example, round_number, "weak")
        report = evaluator.measure_strong(example, report)
    except Unmeasurable as problem:
        reason = f"{UNMEASURED}{problem}"
        record = Confirmation(holds=False, reason=reason, weak_average=None, strong_average=None)
        return Confirmed(record=record)
    return Confirmed(
        record=Confirmation(
            holds=report.status is Status.ACCEPTED,
            reason=report.reason,
            weak_average=str(average(each.score for each in report.weak)),
            strong_average=str(average(each.score for each in report.strong)) if report.strong else None,
        ),
        weak=report.weak,
        strong=report.strong,
    )
