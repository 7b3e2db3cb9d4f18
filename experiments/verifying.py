"""`studbook verify`: checks all files of a run against each other.

Journal, lineage, trajectories, call records and spec are treated as untrusted; each contradiction is a fault
with its place. Runs no harness and makes no call. `NOT_CHECKED` lists what is not covered.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

from studbook.compression import MAX_DECOMPRESSED_BYTES, Expansion, decompress
from studbook.errors import CorpusError, IntegrityError, PluginError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.settings import Frozen
from studbook.evaluate.trajectories import (
    REDRAWS,
    SUFFIX,
    Trajectory,
    read_trajectory,
    trajectory_body,
    trajectory_key,
)
from studbook.evaluate.trajectory_audit import Recheck, TrajectoryAudit
from studbook.evolve.audit import EventsAudit, Rules
from studbook.evolve.champion import NO_CHAMPION
from studbook.evolve.contracts import ADMISSION, ANALYZER, SELECTION
from studbook.experiments.run.bench import Origin, frozen_evaluator, origin_of
from studbook.experiments.run.corpus import find_recorded_papers, load_papers, papers_at
from studbook.experiments.run.environment import CHECK, environment_text
from studbook.experiments.run.execute import WORDS, promotion_settings, search_settings
from studbook.experiments.run.models import role_models
from studbook.experiments.run.opening import is_being_written
from studbook.experiments.run.plugins import distrusting, find_plugin, plugins_at_hand
from studbook.experiments.run.provenance import provenance_of
from studbook.experiments.run.stopping import STOP_FILE
from studbook.experiments.spec.loading import read_resolved, write_resolved
from studbook.experiments.spec.model import Spec
from studbook.experiments.spec.resuming import spec_hash
from studbook.findings import Findings
from studbook.holes import has_holes
from studbook.json_text import read_json
from studbook.llm.contracts import Evidence
from studbook.llm.records_audit import RecordedCalls, opened_for_audit
from studbook.populations.events import DecisionMade, DiagnosisMade, EvaluationDone, RunStarted
from studbook.populations.journal import AuditedJournal, AuditedLine, audit_journal
from studbook.populations.lineage_audit import NAME as LINEAGE
from studbook.populations.lineage_audit import Expected, LineageFiles, audit_lineage
from studbook.populations.population import Population, fold
from studbook.populations.records import PaperResult
from studbook.populations.storage import LOCK, RunFolder, is_stray, kind_words, read_plain

MAX_TEXT_BYTES = 1024 * 1024
"""Of the spec, or of environment.json."""
NOT_CHECKED: Mapping[str, str] = MappingProxyType(
    {
        LOCK: "it only names the writing process, for messages",
        "report.html": "it is derived: rewrite it with `studbook report`",
        "provenance": "it says only to the user who made the run that it is theirs",
        "notices.jsonl": "retries, outages and skipped files, which are part of no result",
        "times of journal lines": "identical runs differ in them: a checksum covers them, but no hash",
        "budget, workers and paths of the spec; environment.json": "the same",
    }
)
EXTRA_FILES = frozenset({"report.html", "notices.jsonl", LOCK, "provenance", STOP_FILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """`head` is the hash of the journal's last complete append, "" if there is none."""

    run: str
    head: str
    is_running: bool
    findings: Findings


def verify_run(folder: RunFolder, expect: str | None = None, papers: Path | None = None) -> Verified:
    """`expect`: the published head hash. `papers`: where the papers are, if not where the spec says."""
    return _Verification(folder, expect, papers).run()


