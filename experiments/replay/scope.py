"""The scope of a replay: which harnesses and papers of a run, and what is needed to run them again.

A piece is one box of the run: one harness, one paper, one replicate number. `prepare_part` finds papers,
sandbox and evaluator, and refuses everything that would invalidate the comparison. Papers are identified by
content: a folder may have been moved or renamed, but a changed paper is reported as missing. Runs nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import RevisionError, UsageError
from studbook.evaluate.contracts import Paper
from studbook.experiments.run.bench import Origin, frozen_evaluator, origin_of
from studbook.experiments.run.corpus import LoadedPapers, find_recorded_papers, papers_at
from studbook.experiments.run.execute import OpenSandbox, check_version, prepare, read_seed
from studbook.experiments.run.opening import OpenedRun, Target, find_paper
from studbook.experiments.run.plugins import check_plugins
from studbook.experiments.spec.model import Spec
from studbook.harnesses.tree import HarnessTree
from studbook.populations.family import lineage_chain
from studbook.populations.records import PaperResult
from studbook.sandbox.contract import StatedSandbox


def find_papers(run: OpenedRun, spec: Spec, given: Path | None) -> LoadedPapers:
    """Raises CorpusError if a paper of the run is missing."""
    corpus = spec.corpus if given is None else papers_at(spec.corpus, given)
    return find_recorded_papers(corpus, run.start.splits, run.folder.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """`result` names the recorded trajectory."""

    harness_id: str
    result: PaperResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`paper_id` None: all papers. Harnesses are in the order of their lineage."""

    run: OpenedRun
    harness_ids: tuple[str, ...]
    paper_id: str | None


def is_whole(target: Target, paper: str | None, *, alone: bool) -> bool:
    """Whether the target is the run itself, not a part of it."""
    return target.harness_id is None and paper is None and not alone


def choose_part(target: Target, paper: str | None, *, alone: bool) -> Part:
    """A named harness means its lineage back to the seed; with a paper, or `alone`, only itself.

    Raises RevisionError for a harness or paper that the run does not have.
    """
    harness_id = target.get_harness()
    chain = lineage_chain(target.run.population, harness_id) if paper is None and not alone else ()
    return Part(
        run=target.run,
        harness_ids=tuple(mutant.harness_id for mutant in chain) or (harness_id,),
        paper_id=None if paper is None else find_paper(paper, target.run),
    )


def pieces_of(part: Part) -> tuple[Piece, ...]:
    """Each box once, in journal order; raises RevisionError if none was run."""
    found: dict[str, Piece] = {}
    for harness_id, result in _results(part):
        found.setdefault(result.key, Piece(harness_id=harness_id, result=result))
    if not found:
        where = f" on paper {part.paper_id}" if part.paper_id else ""
        names = ", ".join(part.harness_ids)
        raise RevisionError(
            f"{names} was never run{where} in {part.run.folder.name}\n"
            f"  see what was run: studbook show {part.run.folder.name}:{part.harness_ids[-1]}"
        )
    return tuple(found.values())


def _results(part: Part) -> Iterator[tuple[str, PaperResult]]:
    wanted = set(part.harness_ids)
    for event in part.run.evaluations():
        if event.evaluation.harness_id not in wanted:
            continue
        for result in event.evaluation.results:
            if part.paper_id in {None, result.paper_id}:
                yield event.evaluation.harness_id, result


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPart:
    """The caller closes `sandbox`."""

    spec: Spec
    papers: Mapping[str, Paper]
    sandbox: StatedSandbox
    origin: Origin


def prepare_part(run: OpenedRun, spec: Spec, papers: Path | None, open_sandbox: OpenSandbox) -> PreparedPart:
    """Raises UsageError if papers or evaluator are not those of the run, and what `open_sandbox` raises."""
    found = find_papers(run, spec, papers)
    check_evaluator(run, spec)
    prepared = prepare(
        spec, {}, read_seed(run.folder), replayed=run.start, papers=found, open_sandbox=open_sandbox
    )
    splits = found.splits
    return PreparedPart(
        spec=prepared.spec,
        papers={each.paper_id: each for each in (*splits.train, *splits.validation, *splits.test)},
        sandbox=prepared.sandbox,
        origin=prepared.origin,
    )


def check_evaluator(run: OpenedRun, spec: Spec) -> None:
    """Raises UsageError if this version would score differently from the one that made the run."""
    check_version(run.folder.name, run.start)
    check_plugins(run.folder.name, run.start.plugins, spec)
    if frozen_evaluator(spec, origin_of(run.start)).evaluator_hash != run.start.evaluator_hash:
        raise UsageError(
            f"run {run.folder.name} used a different evaluator: its code, prompts or settings differ\n"
            "  use the version of Studbook that made the run (environment.json names its commit)"
        )


def trees_of(part: Part) -> dict[str, HarnessTree]:
    return {harness_id: part.run.read_tree_to_run(harness_id) for harness_id in part.harness_ids}
