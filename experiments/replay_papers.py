"""The papers of a recorded run, found again: where its spec says, or where the user says they are now.

A run names papers by their content, so a folder that was moved or renamed serves as well; a paper that was
changed is another paper, and is told as missing.
"""

from pathlib import Path

from evaluate.contracts import Paper
from evaluate.papers import read_corpus
from evaluate.splits import SPLIT_NAMES, Splits
from experiments.corpus import LoadedPapers, load_papers
from experiments.opening import OpenedRun
from experiments.spec import Spec
from studbook.errors import CorpusError


def find_papers(run: OpenedRun, spec: Spec, given: Path | None) -> LoadedPapers:
    """Raises CorpusError when one of the run's papers is not there."""
    if given is not None:
        return _chosen(run, {paper.paper_id: paper for paper in read_corpus(given).papers}, str(given))
    try:
        loaded = load_papers(spec.corpus, spec.seed)
    except CorpusError as error:
        told = str(error).splitlines()[0]
        raise CorpusError(
            f"the papers of run {run.folder.name} are not at hand: {told}\n"
            "  a run folder does not hold papers; say where they are: --papers PATH"
        ) from error
    every = (*loaded.splits.train, *loaded.splits.validation, *loaded.splits.test)
    return _chosen(run, {paper.paper_id: paper for paper in every}, loaded.description)


def _chosen(run: OpenedRun, papers: dict[str, Paper], place: str) -> LoadedPapers:
    wanted = run.start.splits
    missing = [paper for split in wanted.values() for paper in split if paper not in papers]
    if missing:
        raise CorpusError(
            f"{len(missing)} papers of run {run.folder.name} are not in {place}: {', '.join(missing[:4])}\n"
            "  they are known by their content: give the same texts, with --papers PATH"
        )
    splits = Splits(**{name: tuple(papers[each] for each in wanted[name]) for name in SPLIT_NAMES})
    return LoadedPapers(splits=splits, description=place)