class _Verification:
    """Reads the journal first, so that newer files of a running run are not faults.

    Imports no plug-in of somebody else's run, unless its folder was named.
    """

    def __init__(self, folder: RunFolder, expect: str | None, papers: Path | None) -> None:
        self._folder = folder
        self._expect = expect
        self._place_of_papers = papers
        self._findings = Findings()
        self._is_running = is_being_written(folder)
        self._is_same_code = self._is_own = False
        self._papers: dict[str, Paper] = {}

    def run(self) -> Verified:
        journal = self._journal()
        self._is_own = provenance_of(self._folder, journal.head).is_own
        with distrusting(is_own=self._is_own):
            return self._check(journal)

    def _check(self, journal: AuditedJournal) -> Verified:
        spec = self._spec()
        start = next((each.event for each in journal.lines if isinstance(each.event, RunStarted)), None)
        if start is not None and spec is not None:
            self._check_start(start, spec)
        self._environment(start)
        events = EventsAudit(self._rules(start, spec), self._findings)
        for line in journal.lines:
            events.read(line.event, line.place)
        self._lineage(events.population, journal, spec)
        self._results(journal, start, spec)
        self._other_files()
        if not journal.lines:
            self._findings.note("the journal has no complete event yet")
        elif events.population.finish is None and not self._is_running:
            self._findings.note("the run is not finished: missing later events cannot be detected")
        return Verified(
            run=self._folder.name,
            head=journal.head if journal.lines else "",
            is_running=self._is_running,
            findings=self._findings,
        )

    def _journal(self) -> AuditedJournal:
        try:
            journal = audit_journal(self._folder.journal, self._findings)
        except (OSError, IntegrityError) as error:
            self._findings.fault(self._folder.journal.name, _unreadable(error, self._folder.journal))
            return AuditedJournal(lines=(), head="", torn_bytes=0)
        if journal.torn_bytes:
            doing = "is being written" if self._is_running else "was not finished; resume removes it"
            self._findings.note(f"journal.jsonl ends in {journal.torn_bytes} bytes of an append that {doing}")
        if self._expect is not None and self._expect != journal.head:
            lines = [line for line in journal.lines if line.entry.hash == self._expect]
            where = f"; that is the hash of line {lines[0].number}, and more lines follow" if lines else ""
            problem = f"its head hash is not the expected one{where}"
            self._findings.fault("journal.jsonl", problem, expected=self._expect, found=journal.head)
        return journal

    def _spec(self) -> Spec | None:
        path = self._folder.spec
        with self._findings.catching(path.name):
            spec = read_resolved(path)
            text = (read_plain(path, MAX_TEXT_BYTES) or b"").decode("utf-8", "replace")
            self._same_text(path.name, write_resolved(spec), text)
            return spec
        self._findings.note("without the spec, verdicts and choices are not rechecked")
        return None

    def _same_text(self, place: str, expected: str, found: str) -> None:
        pairs = zip([*expected.splitlines(), "the end"], [*found.splitlines(), "the end"], strict=False)
        for number, (one, two) in enumerate(pairs, start=1):
            if not self._findings.same(f"{place}, line {number}", "it is not what Studbook wrote", one, two):
                return
        self._findings.same(place, "its line breaks are not what Studbook wrote", len(expected), len(found))

    def _check_start(self, start: RunStarted, spec: Spec) -> None:
        same, place = self._findings.same, self._folder.spec.name
        same(place, "it is not the spec whose hash is in the journal", start.spec_hash, spec_hash(spec))
        same(place, "the name differs from the journal", start.run_name, spec.name)
        same(place, "the sandbox differs from the journal", start.sandbox, spec.sandbox.kind)
        same(
            "journal.jsonl, line 1",
            "the sandbox's isolation is recorded wrongly",
            False,
            start.isolates_untrusted_code and start.sandbox != "docker",  # an engine may report less
        )
        models = {name: role.model for name, role in spec.models.roles.items()}
        same(place, "the models differ from the journal", start.models, models)
        frozen = self._frozen(spec, origin_of(start))
        self._is_same_code = frozen is not None and frozen.evaluator_hash == start.evaluator_hash
        if frozen is not None and not self._is_same_code:
            self._findings.note(
                "the evaluator of this Studbook differs from the run's (environment.json names its "
                "commit): verdicts are rechecked by the rules of this one"
            )
        self._check_papers(start, spec)

    def _frozen(self, spec: Spec, origin: Origin) -> Frozen | None:
        """The evaluator; None, and a note, if a plug-in of the run is not at hand or not to be imported."""
        try:
            return frozen_evaluator(spec, origin)
        except PluginError as error:
            self._findings.note(f"verdicts are not rechecked: {str(error).splitlines()[0]}")
            return None

    def _check_papers(self, start: RunStarted, spec: Spec) -> None:
        if spec.corpus.train is None:
            sizes = {name: len(papers) for name, papers in start.splits.items()}
            problem = "the sizes of the splits differ from the spec"
            self._findings.same("journal.jsonl, line 1", problem, spec.corpus.splits.model_dump(), sizes)
        if spec.corpus.path is None and spec.corpus.train is None and self._is_same_code:
            drawn = load_papers(spec.corpus, spec.seed).splits.paper_ids()
            problem = "the splits are not those the spec draws"
            self._findings.same("journal.jsonl, line 1", problem, drawn, start.splits)
        given = self._place_of_papers
        if given is None and not self._is_own and (spec.corpus.path or spec.corpus.train):
            self._findings.note(
                "strong rollouts are only partly checked: the run is not yours, so its papers are not "
                "searched for where it says (--papers says where they are)"
            )
            return
        corpus = spec.corpus if given is None else papers_at(spec.corpus, given)
        try:
            splits = find_recorded_papers(corpus, start.splits, self._folder.name).splits
        except (CorpusError, PluginError) as error:
            told = str(error).splitlines()[0]
            self._findings.note(
                f"strong rollouts are only partly checked: {told} (--papers says where they are)"
            )
            return
        self._papers = {p.paper_id: p for p in (*splits.train, *splits.validation, *splits.test)}

    def _environment(self, start: RunStarted | None) -> None:
        path = self._folder.environment
        try:
            data = read_plain(path, MAX_TEXT_BYTES)
            if data is None:
                raise FileNotFoundError
            text, values = data.decode("utf-8"), read_json(data, path.name)
            written = environment_text({name: values[name] for name in values if name != CHECK})
            self._same_text(path.name, written, text)
            found = (values["evaluator_hash"], values["sandbox"]["kind"])
        except FileNotFoundError:
            self._findings.fault(path.name, "it is missing")
        except (IntegrityError, OSError) as error:
            self._findings.fault(path.name, _unreadable(error, path))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            self._findings.fault(path.name, f"it cannot be read: {error!r:.100}")
        else:
            if start is not None:
                expected = (start.evaluator_hash, start.sandbox)
                self._findings.same(
                    path.name, "evaluator or sandbox differ from the journal", expected, found
                )

    def _lineage(self, population: Population, journal: AuditedJournal, spec: Spec | None) -> None:
        path = self._folder.lineage
        if not path.is_dir():
            self._findings.fault(LINEAGE, "it is missing")
            return
        files = LineageFiles(path, self._findings)
        expected = _expected(population, journal, spec, is_running=self._is_running)
        audit_lineage(files, expected, self._findings)

    def _results(self, journal: AuditedJournal, start: RunStarted | None, spec: Spec | None) -> None:
        audit, again, frozen = None, None, None
        if spec is not None:
            origin = origin_of(start) if start else Origin(sandbox="", roles=())
            frozen = self._frozen(spec, origin)
        if spec is not None and frozen is not None:
            audit = TrajectoryAudit(settings=frozen.settings, run_seed=spec.seed, findings=self._findings)
            again = Recheck(
                frozen=frozen, roles=role_models(spec), papers=self._papers, findings=self._findings
            )
        files = list_trajectories(self._folder.trajectories, self._findings)
        expansion = Expansion()
        with opened_for_audit(
            self._folder.calls, self._findings, is_running=self._is_running, expansion=expansion
        ) as calls:
            if calls is not None:
                calls.check()
            ResultsAudit(
                root=self._folder.trajectories,
                files=files,
                expansion=expansion,
                start=start,
                audit=audit,
                again=again if self._is_same_code else None,
                calls=calls,
                findings=self._findings,
            ).check(journal.lines)
            if calls is not None and calls.unused:
                self._findings.checked["unreferenced call records"] += calls.unused

    def _rules(self, start: RunStarted | None, spec: Spec | None) -> Rules | None:
        """Policies are asked again if their recorded code is available here."""
        if start is None or spec is None:
            return None
        if not start.plugins:
            self._findings.note("an earlier version made this run: its decisions were not recomputed")
            return None
        here, search = plugins_at_hand(start.plugins, spec), spec.search
        if lacking := sorted({"selection", "admission"} - here):
            self._findings.note(
                f"not recomputed: the {' and the '.join(lacking)} (its code is missing or different here)"
            )
        return Rules(
            search=search_settings(spec),
            promotion=promotion_settings(spec),
            selection=SELECTION.build(
                find_plugin(SELECTION, search.selection), temperature=search.temperature
            )
            if "selection" in here
            else None,
            admission=ADMISSION.build(find_plugin(ADMISSION, search.admission))
            if "admission" in here
            else None,
            reasons=(*WORDS.values(), *NO_CHAMPION),
        )

    def _other_files(self) -> None:
        folder = self._folder
        known = {path.name for path in (folder.spec, folder.environment, folder.journal, folder.lineage)}
        known |= {
            folder.trajectories.name,
            *(folder.calls.name + end for end in ("", "-wal", "-shm")),
        }
        for entry in sorted(os.scandir(folder.root), key=lambda entry: entry.name):
            is_folder = entry.name in {folder.lineage.name, folder.trajectories.name}
            mode = entry.stat(follow_symlinks=False).st_mode
            if entry.is_symlink():
                self._findings.fault(entry.name, "it is a link, and its target is not part of the run")
            elif entry.name in known | EXTRA_FILES and stat.S_ISDIR(mode) != is_folder:
                self._findings.fault(entry.name, f"it is {kind_words(mode)}, and not what Studbook wrote")
            elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                self._findings.fault(entry.name, f"it is {kind_words(mode)}, and whoever reads it may wait")
            elif stat.S_ISREG(mode) and entry.name in EXTRA_FILES and has_holes(Path(entry.path)):
                self._findings.fault(entry.name, "it is mostly holes, and not what Studbook wrote")
            elif entry.name not in known | EXTRA_FILES:
                self._findings.note(f"{entry.name} is not a Studbook file and was not checked")


