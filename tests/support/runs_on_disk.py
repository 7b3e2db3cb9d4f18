"""Run folders without a run: journal, lineage and spec of made-up events, as a real run leaves them."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from support.births import clock

from studbook.experiments.spec.loading import load_spec, write_resolved
from studbook.populations.events import Event, MutantMade
from studbook.populations.journal import Journal
from studbook.populations.lineage import Lineage
from studbook.populations.records import Mutant
from studbook.populations.storage import RunFolder


def write_run(root: Path, events: Iterable[Event]) -> RunFolder:
    """Each mutant's files are one prompt that says its hypothesis."""
    root.parent.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(root)
    root.mkdir()
    folder.create()
    folder.spec.write_text(write_resolved(load_spec(None)), encoding="utf-8")
    commits: dict[str, str] = {}
    with (
        Lineage(folder.lineage) as lineage,
        Journal(folder.journal, clock=clock, holder="a test") as journal,
    ):
        for event in events:
            if isinstance(event, MutantMade):
                event = replace(event, mutant=_committed(lineage, event.mutant, commits))
            journal.append((event,))
    return folder


def _committed(lineage: Lineage, mutant: Mutant, commits: dict[str, str]) -> Mutant:
    commit = lineage.add(
        mutant.harness_id,
        {"prompts/task.md": f"{mutant.hypothesis}\n".encode()},
        parent_commit=commits.get(mutant.parent_id or ""),
        iteration=mutant.iteration,
        hypothesis=mutant.hypothesis,
        run_name="trial",
        kind=mutant.kind,
    )
    commits[mutant.harness_id] = commit
    return replace(mutant, commit=commit)
