"""The command verify: everything a run wrote, checked against everything else it wrote."""

import re
from argparse import Namespace
from pathlib import Path

from experiments.console import Terminal
from experiments.runs import find_run
from experiments.verifying import NOT_CHECKED, Verified, verify
from experiments.verifying_lines import verified_lines
from populations.layout import RunFolder
from studbook.errors import RevisionError, UsageError

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