def _unreadable(error: Exception, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is missing"
    told = str(error).partition("\n")[0]
    return (
        told.removeprefix(f"{path} ") if isinstance(error, IntegrityError) else f"it cannot be read: {told}"
    )


def _expected(
    population: Population, journal: AuditedJournal, spec: Spec | None, *, is_running: bool
) -> Expected:
    """Branches are updated after the journal, so a crash can leave them one append behind."""
    due = population.next_iteration
    last = spec.search.iterations if spec else due
    return Expected(
        run_name=population.start.run_name if population.start else "",
        mutants=tuple(population.mutants.values()),
        members=population.members,
        late=population.members[-1:] if _is_last(population, journal) else (),
        best=(population.best_id, _best_before(journal)),
        is_running=is_running,
        open_iterations=range(due, (last if is_running else min(due, last)) + 1),
    )


def _is_last(population: Population, journal: AuditedJournal) -> bool:
    """Whether the last append admitted the newest member."""
    try:
        before = fold(line.event for line in journal.lines[: journal.last_append])
    except IntegrityError:
        return False
    return before.members != population.members


def _best_before(journal: AuditedJournal) -> str:
    try:
        return fold(line.event for line in journal.lines[: journal.last_append]).best_id
    except IntegrityError:
        return ""


NO_DIAGNOSIS = "There is no diagnosis: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A result in the journal, and its place there."""

    result: PaperResult
    tree_hash: str
    place: str


def list_trajectories(root: Path, findings: Findings) -> dict[str, Path]:
    """Every trajectory file by its key; reports a fault for anything else. Looks two levels deep."""
    found: dict[str, Path] = {}
    for path, mode in _two_levels(root):
        key = path.name.removesuffix(SUFFIX)
        if not stat.S_ISREG(mode):
            place = f"{root.name}/{path.relative_to(root).as_posix()}"
            findings.fault(place, f"it is {kind_words(mode)}, and not a trajectory")
        elif path == root / key[:2] / f"{key}{SUFFIX}":
            found[key] = path
        elif path == root / path.stem[:2] / f"{path.stem}{REDRAWS}":
            findings.note(f"{root.name}: a paper will be judged again with new random seeds")
        elif is_stray(path.name):
            findings.note(f"{root.name}: {path.name} is no file of a run; you can delete it")
        elif path.name.startswith(".") and path.name.endswith(".part"):
            findings.note(f"{root.name}: {path.name} is an unfinished write")
        else:
            place = f"{root.name}/{path.relative_to(root).as_posix()}"
            findings.fault(place, "it is not a trajectory, or its path does not match its key")
    return found


def _two_levels(root: Path) -> Iterator[tuple[Path, int]]:
    """Files below `root` and its folders, in order, and whatever else is there; follows no link."""
    if root.is_symlink() or not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            yield path, mode
            continue
        for inner in sorted(path.iterdir()):
            yield inner, inner.lstat().st_mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsAudit:
    """`audit` is None without a spec, `again` if the evaluator differs, `calls` without records.

    `files` were listed before the records were read, so that their records exist even in a running run.
    `expansion` limits what all files and records are together when decompressed.
    """

    root: Path
    files: Mapping[str, Path]
    expansion: Expansion
    start: RunStarted | None
    audit: TrajectoryAudit | None
    again: Recheck | None
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
                problem = f"it is missing, and {place} refers to it (paper {result.paper_id})"
                self.findings.fault(self._place(key), problem)
        self._check_orphans({key: path for key, path in files.items() if key not in named})
        self._check_meta(lines)

    def _place(self, key: str) -> str:
        return f"{self.root.name}/{key[:2]}/{key}{SUFFIX}"

    def _read(self, key: str, path: Path) -> Trajectory | None:
        place = self._place(key)
        try:
            data = read_plain(path, MAX_DECOMPRESSED_BYTES) or b""
            body = decompress(data, place=place, expansion=self.expansion)
            trajectory = read_trajectory(body, key, place)
        except (IntegrityError, OSError) as error:
            told = _unreadable(error, path).removeprefix(f"{place}: ").removeprefix(f"{place} ")
            self.findings.fault(place, told)
            return None
        if trajectory_body(trajectory) != body:
            self.findings.fault(place, "its content or format is not what Studbook writes")
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
            f"it was made with different files than {named.place} says",
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
            problem = "it was made by a different evaluator than the run's"
            self.findings.same(place, problem, self.start.evaluator_hash, trajectory.evaluator_hash)
            if not any(result.paper_id in papers for papers in self.start.splits.values()):
                self.findings.fault(place, "its paper is not in any split of the run", found=result.paper_id)
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
            self.findings.checked["unreferenced trajectories"] += 1
            trajectory = self._read(key, path)
            if trajectory is not None:
                self._check_content(self._place(key), trajectory)

    def _check_meta(self, lines: tuple[AuditedLine, ...]) -> None:
        """Checks the replies to analyzer and implementer, and that the diagnosis is one of them."""
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
        """The user's own analyzer need not quote a model's reply."""
        plugins = self.start.plugins if self.start is not None else {}
        return plugins.get("analyzer", "chat").partition(" ")[0] in ANALYZER.builtin_names()

    def _texts(self, evidence: Evidence, place: str) -> list[str] | None:
        """None if records are missing."""
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
