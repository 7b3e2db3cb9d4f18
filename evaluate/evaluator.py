"""The frozen part: runs solvers on an example, has every answer marked, and says what the numbers allow.

Weak before strong, and the final check only on what would be accepted. Nothing the harness claims enters a
score. A role that gives no usable answer is the world's failure (ModelError), unless it answers for an
ordinary example: then the harness's example is Unmeasurable (see `control.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from studbook.evaluate.contracts import Criterion, Example, Paper, Report, Rollout, Ruling, Status
from studbook.evaluate.control import CONTROL, CONTROL_ANSWER, Unmeasurable, Unreadable, ask_fairly
from studbook.evaluate.examples import example_hash
from studbook.evaluate.replies import Check, read_check, read_marks
from studbook.evaluate.rubric import note_rubric, score_marks
from studbook.evaluate.ruling import ruled
from studbook.evaluate.screening import MAX_FINDINGS, Finding
from studbook.evaluate.settings import EvaluatorSettings
from studbook.evaluate.text import one_line, section, visible_line
from studbook.identity import derive_seed
from studbook.llm.contracts import Chat, ChatCall, ChatReply, Message
from studbook.populations.records import FailureCategory

Solvers = Literal["weak", "both"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScope:
    """The named parts every seed of one paper is derived from; the harness is not among them."""

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
        """A first report on an example; `solvers` = "weak" leaves strong rollouts for `complete`.

        Both raise Unmeasurable when it is the example that a frozen role cannot deal with.
        """
        weak = self._rollouts(example, round_number, "weak", self._settings.weak_rollouts)
        ruling = ruled(self._settings.predicate, [rollout.score for rollout in weak])
        report = _report(example, round_number, ruling, weak, ())
        return self.complete(example, report, findings) if solvers == "both" else report

    def complete(self, example: Example, report: Report, findings: Sequence[Finding] = ()) -> Report:
        """Strong rollouts and the final check on an undecided report; any other report as it is.

        `findings` are what screening saw in the example: the final verifier is told.
        """
        measured = self.measure_strong(example, report)
        if measured.status is not Status.ACCEPTED:
            return measured
        check = self._ask_final_verifier(example, measured.round_number, findings)
        if check.passed:
            return replace(measured, reason=f"{measured.reason}; final check passed")
        return replace(
            measured,
            status=Status.REJECTED,
            category=FailureCategory.QUALITY,
            reason=f"final check failed: {visible_line(check.reason)}",
        )

    def measure_strong(self, example: Example, report: Report) -> Report:
        """`complete` without its final check: what the numbers alone allow."""
        if report.status is not Status.UNDECIDED:
            return report
        number = report.round_number
        strong = self._rollouts(example, number, "strong", self._settings.strong_rollouts)
        scores = [rollout.score for rollout in report.weak]
        ruling = ruled(self._settings.predicate, scores, [rollout.score for rollout in strong])
        return _report(example, number, ruling, report.weak, strong)

    def _rollouts(self, example: Example, number: int, solver: str, count: int) -> tuple[Rollout, ...]:
        """All of them, even when one is Unmeasurable: the calls made must not depend on the pool."""

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
        """A truncated answer is the solver's answer: the limit is the same for every example."""
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
        return ask_fairly(
            "final_verifier",
            lambda turn: self._final_check(
                [*self._document, *_verifier_sections(example, findings)], (number,), turn
            ),
            lambda: self._final_check(_verifier_sections(CONTROL), ("control", example_hash(example))),
        )

    def _final_check(self, sections: list[str], place: tuple[str | int, ...], turn: int = 0) -> Check:
        return self._read("final_verifier", sections, place, turn, read_check)

    def _read(
        self,
        role: str,
        sections: list[str],
        place: tuple[str | int, ...],
        turn: int,
        read: Callable[[str, str], T | None],
    ) -> T:
        """Ask until the reply can be read, each time with another seed; raises Unreadable."""
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
            value = None if reply.is_truncated else read(reply.text, word)  # its last word is missing
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
    """What a role is asked to repeat, so that its own reply can be told from one that it quotes."""
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
    """What screening found comes last, and only when it found something."""
    rubric = [_rubric_line(n, item) for n, item in enumerate(example.rubric, 1)]
    notes = [*findings, *note_rubric(example.rubric)][:MAX_FINDINGS]
    told = [f"- {item.field}: {item.kind}: {item.quote}" for item in notes]
    return [
        *_shown(example, rubric),
        *([section("screening", "\n".join(told))] if told else []),
    ]


def _shown(example: Example, rubric: list[str]) -> list[str]:
    return [
        section("context", example.context),
        section("question", example.question),
        section("reference_answer", example.reference_answer),
        section("rubric", "\n".join(rubric)),
    ]


def _unreadable(role: str, attempts: int, *, is_truncated: bool) -> Unreadable:
    how, step = "cannot be read as its JSON", "a model that follows the format"
    if is_truncated:
        how, step = "were cut off at its token limit", "more max_tokens"
    return Unreadable(
        f"the model of role `{role}` gave {attempts} replies in a row that {how}.\n"
        f"This is never scored. Give the role {step} (see the call records).",
        is_truncated=is_truncated,
    )


def _rubric_line(number: int, item: Criterion) -> str:
    category = one_line(item.category) or "no category"
    return f"{number}. [weight {item.weight}, {category}] {one_line(item.criterion)}"


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
