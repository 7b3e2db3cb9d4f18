"""Error rates of the frozen judge and final verifier on planted cases, measured with the evaluator's code.

An example is validated like a harness's and checked with the frozen prompts, settings and retries of a run.
Only the solvers' answers are planted and, to test the final check, also the marks. Outcomes become rates, and
rates become the rows of a table: every rate keeps its n; rates are never averaged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from json import dumps
from typing import TypeVar

from studbook.evaluate.contracts import Example, Paper, Report, Status
from studbook.evaluate.control import Unmeasurable
from studbook.evaluate.evaluator import Evaluator
from studbook.evaluate.examples import Malformed, read_example
from studbook.evaluate.planted.cases import (
    ANSWER_KINDS,
    CRITERION_KINDS,
    EXAMPLE_KINDS,
    GOOD,
    PlantedAnswer,
    PlantedExample,
    Submission,
    criterion_kind,
)
from studbook.evaluate.ruling import Bounds
from studbook.evaluate.seeds import SeedScope
from studbook.evaluate.settings import EvaluatorSettings
from studbook.llm.contracts import Chat, ChatCall, ChatReply, Usage
from studbook.rate import NO_RATE, Rate

T = TypeVar("T")
Case = TypeVar("Case", PlantedExample, PlantedAnswer)

ANY_SCORES = Bounds(
    name="any",
    weak_average_max=Fraction(1),
    weak_average_max_allowed=True,
    weak_best_max=None,
    zero_allowed=True,
    strong_average_min=Fraction(0),
    strong_average_below=None,
    gap_min=Fraction(-1),
)
"""Accepts any scores, so that the final check alone decides."""

_NOTHING = Usage()


class CheckOutcome(StrEnum):
    """The outcome for an example. REFUSED: by validation, or by a model that answers ordinary examples."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    case: PlantedExample
    outcome: CheckOutcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """`marks` is None when the judge gives readable marks for other answers, but not for this one."""

    case: PlantedAnswer
    marks: tuple[bool, ...] | None


