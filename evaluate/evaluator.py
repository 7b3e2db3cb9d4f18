"""The frozen evaluator: runs solvers on an example, has the judge mark every answer, applies the predicate.

Weak rollouts run before strong ones, and the final check runs only on examples that would otherwise be
accepted. Nothing the harness claims enters a score. When a role gives no usable answer, `control` decides
whose fault it is.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Literal, TypeVar

from studbook.evaluate.contracts import Example, Paper, Report, Rollout, Ruling, Status
from studbook.evaluate.control import CONTROL, CONTROL_ANSWER, Unmeasurable, ask_fairly, unreadable
from studbook.evaluate.examples import example_hash
from studbook.evaluate.questions import Question, judge_question, solver_sections, verifier_question
from studbook.evaluate.replies import Check, UnreadableReply
from studbook.evaluate.rubric import score_marks
from studbook.evaluate.ruling import ruled
from studbook.evaluate.screening import Finding
from studbook.evaluate.seeds import SeedScope, reading_word
from studbook.evaluate.settings import EvaluatorSettings
from studbook.evaluate.text import section, visible_line
from studbook.llm.contracts import Chat, ChatCall, ChatReply, Message
from studbook.populations.records import FailureCategory

Solvers = Literal["weak", "both"]
T = TypeVar("T")

FINAL_CHECK_PASSED = "; final check passed"
FINAL_CHECK_FAILED = "final check failed: "
RETRY_TEMPERATURE = 0.5
"""A role at temperature 0 would repeat the reply that could not be read."""
TURNS = 2
"""How often a question is asked at most, each time with all reading attempts; see `ask_fairly`."""
NOT_ENDED = "it did not come to an end within the token limit"


OnUnreadable = Callable[[str], None]
"""Called with the role of every reply that could not be read."""


def ignore_unreadable(_: str) -> None:
    """For callers that do not count them."""


class Evaluator:
    """Evaluates examples made from one paper. Thread-safe; `pool`, if given, runs rollouts side by side.

    `redraws` is how often the judging of this paper was started afresh, with other random seeds, because the
    run had paused over unreadable replies.
    """

    def __init__(
        self,
        *,
        chat: Chat,
        settings: EvaluatorSettings,
        prompts: Mapping[str, str],
        paper: Paper,
        seeds: SeedScope,
        pool: Executor | None = None,
        redraws: int = 0,
        on_unreadable: OnUnreadable = ignore_unreadable,
    ) -> None:
        self._chat = chat
        self._settings = settings
        self._prompts = prompts
        self._document = (section("source_document", paper.text),) if paper.text.strip() else ()
        self._seeds = seeds
        self._pool = pool
        self._redraws = redraws
        self._on_unreadable = on_unreadable
        self._controls = {
            "weak": self._solver_messages(CONTROL, "weak"),
            "strong": self._solver_messages(CONTROL, "strong"),
            "judge": self._opening(judge_question(CONTROL, CONTROL_ANSWER), ("control",)),
            "final_verifier": self._opening(verifier_question(CONTROL), ("control",)),
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
        check = self._ask_final_verifier(example, measured, findings)
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
        problems = [outcome for outcome in outcomes if isinstance(outcome, Unmeasurable)]
        if problems:
            problem = problems[0]
            problem.is_undrawn = len(problems) == count and all(each.is_undrawn for each in problems)
            raise problem
        return tuple(outcome for outcome in outcomes if isinstance(outcome, Rollout))

    def _rollout(self, example: Example, number: int, solver: str, index: int) -> Rollout:
        seed = self._seeds.seed("rollout", number, solver, index)
        place = (number, solver, index)
        answer = ask_fairly(solver, lambda _: self._answer(example, solver, seed), lambda: None)
        question = judge_question(example, answer.text)
        control = judge_question(CONTROL, CONTROL_ANSWER)
        marks = ask_fairly(
            "judge",
            lambda turn: self._ask(question, place, turn),
            lambda: self._ask(control, ("control", example_hash(example), *place)),
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
            messages=self._solver_messages(example, solver),
            seed=seed,
            temperature=self._settings.solver_temperature,
            max_tokens=self._settings.solver_max_tokens,
            control=self._controls[solver],
        )
        return self._chat.chat(call)

    def _solver_messages(self, example: Example, solver: str) -> tuple[Message, ...]:
        sees_paper = solver == "strong" and self._settings.strong_sees_paper
        parts = [*(self._document if sees_paper else ()), *solver_sections(example)]
        return (
            Message(role="system", content=self._prompts["solver"]),
            Message(role="user", content="\n\n".join(parts)),
        )

    def _ask_final_verifier(self, example: Example, measured: Report, findings: Sequence[Finding]) -> Check:
        answers = [rollout.answer for rollout in (*measured.weak, *measured.strong)]
        question = verifier_question(example, findings, document=self._document, answers=answers)
        control = verifier_question(CONTROL)
        return ask_fairly(
            question.role,
            lambda turn: self._ask(question, (measured.round_number,), turn),
            lambda: self._ask(control, ("control", example_hash(example))),
        )

    def _ask(self, question: Question[T], place: tuple[str | int, ...], turn: int = 0) -> T:
        """Ask until the reply can be read, each time with another random seed and what was wrong so far.

        Raises Unreadable.
        """
        role, attempts, is_truncated = question.role, self._settings.reading_attempts, True
        word, opening = self._word(question, place), self._opening(question, place)
        correction: tuple[Message, ...] = ()
        first = (TURNS * self._redraws + turn) * attempts
        for attempt in range(first, first + attempts):
            again = (attempt,) if attempt else ()
            cold = self._settings.judge_temperature
            call = ChatCall(
                role=role,
                messages=(*opening, *correction),
                seed=self._seeds.seed(role, *place, *again),
                temperature=max(cold, RETRY_TEMPERATURE) if attempt else cold,
                json_schema=question.schema,
                control=self._controls[role],
            )
            reply = self._chat.chat(call)
            try:
                return _read(question, reply, word)
            except UnreadableReply as problem:
                self._on_unreadable(role)
                correction = question.correction(reply.text, problem, word)
            is_truncated = is_truncated and reply.is_truncated
        raise unreadable(role, attempts, is_truncated=is_truncated)

    def _opening(self, question: Question[T], place: Sequence[str | int]) -> tuple[Message, ...]:
        return question.opening(self._prompts[question.role], self._word(question, place))

    def _word(self, question: Question[T], place: Sequence[str | int]) -> str:
        return reading_word(self._seeds, question.role, place, question.unseen)


def _read(question: Question[T], reply: ChatReply, word: str) -> T:
    """Raises UnreadableReply, also for a reply that was cut off: what it decided at last is missing."""
    if reply.is_truncated:
        raise UnreadableReply(NOT_ENDED)
    return question.read(reply.text, word)


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
