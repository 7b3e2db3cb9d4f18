"""Every report of a trajectory made again by the frozen evaluator, its calls answered from the records.

So a report is proved by what was really answered to exactly these questions: other marks, scores, answers or
final checks would need other records. Runs no harness and no sandbox. Only for an evaluator that is the run's
own (same code, prompts and settings); strong rollouts need the paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evaluate.confirmation import confirm, fresh_luck
from evaluate.contracts import Example, Paper, Report
from evaluate.control import Unmeasurable
from evaluate.evaluator import Evaluator, Luck
from evaluate.examples import example_from_json
from evaluate.near_duplicates import find_near, fingerprint
from evaluate.reports import near_duplicate, rollout_to_json
from evaluate.screening import Finding
from evaluate.settings import Frozen
from evaluate.trajectories import Trajectory
from evaluate.trajectory_audit import CANNOT_READ
from evaluate.transcript import Event
from studbook.errors import ModelError, ReplayDifference
from studbook.faults import Findings
from studbook.llm.recorded_chat import RecordedChat
from studbook.llm.records_audit import Answers
from studbook.llm.roles import RoleModel


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredAgain:
    """`papers` by id; a paper that is not there leaves out what needs its text."""

    frozen: Frozen
    roles: Mapping[str, RoleModel]
    papers: Mapping[str, Paper]
    findings: Findings

    def check(self, trajectory: Trajectory, answers: Answers, place: str) -> None:
        try:
            _Again(self, trajectory, answers, place).check()
        except CANNOT_READ as error:
            self.findings.fault(place, f"its reports cannot be made again: {error!r:.120}")


class _Again:
    """One trajectory's reports, in their order."""

    def __init__(self, audit: MeasuredAgain, trajectory: Trajectory, answers: Answers, place: str) -> None:
        result = trajectory.result
        self._audit = audit
        self._trajectory = trajectory
        self._place = place
        self._chat = RecordedChat(audit.roles, answers)
        self._paper = audit.papers.get(result.paper_id)
        self._luck = Luck(
            run_seed=audit.frozen.run_seed, paper_id=result.paper_id, replicate=result.replicate
        )
        self._reports: dict[int, tuple[Example, Report]] = {}
        self._known: dict[int, Example] = {}
        self._accepted: tuple[Example, Report] | None = None

    @property
    def _needs_paper(self) -> bool:
        return self._audit.frozen.settings.strong_sees_paper and self._paper is None

    def _evaluator(self, luck: Luck) -> Evaluator:
        frozen, paper_id = self._audit.frozen, self._trajectory.result.paper_id
        paper = self._paper or Paper(paper_id=paper_id, title="", text="", source="")
        return Evaluator(
            chat=self._chat, settings=frozen.settings, prompts=frozen.prompts, paper=paper, luck=luck
        )

    def check(self) -> None:
        evaluator = self._evaluator(self._luck)
        for number, event in enumerate(self._trajectory.events):
            place = f"{self._place}, event {number}"
            try:
                if event["kind"] == "report":
                    self._report(evaluator, event, place)
                elif event["kind"] == "malformed":
                    self._known.pop(event["round"], None)  # what could not be measured, nothing can repeat
                elif event["kind"] == "confirmation":
                    self._confirmation(event, place)
            except ReplayDifference as error:
                self._audit.findings.fault(place, f"its records do not lead to it: {error}")
            except (Unmeasurable, ModelError) as error:
                problem = "by its records it could not be measured"
                self._audit.findings.fault(place, problem, found=str(error).partition("\n")[0])

    def _report(self, evaluator: Evaluator, event: Event, place: str) -> None:
        number, example = event["round"], example_from_json(event["example"])
        if event["category"] == "near_duplicate":
            report = self._repeat(example, number, place)
        elif event["completes"]:
            report = self._complete(evaluator, event, example)
        else:
            is_weak_only = event["status"] == "undecided" or self._needs_paper
            solvers: Any = "weak" if is_weak_only else "both"
            report = evaluator.evaluate(example, number, solvers, _findings(event))
        self._known[number] = example  # also of a repeat: a later one may repeat that
        if report is None:
            return
        self._reports[number] = (example, report)
        if self._needs_paper and event["strong"]:
            self._same(place, "weak", event["weak"], [rollout_to_json(each) for each in report.weak])
            return
        self._compare(event, report, place)
        if event["status"] == "accepted":
            self._accepted = (example, report)

    def _repeat(self, example: Example, number: int, place: str) -> Report | None:
        earlier = ((known, fingerprint(each)) for known, each in self._known.items() if known != number)
        repeated = find_near(fingerprint(example), earlier)
        if repeated is None:
            problem = "its example is not nearly one of an earlier round"
            self._audit.findings.fault(place, problem)
            return None
        return near_duplicate(example, number, repeated)

    def _complete(self, evaluator: Evaluator, event: Event, example: Example) -> Report | None:
        if self._needs_paper or event["round"] not in self._reports:
            return None
        return evaluator.complete(example, self._reports[event["round"]][1], _findings(event))

    def _compare(self, event: Event, report: Report, place: str) -> None:
        told = replace(report, weak=()) if event["completes"] else report
        self._same(place, "weak", event["weak"], [rollout_to_json(each) for each in told.weak])
        self._same(place, "strong", event["strong"], [rollout_to_json(each) for each in told.strong])
        category = report.category.value if report.category else None
        expected = (report.status.value, category, report.reason)
        self._same(place, "ruling", (event["status"], event["category"], event["reason"]), expected)

    def _same(self, place: str, what: str, found: object, expected: object) -> None:
        problem = f"its {what} is not what its call records lead to"
        if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
            for number, (one, two) in enumerate(zip(expected, found, strict=True)):
                self._audit.findings.same(f"{place}, {what} rollout {number}", problem, one, two)
        else:
            self._audit.findings.same(place, problem, expected, found)

    def _confirmation(self, event: Event, place: str) -> None:
        if self._needs_paper or self._accepted is None:
            return
        example, report = self._accepted
        confirmed = confirm(self._evaluator(fresh_luck(self._luck)), example, report.round_number)
        self._same(place, "weak", event["weak"], [rollout_to_json(each) for each in confirmed.weak])
        self._same(place, "strong", event["strong"], [rollout_to_json(each) for each in confirmed.strong])
        told = (event["holds"], event["reason"])
        self._same(place, "word", told, (confirmed.record.holds, confirmed.record.reason))
        kept = self._trajectory.result.confirmation
        self._audit.findings.same(
            place, "result.confirmation is not what its call records lead to", confirmed.record, kept
        )


def _findings(event: Event) -> tuple[Finding, ...]:
    return tuple(Finding(**each) for each in event["screening"])
