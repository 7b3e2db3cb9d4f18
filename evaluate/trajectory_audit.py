"""Checks a recorded trajectory in two ways: for consistency with its call records, and by re-evaluating it.

`TrajectoryAudit` recomputes what follows from the file with the frozen predicate and the rubric: scores from
marks, rounds from scores, the verdict from rounds. It derives the random seeds again, and compares answers
and marks with the call records, so a score forged in a rewritten file contradicts the rest. `Recheck` lets
the frozen evaluator produce every report again with its calls answered from records: other marks, scores,
answers or final checks would need other records. It needs the run's own evaluator (same code, prompts and
settings), and the paper for strong rollouts.

Runs no harness, no sandbox and no model. Does not know which files belong to which run.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from studbook.errors import ModelError, ReplayDifference
from studbook.evaluate.confirmation import confirm
from studbook.evaluate.contracts import Example, Paper, Report, Rollout, Status
from studbook.evaluate.control import Unmeasurable
from studbook.evaluate.evaluator import FINAL_CHECK_FAILED, FINAL_CHECK_PASSED, Evaluator
from studbook.evaluate.examples import example_from_json, example_hash
from studbook.evaluate.near_duplicates import find_near, fingerprint
from studbook.evaluate.paper_evaluator import rule_on_box
from studbook.evaluate.relay import malformed_round, near_duplicate, report_to_round
from studbook.evaluate.replies import find_marks
from studbook.evaluate.rubric import score_marks
from studbook.evaluate.ruling import ruled
from studbook.evaluate.screening import Finding
from studbook.evaluate.seeds import SeedScope, confirmation_seeds, reading_word
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import Content, Event, Trajectory, rollout_to_json
from studbook.findings import Findings
from studbook.llm.contracts import RoleModel, Usage
from studbook.llm.records import StoredCall
from studbook.llm.records_audit import Answers, RecordedChat
from studbook.populations.records import FailureCategory, RoundResult
from studbook.sandbox.contract import BoxStatus, Outcome

CANNOT_READ = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""Exceptions that a file not written by this program may raise when it is parsed as events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryAudit:
    """Audits trajectories with the run's evaluator settings; faults are added to `findings`."""

    settings: EvaluatorSettings
    run_seed: int
    findings: Findings

    def check(self, trajectory: Trajectory, place: str) -> None:
        """Check everything that follows from the file alone."""
        try:
            _Retold(self, trajectory, place).check()
        except CANNOT_READ as error:
            self.findings.fault(place, f"its events cannot be parsed: {error!r:.120}")

    def check_answers(self, trajectory: Trajectory, calls: Mapping[str, StoredCall], place: str) -> None:
        """`calls`: every reply used by the trajectory, by the name of its record."""
        try:
            _Answers(self, trajectory, calls, place).check()
        except CANNOT_READ as error:
            self.findings.fault(place, f"its events cannot be compared with its records: {error!r:.120}")


