"""Commands that check a run: replay (fold, recorded, live) and verify, and how their results are printed.

Text from a run's files is untrusted and is cleaned before it is printed.
"""

import re
import shlex
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from studbook.errors import ReplayDifference, RevisionError, UsageError
from studbook.evolve.contracts import StopRequested
from studbook.experiments.cli.command import (
    PAPERS,
    PLUGINS,
    RESET,
    RUN,
    RUNS,
    SANDBOX,
    TARGET,
    command,
    flag,
)
from studbook.experiments.cli.running import consent_of
from studbook.experiments.cli.terminal import EXIT_INTERRUPTED, Terminal
from studbook.experiments.replay.fold import Replayed, check_fold, check_fold_of_part
from studbook.experiments.replay.live import (
    DEFAULT_REPLICATES,
    ScoreDrop,
    measure_part,
    old_scores,
    whole_run,
)
from studbook.experiments.replay.recorded import replay_part, replay_whole
from studbook.experiments.replay.scope import choose_part, is_whole, pieces_of, prepare_part
from studbook.experiments.run.environment import python_difference, read_user_environment
from studbook.experiments.run.foreign import Consent
from studbook.experiments.run.measuring import FOLDER
from studbook.experiments.run.models import models_line, open_endpoints, uses_only_testbed
from studbook.experiments.run.opening import OpenedRun, Target, locate_run, open_target
from studbook.experiments.run.plugins import distrusting, plugging
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.spec.model import SandboxSpec
from studbook.experiments.verifying import NOT_CHECKED, Verified, verify_run
from studbook.experiments.views.lines import TESTBED_MODELS, labelled, line, notice_line
from studbook.experiments.views.text import clean_line, count
from studbook.populations.storage import RunFolder
from studbook.sandbox.contract import StatedSandbox

WIDTH = 220
HASH = re.compile(r"[0-9a-f]{64}\Z")
WORDS = {
    "fold": "read and checked; nothing was run",
    "recorded": "re-run in the sandbox from recorded model calls; no API calls",
}


@command(
    "studbook replay quickstart-1:best --level recorded",
    TARGET,
    flag("paper", metavar="PAPER", nargs="?", help="only this paper: its id, or a prefix of it"),
    flag(
        "--level",
        choices=("fold", "recorded", "live"),
        default="fold",
        help="fold: check records, run nothing; recorded: re-run everything from recorded model calls; "
        "live: fresh, paid calls, compared with the recorded score (default: %(default)s)",
    ),
    flag("--alone", action="store_true", help="only this harness, not its ancestors"),
    PAPERS,
    flag(
        "--replicates",
        metavar="N",
        type=int,
        help=f"live: evaluations of each paper (default: {DEFAULT_REPLICATES}); new ones are appended",
    ),
    RESET,
    SANDBOX,
    PLUGINS,
    RUNS,
)
def replay(options: Namespace, terminal: Terminal) -> int:
    if options.level != "live" and (options.replicates is not None or options.overrides):
        given = "-s" if options.overrides else "--replicates"
        raise UsageError(f"{given} needs --level live: the other levels repeat what was recorded")
    if options.replicates is not None and options.replicates < 1:
        raise UsageError(f"--replicates {options.replicates}: must be at least 1")
    if options.level == "fold" and options.sandbox is not None:
        raise UsageError("--sandbox needs --level recorded or live: the level fold runs nothing")
    target = open_target(options.target, Path(options.runs_dir))
    provenance = target.run.provenance
    consent = consent_of(options, target.run.folder, provenance)
    with plugging(options.plugins), distrusting(is_own=provenance.is_own):
        if options.level == "live":
            return _replay_live(options, target, consent, terminal)
        done = _replay_records(options, target, consent, terminal)
    if done is None:
        return EXIT_INTERRUPTED
    if terminal.wants_json:
        terminal.json({"schema": 1, "replay": done, "identical": True})
    else:
        terminal.result(replayed_lines(done))
    return 0


def _replay_records(
    options: Namespace, target: Target, consent: Consent, terminal: Terminal
) -> Replayed | None:
    """None if the user interrupted it."""
    part = None
    if not is_whole(target, options.paper, alone=options.alone):
        part = choose_part(target, options.paper, alone=options.alone)
    if options.level == "fold":
        return check_fold(target.run) if part is None else check_fold_of_part(part, pieces_of(part))
    papers = Path(options.papers) if options.papers else None
    recorded = read_resolved(target.run.folder.spec)
    consent.check_code(recorded)
    consent.check_papers(recorded, (), options.papers)
    opening = _Opening(consent, terminal)
    display = terminal.display()
    try:
        if part is None:
            return replay_whole(target.run, papers, display, open_sandbox=opening.open)
        return replay_part(part, papers, display, opening.open)
    except ReplayDifference as error:
        raise ReplayDifference(f"{error}{opening.possible_causes(target.run)}") from error
    finally:
        display.close()