class _PlantedSolvers:
    """A Chat whose solvers give the planted answers; with `marks`, the judge is not asked either."""

    def __init__(self, chat: Chat, answer: str, marks: Sequence[bool] | None = None) -> None:
        self._chat = chat
        self._answer = answer
        self._marks = marks

    def chat(self, call: ChatCall) -> ChatReply:
        if call.role in ("weak", "strong"):
            return ChatReply(text=self._answer, usage=_NOTHING)
        if call.role == "judge" and self._marks is not None:
            return ChatReply(text=dumps({"marks": list(self._marks)}), usage=_NOTHING)
        return self._chat.chat(call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """`settings` and `prompts` are those of the run whose models are measured; `draw` numbers repetitions."""

    chat: Chat
    settings: EvaluatorSettings
    prompts: Mapping[str, str]
    run_seed: int
    draw: int = 0

    def check(self, case: PlantedExample) -> Checked:
        """The final check of one example."""
        example = read_example(dict(case.submission))
        if isinstance(example, Malformed):
            return Checked(case=case, outcome=CheckOutcome.REFUSED, reason=example.reason)
        marks = [False] * len(example.example.rubric)
        chat = _PlantedSolvers(self.chat, "Planted.", marks)
        try:
            report = self._evaluator(chat, case).evaluate(example.example, 1, "both", example.findings)
        except Unmeasurable as problem:
            return Checked(case=case, outcome=CheckOutcome.REFUSED, reason=str(problem))
        return Checked(case=case, outcome=_outcome(report), reason=report.reason)

    def mark(self, case: PlantedAnswer) -> Marked:
        """The judge's marks for one planted answer."""
        evaluator = self._evaluator(_PlantedSolvers(self.chat, case.answer), case)
        try:
            report = evaluator.evaluate(_admitted(case.submission), 1, "weak")
        except Unmeasurable:
            return Marked(case=case, marks=None)
        return Marked(case=case, marks=report.weak[0].marks)

    def _evaluator(self, chat: Chat, case: PlantedExample | PlantedAnswer) -> Evaluator:
        settings = replace(self.settings, predicate=ANY_SCORES, weak_rollouts=1, strong_rollouts=1)
        place = f"{case.source}/{case.origin}/{case.kind}"
        seeds = SeedScope(run_seed=self.run_seed, paper_id=place, replicate=self.draw)
        document = case.document if isinstance(case, PlantedExample) else ""
        paper = Paper(paper_id="planted", title="", text=document, source="")
        return Evaluator(chat=chat, settings=settings, prompts=self.prompts, paper=paper, seeds=seeds)


def _outcome(report: Report) -> CheckOutcome:
    return CheckOutcome.PASSED if report.status is Status.ACCEPTED else CheckOutcome.FAILED


def _admitted(submission: Submission) -> Example:
    read = read_example(dict(submission))
    if isinstance(read, Malformed):
        raise ValueError(f"a planted example is malformed: {read.reason}")
    return read.example


def examine_all(
    ask: Callable[[Case], T], cases: Sequence[Case], workers: int, on_done: Callable[[], None]
) -> list[T]:
    """Results in the order of the cases, `workers` at a time; `on_done` is called after each."""

    def asked(case: Case) -> T:
        result = ask(case)
        on_done()
        return result

    with ThreadPoolExecutor(workers, thread_name_prefix="planted") as pool:
        return list(pool.map(asked, cases))


Rates = Mapping[str, Rate]

MET, NOT_MET = "marked met, is not", "marked not met, is"
"""The two kinds of wrong mark: the columns of the judge's table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table: how often the model was wrong, by column."""

    name: str
    words: str
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One criterion of one answer whose truth is known."""

    source: str
    answer_kind: str
    criterion_kind: str
    truth: bool
    marked: bool | None

    @property
    def is_wrong(self) -> bool:
        return self.marked is not self.truth


def verifier_rows(checked: Sequence[Checked]) -> list[Row]:
    """How often a bad example passed, by kind and in total; how often a good one did not."""
    good = [item for item in checked if item.case.should_pass]
    bad = [item for item in checked if not item.case.should_pass]
    rows = [_verifier_row(GOOD, "a good example fails", good)]
    rows.append(_verifier_row("bad", "a bad example passes", bad))
    kinds = (kind for kind in EXAMPLE_KINDS if kind != GOOD)
    rows += [
        _verifier_row(kind, EXAMPLE_KINDS[kind], [item for item in bad if item.case.kind == kind])
        for kind in kinds
    ]
    return [row for row in rows if row.rates]


def _verifier_row(name: str, words: str, items: Iterable[Checked]) -> Row:
    wrong = (
        (item.case.source, (item.outcome is CheckOutcome.PASSED) != item.case.should_pass) for item in items
    )
    return Row(name=name, words=words, rates=_rates(wrong))


def known_marks(marked: Sequence[Marked]) -> list[Mark]:
    return [mark for item in marked for mark in _marks_of(item)]


def _marks_of(item: Marked) -> Iterable[Mark]:
    rubric = item.case.submission["rubric"]
    for place, (criterion, truth) in enumerate(zip(rubric, item.case.truth, strict=True)):
        if truth is not None:
            yield Mark(
                source=item.case.source,
                answer_kind=item.case.kind,
                criterion_kind=criterion_kind(criterion["criterion"], criterion["weight"]),
                truth=truth,
                marked=None if item.marks is None else item.marks[place],
            )


def judge_rows(marked: Sequence[Marked], source: str) -> list[Row]:
    """False "met" and false "not met" of one source: in total, by kind of answer, by kind of criterion."""
    marks = [mark for mark in known_marks(marked) if mark.source == source]
    rows = [_judge_row("all", "all answers and criteria", marks)]
    for kind, words in ANSWER_KINDS.items():
        rows.append(_judge_row(kind, words, [mark for mark in marks if mark.answer_kind == kind]))
    for kind, words in CRITERION_KINDS.items():
        of_kind = [mark for mark in marks if mark.criterion_kind == kind]
        rows.append(_judge_row(f"criterion: {kind}", words, of_kind))
    return [row for row in rows if row.rates]


def _judge_row(name: str, words: str, marks: Iterable[Mark]) -> Row:
    wrong = ((NOT_MET if mark.truth else MET, mark.is_wrong) for mark in marks)
    return Row(name=name, words=words, rates=_rates(wrong))


def _rates(wrong: Iterable[tuple[str, bool]]) -> Rates:
    rates: dict[str, Rate] = {}
    for source, is_wrong in wrong:
        rates[source] = rates.get(source, NO_RATE) + Rate(int(is_wrong), 1)
    return rates


def markdown(rows: Sequence[Row], first: str, columns: Sequence[str]) -> list[str]:
    lines = [f"| {first} | {' | '.join(columns)} |", f"|---{'|---' * len(columns)}|"]
    for row in rows:
        cells = (str(row.rates.get(column, NO_RATE)) for column in columns)
        lines.append(f"| {row.name}: {row.words} | {' | '.join(cells)} |")
    return lines
