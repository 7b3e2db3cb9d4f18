"""The command verify: everything a run wrote, checked against everything else it wrote.

What `studbook verify` found, as lines for people. What a run's files say is hostile and is cleaned.
"""

import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from studbook.errors import RevisionError, UsageError
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.run.opening import find_run
from studbook.experiments.verifying import NOT_CHECKED, Verified, verify
from studbook.experiments.views.lines import line
from studbook.experiments.views.text import clean_line, count
from studbook.populations.layout import RunFolder

PLURALS = {"trajectories": "trajectory", "harnesses": "harness"}
WIDTH = 220


def verified_lines(done: Verified) -> Iterator[Text]:
    findings = done.findings
    if findings.is_clean:
        yield line(("✓ ", "green"), (f"{done.run} is whole: everything in it says the same", "bold"))
    else:
        faults = count(len(findings.faults), "fault")
        yield line(("✗ ", "bold red"), (f"{done.run} was changed or damaged: {faults}", "bold"))
    for fault in findings.faults:
        yield line(
            ("  ✗ ", "red"), (clean_line(fault.place, WIDTH), "bold"), ": ", clean_line(fault.problem, WIDTH)
        )
        for name, text in (("expected", fault.expected), ("found", fault.found)):
            if text:
                yield line(f"      {name + ':':<10}", clean_line(text, WIDTH))
    checked = ", ".join(f"{number:,} {name}" for name, number in sorted(findings.checked.items()))
    yield line("  checked: ", checked or "nothing")
    for note in findings.notes:
        yield line("  note: ", clean_line(note, WIDTH))
    yield line("  journal head ", done.head or "none")
    yield from _limits(done)


def _limits(done: Verified) -> Iterator[Text]:
    yield line("  not covered:")
    for what, why in NOT_CHECKED.items():
        yield line(f"    {what}: {why}")
    yield line(
        "    a folder rewritten as a whole, in agreement with itself: publish the head above; who has it runs"
    )
    yield line(f"      studbook verify {done.run} --expect {done.head or 'HEAD_HASH'}")


HASH = re.compile(r"[0-9a-f]{64}\Z")


def verify_command(options: Namespace, terminal: Terminal) -> int:
    if options.expect is not None and not HASH.match(options.expect):
        raise UsageError("--expect takes the 64 hexadecimal digits that `studbook verify` prints as head")
    done = verify(_find(options.run, Path(options.runs_dir)), options.expect)
    if terminal.wants_json:
        terminal.json({"schema": 1, **_json(done)})
    else:
        terminal.result(verified_lines(done))
    return 0 if done.findings.is_clean else 1


def _find(name: str, runs_dir: Path) -> RunFolder:
    """Also a run whose journal is gone: that is a fault, not a wrong name."""
    try:
        return find_run(name, runs_dir)
    except RevisionError:
        for path in (runs_dir / name, Path(name)):
            folder = RunFolder(path)
            if folder.lineage.exists() or folder.trajectories.exists():
                return folder
        raise


def _json(done: Verified) -> dict[str, object]:
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