class _Opening:
    """Opens the sandbox of a replay, says which one it is, and remembers it."""

    def __init__(self, consent: Consent, terminal: Terminal) -> None:
        self._consent = consent
        self._terminal = terminal
        self._sandbox: StatedSandbox | None = None

    def open(self, spec: SandboxSpec) -> StatedSandbox:
        self._sandbox = self._consent.open_for_replay(spec)
        self._terminal.progress(labelled("sandbox", clean_line(self._sandbox.statement, 300)))
        return self._sandbox

    def possible_causes(self, run: OpenedRun) -> str:
        """Lines for a difference, if the run was made with another Python or other contents of its boxes."""
        python = python_difference(run.folder.environment)
        told = f"\n  {python}" if python else ""
        if self._sandbox is None or self._sandbox.fingerprint == run.start.sandbox_fingerprint:
            return told
        here = f"{self._sandbox.name} ({self._sandbox.fingerprint[:40]})"
        there = f"{run.start.sandbox} ({run.start.sandbox_fingerprint[:40]})"
        return f"{told}\n  the boxes differ too, which may be why: recorded in {there}, replayed in {here}"


def _replay_live(options: Namespace, target: Target, consent: Consent, terminal: Terminal) -> int:
    whole = is_whole(target, options.paper, alone=options.alone)
    part = whole_run(target.run) if whole else choose_part(target, options.paper, alone=options.alone)
    old = old_scores(part)
    user = read_user_environment()
    recorded = read_resolved(part.run.folder.spec)
    resumed = user.resume(recorded, options.overrides)
    spec = resumed.spec
    consent.check_code(spec)
    consent.check_endpoints(resumed.spec, resumed.named)
    consent.check_papers(recorded, resumed.named, options.papers)
    with open_endpoints(spec, user.variables, lambda text: None):
        pass  # report a missing key before any work starts
    papers = Path(options.papers) if options.papers else None
    prepared = prepare_part(part.run, spec, papers, _Opening(consent, terminal).open)
    store = Path(options.runs_dir) / FOLDER / "live" / part.run.folder.name
    for change in resumed.changes:
        terminal.progress(notice_line(clean_line(change, 300)))
    terminal.progress(labelled("models", clean_line(models_line(prepared.spec, TESTBED_MODELS), 800)))
    terminal.progress(labelled("saved in", clean_line(store.as_posix(), 300)))
    display = terminal.display()
    try:
        replicates = options.replicates or DEFAULT_REPLICATES
        found, totals = measure_part(part, old, prepared, replicates, store, display)
    except StopRequested:
        display.close()
        terminal.progress("stopped; finished work is saved: run the same command again to continue")
        return EXIT_INTERRUPTED
    finally:
        display.close()
    if terminal.wants_json:
        live = {
            "run": part.run.folder.name,
            "level": "live",
            "harnesses": found,
            "fresh_calls": totals.calls,
            "recorded_calls": totals.recorded_calls,
        }
        terminal.json({"schema": 1, "replay": live})
    else:
        is_testbed = uses_only_testbed(prepared.spec)
        terminal.result(drop_lines(found, totals.calls, totals.recorded_calls, is_testbed=is_testbed))
    return 0


def replayed_lines(done: Replayed) -> list[Text]:
    """A part of a run has no event count; events belong to the whole run."""
    named = f": {done.part}" if done.part else ""
    counts = [
        *([count(done.events, "event")] if done.events else []),
        count(done.harnesses, "harness", "harnesses"),
        count(done.trajectories, "trajectory", "trajectories"),
        *([count(done.calls, "recorded call")] if done.calls else []),
    ]
    return [
        line(("✓ ", "green"), f"{done.run}{named} is identical: {WORDS[done.level]}"),
        line("  " + ", ".join(counts)),
        line(f"  journal head {done.head}"),
    ]


def drop_lines(found: Sequence[ScoreDrop], paid: int, recorded: int, *, is_testbed: bool) -> list[Text]:
    lines = [text for each in found for text in _lines_of_drop(each)]
    calls = f"  {count(paid, 'fresh call')}"
    lines.append(line(calls + (f", {recorded:,} cached from an earlier live replay" if recorded else "")))
    if is_testbed:
        lines.append(line(("  Measured with " + TESTBED_MODELS + ".", "yellow")))
    return lines


