"""Which part of a run a replay is about: some harnesses, perhaps one paper of them, as the journal has them.

A piece is one box that was run: one harness, one paper, one replicate number. Runs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.opening import OpenedRun, Target, find_paper
from populations.family import lineage_chain
from populations.records import PaperResult
from studbook.errors import RevisionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """`result` names the trajectory that was recorded."""

    harness_id: str
    result: PaperResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`paper_id` None: all papers. Harnesses are in the order of their lineage."""

    run: OpenedRun
    harness_ids: tuple[str, ...]
    paper_id: str | None


def is_whole(target: Target, paper: str | None, *, alone: bool) -> bool:
    """Whether the run itself was named, and no part of it."""
    return target.harness_id is None and paper is None and not alone


def choose_part(target: Target, paper: str | None, *, alone: bool) -> Part:
    """A named harness stands for its lineage, to the seed; with a paper, or `alone`, for itself.

    Raises RevisionError for what the run does not have.
    """
    harness_id = target.get_harness()
    chain = lineage_chain(target.run.population, harness_id) if paper is None and not alone else ()
    return Part(
        run=target.run,
        harness_ids=tuple(mutant.harness_id for mutant in chain) or (harness_id,),
        paper_id=None if paper is None else find_paper(paper, target.run),
    )


def pieces_of(part: Part) -> tuple[Piece, ...]:
    """Each box once, in the order of the journal; raises RevisionError when none was run."""
    found: dict[str, Piece] = {}
    for harness_id, result in _results(part):
        found.setdefault(result.key, Piece(harness_id=harness_id, result=result))
    if not found:
        where = f" on paper {part.paper_id}" if part.paper_id else ""
        names = ", ".join(part.harness_ids)
        raise RevisionError(
            f"{names} was never run{where} in {part.run.folder.name}\n"
            f"  see what was: studbook show {part.run.folder.name}:{part.harness_ids[-1]}"
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
