"""What it takes to measure parts of a recorded run again: its papers, harnesses, sandbox and evaluator.

All that could make the comparison worthless is refused before anything is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluate.contracts import Paper
from evaluate.sandbox.select import StatedSandbox
from experiments.assembly import prepare, read_seed
from experiments.bench import frozen_evaluator
from experiments.opening import OpenedRun
from experiments.parts import Part
from experiments.replay_papers import find_papers
from experiments.spec import Spec
from harnesses.tree import HarnessTree
from studbook.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPart:
    """The caller closes `sandbox`."""

    spec: Spec
    papers: Mapping[str, Paper]
    sandbox: StatedSandbox


def prepare_part(run: OpenedRun, spec: Spec, papers: Path | None) -> PreparedPart:
    """Raises UsageError when papers, sandbox or evaluator are not those of the run."""
    found = find_papers(run, spec, papers)
    _check_evaluator(run, spec)
    prepared = prepare(spec, {}, read_seed(run.folder), is_replay=True, papers=found)
    splits = found.splits
    return PreparedPart(
        spec=prepared.spec,
        papers={each.paper_id: each for each in (*splits.train, *splits.validation, *splits.test)},
        sandbox=prepared.sandbox,
    )


def _check_evaluator(run: OpenedRun, spec: Spec) -> None:
    if frozen_evaluator(spec).evaluator_hash != run.start.evaluator_hash:
        raise UsageError(
            f"run {run.folder.name} was measured by another evaluator: its code, prompts or settings differ\n"
            "  use the version of Studbook that made the run (environment.json names its commit)"
        )


def trees_of(part: Part) -> dict[str, HarnessTree]:
    return {harness_id: part.run.read_tree(harness_id) for harness_id in part.harness_ids}