def _lines_of_drop(each: ScoreDrop) -> list[Text]:
    stopped = ", stopped early" if each.is_stopped else ""
    papers = f"{count(each.papers, 'paper')} × {count(each.replicates, 'replicate')}"
    low, high = (100 * end for end in each.interval)
    points = 100 * float(each.drop)
    change = f"{abs(points):.1f} points {'lower' if points > 0 else 'higher'}" if points else "the same"
    verdict = "" if each.is_shown else ": consistent with no drop"
    interval = f"95% CI {low:+.1f} to {high:+.1f}"
    kind = "paired by paper" if each.papers > 1 else "one paper, independent samples"
    lines = [
        line((f"{each.harness_id:<6}", "bold"), f"  recorded  {each.old}{stopped}"),
        line(f"{'':<6}  fresh     {each.new}, {papers}"),
        line(f"{'':<6}            fresh score is {change} (drop: {interval}){verdict}; {kind}"),
    ]
    if each.expected is not None:
        told = f"expected {100 * float(each.expected):.1f}%: the recorded score shrunk toward the seed's"
        lines.append(line((f"{'':<6}            {told}", "dim")))
    return lines


@command(
    "studbook verify quickstart-1",
    RUN,
    flag(
        "--expect",
        metavar="HEAD_HASH",
        help="the published head hash of the journal: detects a consistently rewritten folder",
    ),
    PAPERS,
    PLUGINS,
    RUNS,
)
def verify(options: Namespace, terminal: Terminal) -> int:
    if options.expect is not None and not HASH.match(options.expect):
        raise UsageError("--expect takes the 64 hexadecimal digits that `studbook verify` prints as head")
    with plugging(options.plugins):
        done = verify_run(
            _find(options.run, Path(options.runs_dir)),
            options.expect,
            Path(options.papers) if options.papers else None,
        )
    if terminal.wants_json:
        terminal.json({"schema": 1, **_verified_json(done)})
    else:
        terminal.result(verified_lines(done))
    return 0 if done.findings.is_clean else 1


def _find(name: str, runs_dir: Path) -> RunFolder:
    """Also finds a run whose journal is missing: that is damage, not a wrong name."""
    try:
        return locate_run(name, runs_dir)
    except RevisionError:
        for path in (runs_dir / name, Path(name)):
            folder = RunFolder(path)
            if folder.lineage.exists() or folder.trajectories.exists():
                return folder
        raise


def _verified_json(done: Verified) -> dict[str, object]:
    findings = done.findings
    return {
        "run": done.run,
        "is_clean": findings.is_clean,
        "head": done.head,
        "is_running": done.is_running,
        "checked": dict(sorted(findings.checked.items())),
        "faults": findings.faults,
        "notes": findings.notes,
        "not_checked": dict(NOT_CHECKED),
    }


def verified_lines(done: Verified) -> Iterator[Text]:
    findings = done.findings
    if findings.is_clean:
        yield line(("✓ ", "green"), (f"{done.run} verified: all records agree", "bold"))
    else:
        faults = count(len(findings.faults), "fault")
        yield line(("✗ ", "bold red"), (f"{done.run} has {faults}: changed or damaged", "bold"))
    for fault in findings.faults:
        yield line(
            ("  ✗ ", "red"), (clean_line(fault.place, WIDTH), "bold"), ": ", clean_line(fault.problem, WIDTH)
        )
        for name, text in (("expected", fault.expected), ("found", fault.found)):
            if text:
                yield line(f"      {name + ':':<10}", clean_line(text, WIDTH))
    checked = ", ".join(_counted(name, number) for name, number in sorted(findings.checked.items()))
    yield line("  checked: ", checked or "nothing")
    for note in findings.notes:
        yield line("  note: ", clean_line(note, WIDTH))
    yield line("  journal head ", done.head or "none")
    yield from _limits(done)


def _counted(name: str, number: int) -> str:
    """Like 1 decision, 2 decisions; `name` is a plural."""
    singular = {"harnesses": "harness"}.get(
        name, re.sub("ies$", "y", name) if name.endswith("ies") else name[:-1]
    )
    return f"{number:,} {name if number != 1 else singular}"


def _limits(done: Verified) -> Iterator[Text]:
    yield line("  not covered:")
    for what, why in NOT_CHECKED.items():
        yield line(f"    {what}: {why}")
    yield line(
        "    a consistently rewritten folder cannot be detected from inside: publish the head hash; "
        "readers then run"
    )
    yield line(f"      studbook verify {shlex.quote(done.run)} --expect {done.head or 'HEAD_HASH'}")