class _Retold:
    """The rounds of one trajectory, reconstructed from its events."""

    def __init__(self, audit: TrajectoryAudit, trajectory: Trajectory, place: str) -> None:
        result = trajectory.result
        self._settings = audit.settings
        self._findings = audit.findings
        self._trajectory = trajectory
        self._place = place
        self._seeds = SeedScope(run_seed=audit.run_seed, paper_id=result.paper_id, replicate=result.replicate)
        self._rounds: dict[int, RoundResult] = {}
        self._weak: dict[int, tuple[Rollout, ...]] = {}
        self._accepted: int | None = None

    def check(self) -> None:
        result, outcome = self._trajectory.result, None
        for event in self._trajectory.events:
            if event["kind"] == "report":
                self._report(event)
            elif event["kind"] == "malformed":
                self._malformed(event)
            elif event["kind"] == "box":
                outcome = _outcome(event)
        self._same("result.rounds", tuple(self._rounds.values()), result.rounds)
        if len(self._rounds) > self._settings.max_rounds:
            self._same("number of rounds", f"at most {self._settings.max_rounds}", len(self._rounds))
        if outcome is None:
            self._findings.fault(self._place, "it does not say how the box ended")
            return
        verdict, reason = rule_on_box(outcome, accepted_round=self._accepted, rounds=len(self._rounds))
        self._same("result.verdict", verdict.value, result.verdict.value)
        self._same("result.reason", _plain(reason), _plain(result.reason))
        self._same("result.calls", sum(self._trajectory.calls_by_role.values()), result.calls)

    def _same(self, what: str, expected: object, found: object) -> None:
        self._findings.same(self._place, f"{what} is not what its own events lead to", expected, found)

    def _malformed(self, event: Event) -> None:
        number, category = event["round"], FailureCategory(event["category"])
        self._rounds[number] = malformed_round(number, event["reason"], category)

    def _report(self, event: Event) -> None:
        number, example = event["round"], example_from_json(event["example"])
        what = f"round {number}"
        weak = self._rollouts(event, "weak", number)
        if event["completes"]:
            weak = self._weak.get(number, ())
        self._weak[number] = weak
        strong = self._rollouts(event, "strong", number)
        report = Report(
            example_hash=example_hash(example),
            round_number=number,
            status=Status(event["status"]),
            category=FailureCategory(event["category"]) if event["category"] else None,
            reason=event["reason"],
            weak=weak,
            strong=strong,
        )
        self._check_ruling(report, what)
        self._rounds[number] = report_to_round(report)
        if report.status is Status.ACCEPTED:
            if self._accepted is not None:
                self._same(
                    f"{what}: status", f"nothing after round {self._accepted} was accepted", "accepted"
                )
            self._accepted = number

    def _rollouts(self, event: Event, solver: str, number: int) -> tuple[Rollout, ...]:
        rubric = example_from_json(event["example"]).rubric
        rollouts = tuple(
            Rollout(
                solver=item["solver"],
                index=item["index"],
                seed=item["seed"],
                answer=item["answer"],
                marks=tuple(item["marks"]),
                score=score_marks(rubric, item["marks"]),
            )
            for item in event[solver]
        )
        for index, (rollout, item) in enumerate(zip(rollouts, event[solver], strict=True)):
            what = f"round {number}, {solver} rollout {index}"
            self._same(f"{what}: score", str(rollout.score), item["score"])
            self._same(f"{what}: number", (solver, index), (rollout.solver, rollout.index))
            self._same(f"{what}: seed", self._seeds.seed("rollout", number, solver, index), rollout.seed)
        return rollouts

    def _check_ruling(self, report: Report, what: str) -> None:
        if not report.weak:
            is_near = report.category is FailureCategory.NEAR_DUPLICATE and not report.strong
            self._same(f"{what}: status", True, is_near and report.status is Status.REJECTED)
            return
        settings = self._settings
        self._same(f"{what}: number of weak rollouts", settings.weak_rollouts, len(report.weak))
        if report.strong:
            self._same(f"{what}: number of strong rollouts", settings.strong_rollouts, len(report.strong))
        ruling = ruled(
            settings.predicate, [each.score for each in report.weak], [each.score for each in report.strong]
        )
        expected = (ruling.status, ruling.category, ruling.reason)
        found = (report.status, report.category, report.reason)
        if ruling.status is Status.ACCEPTED:
            passed = (Status.ACCEPTED, None, ruling.reason + FINAL_CHECK_PASSED)
            failed = (Status.REJECTED, FailureCategory.QUALITY)
            if found[:2] == failed and report.reason.startswith(FINAL_CHECK_FAILED):
                return
            expected = passed
        self._same(f"{what}: ruling", _told(expected), _told(found))


def _told(ruling: tuple[Status, FailureCategory | None, str]) -> str:
    status, category, reason = ruling
    return f"{status.value}{f' ({category.value})' if category else ''}: {reason}"


def _outcome(event: Event) -> Outcome:
    return Outcome(
        status=BoxStatus(event["status"]), detail=event["detail"], stderr_tail=event["stderr"], seconds=0.0
    )


def _plain(text: str) -> str:
    """Characters that UTF-8 cannot encode are replaced by different signs in different places."""
    return text.replace("\ufffd", "?")


