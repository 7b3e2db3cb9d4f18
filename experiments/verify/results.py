"""Checks the trajectories of a run, and everything that rests on call records, against the journal.

Every result has its file, with the content the journal names, judged again and answered by the records. Files
that no result names are judged as well: racing, tries and interrupted work leave some.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from studbook.compression import decompress
from studbook.errors import IntegrityError
from studbook.evaluate.trajectories import (
    SUFFIX,
    Trajectory,
    read_trajectory,
    trajectory_body,
    trajectory_key,
)
from studbook.evaluate.trajectory_audit import MeasuredAgain, TrajectoryAudit
from studbook.evolve.doors import ANALYZER
from studbook.findings import Findings
from studbook.llm.evidence import Evidence
from studbook.llm.records_audit import RecordedCalls
from studbook.populations.events import DecisionMade, DiagnosisMade, EvaluationDone, RunStarted
from studbook.populations.journal_audit import AuditedLine
from studbook.populations.records import PaperResult

NO_DIAGNOSIS = "There is no diagnosis: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A result as the journal has it, and where."""

    result: PaperResult
    tree_hash: str
    place: str


def list_trajectories(root: Path, findings: Findings) -> dict[str, Path]:
    """Every file under its key; a fault for what is none of them."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        key = path.name.removesuffix(SUFFIX)
        if path.is_dir() and not path.is_symlink():
            continue
        if path == root / key[:2] / f"{key}{SUFFIX}":
            found[key] = path
        elif path.name.startswith(".") and path.name.endswith(".part"):
            findings.note(f"{root.name}: {path.name} is a write that was not finished")
        else:
            place = f"{root.name}/{path.relative_to(root).as_posix()}"
            findings.fault(place, "it is no trajectory, or not where its key belongs")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsAudit:
    """`audit` is None without a spec, `again` with another evaluator than the run's, `calls` without records.

    `files` were listed before the records were read: all they rest on is there, also in a running run.
    """

    root: Path
    files: Mapping[str, Path]
    start: RunStarted | None
    audit: TrajectoryAudit | None
    again: MeasuredAgain | None
    calls: RecordedCalls | None
    findings: Findings

    def check(self, lines: tuple[AuditedLine, ...]) -> None:
        named = _named(lines)
        files = self.files
        for key, results in named.items():
            self.findings.checked["trajectories"] += 1
            if key in files:
                self._check_named(key, files[key], results)
            else:
                place, result = results[0].place, results[0].result
                problem = f"it is missing, and {place} rests on it (paper {result.paper_id})"
                self.findings.fault(self._place(key), problem)
        self._check_orphans({key: path for key, path in files.items() if key not in named})
        self._check_meta(lines)

    def _place(self, key: str) -> str:
        return f"{self.root.name}/{key[:2]}/{key}{SUFFIX}"

    def _read(self, key: str, path: Path) -> Trajectory | None:
        place = self._place(key)
        try:
            body = decompress(path.read_bytes(), place=place)
            trajectory = read_trajectory(body, key, place)
        except IntegrityError as error:
            self.findings.fault(place, str(error).partition("\n")[0].removeprefix(f"{place} "))
            return None
        except (OSError, RecursionError) as error:
            self.findings.fault(place, f"it cannot be read: {error}")
            return None
        if trajectory_body(trajectory) != body:
            self.findings.fault(place, "it holds more, or in another form, than Studbook writes")
        return trajectory

    def _check_named(self, key: str, path: Path, results: list[Named]) -> None:
        trajectory = self._read(key, path)
        if trajectory is None:
            return
        place = self._place(key)
        for named in results:
            self._compare(place, trajectory, named)
        self._check_content(place, trajectory)

    def _compare(self, place: str, trajectory: Trajectory, named: Named) -> None:
        same = self.findings.same
        same(
            place,
            f"it was made with other files than {named.place} says",
            named.tree_hash,
            trajectory.tree_hash,
        )
        expected, found = named.result, trajectory.result
        problem = f"its content is not the one that {named.place} names"
        if same(place, problem, expected.trajectory_hash, found.trajectory_hash):
            expected = replace(expected, trajectory_hash=found.trajectory_hash)
        for field in fields(PaperResult):
            if field.name != "trajectory_hash":
                one, two = getattr(expected, field.name), getattr(found, field.name)
                same(place, f"result.{field.name} is not what {named.place} says", one, two)

    def _check_content(self, place: str, trajectory: Trajectory) -> None:
        result = trajectory.result
        key = trajectory_key(
            trajectory.evaluator_hash, trajectory.tree_hash, result.paper_id, result.replicate
        )
        problem = "its key does not follow from evaluator, files, paper and replicate"
        self.findings.same(place, problem, key, result.key)
        if self.start is not None:
            problem = "it was made by another evaluator than the run's"
            self.findings.same(place, problem, self.start.evaluator_hash, trajectory.evaluator_hash)
            if not any(result.paper_id in papers for papers in self.start.splits.values()):
                self.findings.fault(place, "its paper is in no split of the run", found=result.paper_id)
        if self.audit is not None:
            self.audit.check(trajectory, place)
        self._check_records(place, trajectory)

    def _check_records(self, place: str, trajectory: Trajectory) -> None:
        if self.calls is None:
            return
        answers = self.calls.answers_behind(trajectory.evidence, place)
        if self.audit is not None and answers.is_whole:
            self.audit.check_answers(trajectory, answers.calls, place)
            if self.again is not None:
                self.again.check(trajectory, answers, place)

    def _check_orphans(self, files: Mapping[str, Path]) -> None:
        for key, path in files.items():
            self.findings.checked["trajectories no result names"] += 1
            trajectory = self._read(key, path)
            if trajectory is not None:
                self._check_content(self._place(key), trajectory)

    def _check_meta(self, lines: tuple[AuditedLine, ...]) -> None:
        """What analyzer and implementer were answered, and that the diagnosis is what was answered."""
        for line in lines:
            event = line.event
            if isinstance(event, DiagnosisMade):
                texts = self._texts(event.evidence, line.place)
                is_answered = texts is None or event.text in texts or event.text.startswith(NO_DIAGNOSIS)
                if not is_answered and self._is_analyzer_ours:
                    self.findings.fault(line.place, "no call record of the analyzer gave this diagnosis")
            elif isinstance(event, DecisionMade):
                self._texts(event.evidence, line.place)

    @property
    def _is_analyzer_ours(self) -> bool:
        """One of the user's own need not quote a model's words."""
        plugins = self.start.plugins if self.start is not None else {}
        return plugins.get("analyzer", "chat").partition(" ")[0] in ANALYZER.builtin_names()

    def _texts(self, evidence: Evidence, place: str) -> list[str] | None:
        """None when not all records are there."""
        if self.calls is None:
            return None
        answers = self.calls.answers_behind(evidence, place)
        return [call.reply.text.strip() for call in answers.calls.values()] if answers.is_whole else None


def _named(lines: tuple[AuditedLine, ...]) -> dict[str, list[Named]]:
    named: dict[str, list[Named]] = {}
    for line in lines:
        if isinstance(line.event, EvaluationDone):
            evaluation = line.event.evaluation
            for result in evaluation.results:
                one = Named(result=result, tree_hash=evaluation.tree_hash, place=line.place)
                named.setdefault(result.key, []).append(one)
    return named
