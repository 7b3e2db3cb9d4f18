"""A run of an earlier version of Studbook: it cannot be continued, is told so plainly, and can be read."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.births import clock
from support.made_runs import copy_run, shared_run
from support.studbook_cli import studbook

from studbook.populations.events import RunStarted
from studbook.populations.journal import Journal, JournalReader

EARLIER = "✗ error: run trial was started by an earlier version of Studbook, whose evaluator differs"


@pytest.fixture
def earlier(tmp_path, tmp_path_factory) -> Path:
    """A run as versions left it that did not write down what its boxes were made of."""
    run = copy_run(shared_run(tmp_path_factory), tmp_path / "runs" / "trial")
    events = [entry.event for entry in JournalReader(run.journal)]
    run.journal.unlink()
    with Journal(run.journal, clock=clock, holder="a test") as journal:
        for event in events:
            if isinstance(event, RunStarted):
                event = replace(event, evaluator_hash="0" * 64, sandbox_fingerprint="", harness_roles=())
            journal.append((event,))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("resume", "trial"),
        ("resume", "trial", "-s", "search.iterations=9"),
        ("replay", "trial", "--level", "recorded"),
        ("replay", "trial:seed", "--level", "recorded"),
        ("replay", "trial", "--level", "live"),
    ],
    ids=" ".join,
)
def test_it_is_refused_with_what_can_still_be_done(earlier, command):
    done = studbook(*command, cwd=earlier)
    assert done.returncode == 2
    assert EARLIER in done.stderr
    assert "it can still be read: studbook show, tree, lineage, diff, report" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("ls",),
        ("show", "trial"),
        ("show", "trial:seed"),
        ("tree", "trial"),
        ("lineage", "trial:best"),
        ("diff", "trial:seed", "trial:best"),
        ("report", "trial"),
        ("export", "trial:best", "best"),
        ("replay", "trial", "--level", "fold"),
    ],
    ids=" ".join,
)
def test_it_is_read(earlier, command):
    done = studbook(*command, cwd=earlier)
    assert done.returncode == 0, done.stderr