class _Answers:
    """One trajectory and the replies it uses."""

    def __init__(
        self, audit: TrajectoryAudit, trajectory: Trajectory, calls: Mapping[str, StoredCall], place: str
    ) -> None:
        result = trajectory.result
        self._findings = audit.findings
        self._seeds = SeedScope(run_seed=audit.run_seed, paper_id=result.paper_id, replicate=result.replicate)
        self._trajectory = trajectory
        self._calls = calls
        self._place = place
        self._texts: dict[str, list[str]] = {}
        for call in calls.values():
            self._texts.setdefault(call.role, []).append(call.reply.text)
        self._sheets: dict[int, set[tuple[bool, ...] | None]] = {}

    def check(self) -> None:
        self._check_counts()
        for number, event in enumerate(self._trajectory.events):
            where = f"{self._place}, event {number}"
            if event["kind"] == "chat":
                texts = self._texts.get(event["role"], ())
                if not any(_is_folded(event["reply"], text) for text in texts):
                    self._findings.fault(where, f"no call record of role {event['role']} gave this reply")
            elif event["kind"] == "report":
                self._check_report(event, where)

    def _check_counts(self) -> None:
        """The evidence also names calls that failed permanently; they have no reply."""
        trajectory, same = self._trajectory, self._findings.same
        made = [self._calls[name] for name in trajectory.evidence.names if name in self._calls]
        roles = dict(Counter(call.role for call in made))
        same(self._place, "its call records are of other roles", trajectory.calls_by_role, roles)
        cut = dict(Counter(call.role for call in made if call.reply.is_truncated))
        problem = "its truncated replies are not those of its call records"
        same(self._place, problem, cut, trajectory.truncated_by_role)
        usage = sum((call.reply.usage for call in made), Usage())
        same(self._place, "its tokens are not those of its call records", usage, trajectory.result.usage)

    def _check_report(self, event: Event, where: str) -> None:
        for item in [*event["weak"], *event["strong"]]:
            what = f"the {item['solver']} rollout {item['index']} of round {event['round']}"
            if item["answer"] not in self._texts.get(item["solver"], ()):
                self._findings.fault(where, f"no call record gave the answer of {what}")
            rollout = (event["round"], item["solver"], item["index"])
            if not self._has_marks(tuple(item["marks"]), rollout, item["answer"]):
                problem = f"no call record of the judge gave the marks of {what}"
                self._findings.fault(where, problem, found=item["marks"])

    def _has_marks(self, marks: tuple[bool, ...], rollout: tuple[int, str, int], answer: str) -> bool:
        """Does some reply of the judge give these marks? The word is tried only if they differ without it."""
        count, texts = len(marks), self._texts.get("judge", ())
        if count not in self._sheets:
            self._sheets[count] = {find_marks(text, count) for text in texts}
        if marks in self._sheets[count]:
            return True
        word = reading_word(self._seeds, "judge", rollout, answer)
        return any(find_marks(text, count, word) == marks for text in texts)


def _is_folded(content: Content, text: str) -> bool:
    """Could `content` be the stored form of `text`, with arbitrary text in place of the paper markers?"""
    if isinstance(content, str):
        return content == text
    position = 0
    for piece in _pieces(content):
        found = text.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _pieces(content: Iterable[Any]) -> list[str]:
    return [piece for piece in content if isinstance(piece, str)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """`papers` by id; checks that need the text of a missing paper are skipped."""

    frozen: Frozen
    roles: Mapping[str, RoleModel]
    papers: Mapping[str, Paper]
    findings: Findings

    def check(self, trajectory: Trajectory, answers: Answers, place: str) -> None:
        try:
            _Remeasured(self, trajectory, answers, place).check()
        except CANNOT_READ as error:
            self.findings.fault(place, f"its reports cannot be recomputed: {error!r:.120}")


class _Remeasured:
    """Re-evaluates the reports of one trajectory in order."""

    def __init__(self, audit: Recheck, trajectory: Trajectory, answers: Answers, place: str) -> None:
        result = trajectory.result
        self._audit = audit
        self._trajectory = trajectory
        self._place = place
        self._chat = RecordedChat(audit.roles, answers)
        self._paper = audit.papers.get(result.paper_id)
        self._seeds = SeedScope(
            run_seed=audit.frozen.run_seed, paper_id=result.paper_id, replicate=result.replicate
        )
        self._reports: dict[int, tuple[Example, Report]] = {}
        self._known: dict[int, Example] = {}
        self._accepted: tuple[Example, Report] | None = None

    @property
    def _needs_paper(self) -> bool:
        return self._audit.frozen.settings.strong_sees_paper and self._paper is None

    def _evaluator(self, seeds: SeedScope) -> Evaluator:
        frozen, paper_id = self._audit.frozen, self._trajectory.result.paper_id
        paper = self._paper or Paper(paper_id=paper_id, title="", text="", source="")
        return Evaluator(
            chat=self._chat,
            settings=frozen.settings,
            prompts=frozen.prompts,
            paper=paper,
            seeds=seeds,
            redraws=self._trajectory.redraws,
        )

    def check(self) -> None:
        evaluator = self._evaluator(self._seeds)
        for number, event in enumerate(self._trajectory.events):
            place = f"{self._place}, event {number}"
            try:
                if event["kind"] == "report":
                    self._report(evaluator, event, place)
                elif event["kind"] == "malformed":
                    if "example" in event:  # not measured, but drawn: later examples are compared with it
                        self._known[event["round"]] = example_from_json(event["example"])
                elif event["kind"] == "confirmation":
                    self._confirmation(event, place)
            except ReplayDifference as error:
                self._audit.findings.fault(place, f"its call records do not lead to it: {error}")
            except (Unmeasurable, ModelError) as error:
                problem = "according to its call records it could not be measured"
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
        self._known[number] = example  # near duplicates too: a later example may duplicate one of them
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
            problem = "its example is not a near duplicate of an earlier round's"
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
        confirmed = confirm(self._evaluator(confirmation_seeds(self._seeds)), example, report.round_number)
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
