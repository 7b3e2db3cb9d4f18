"""Puts planted cases to the frozen judge and final verifier, through the evaluator's own code.

An example enters by the door that harnesses use and is checked with the frozen prompts, settings and
retries of a run. Only the solvers' answers are planted, and, where the final check is asked about, the marks.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from json import dumps
from typing import TypeVar

from evaluate.contracts import Example, Paper, Report, Status
from evaluate.control import Unmeasurable
from evaluate.evaluator import Evaluator, Luck
from evaluate.examples import Malformed, read_example
from evaluate.planted.cases import PlantedAnswer, PlantedExample, Submission
from evaluate.predicates import Predicate
from evaluate.settings import EvaluatorSettings
from studbook.llm.contracts import Chat, ChatCall, ChatReply, Usage

T = TypeVar("T")
Case = TypeVar("Case", PlantedExample, PlantedAnswer)

ANY_SCORES = Predicate(
    name="any",
    weak_average_max=Fraction(1),
    weak_average_max_allowed=True,
    weak_best_max=None,
    zero_allowed=True,
    strong_average_min=Fraction(0),
    strong_average_below=None,
    gap_min=Fraction(-1),
)
"""Accepts whatever solvers score, so that the final check has the only word."""

_NOTHING = Usage()


class Outcome(StrEnum):
    """What became of an example. REFUSED: at the door, or by a model that answers for ordinary examples."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    case: PlantedExample
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """`marks` is None when the judge gives no readable marks for this answer, though for others."""

    case: PlantedAnswer
    marks: tuple[bool, ...] | None


class _PlantedSolvers:
    """A Chat whose solvers say what was planted; with `marks`, no judge is asked either."""

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
class Asking:
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
            return Checked(case=case, outcome=Outcome.REFUSED, reason=example.reason)
        marks = [False] * len(example.example.rubric)
        chat = _PlantedSolvers(self.chat, "Planted.", marks)
        try:
            report = self._evaluator(chat, case).evaluate(example.example, 1, "both", example.findings)
        except Unmeasurable as problem:
            return Checked(case=case, outcome=Outcome.REFUSED, reason=str(problem))
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
        luck = Luck(run_seed=self.run_seed, paper_id=place, replicate=self.draw)
        document = case.document if isinstance(case, PlantedExample) else ""
        paper = Paper(paper_id="planted", title="", text=document, source="")
        return Evaluator(chat=chat, settings=settings, prompts=self.prompts, paper=paper, luck=luck)


def _outcome(report: Report) -> Outcome:
    return Outcome.PASSED if report.status is Status.ACCEPTED else Outcome.FAILED


def _admitted(submission: Submission) -> Example:
    read = read_example(dict(submission))
    if isinstance(read, Malformed):
        raise ValueError(f"a planted example is malformed: {read.reason}")
    return read.example


def ask_all(
    ask: Callable[[Case], T], cases: Sequence[Case], workers: int, on_done: Callable[[], None]
) -> list[T]:
    """In the order of the cases, `workers` at a time; `on_done` is told of each."""

    def asked(case: Case) -> T:
        result = ask(case)
        on_done()
        return result

    with ThreadPoolExecutor(workers, thread_name_prefix="planted") as pool:
        return list(pool.map(asked, cases))
