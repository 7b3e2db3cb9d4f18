"""Turns `corpus:` of a spec into three disjoint sets of papers and a line that says where they come from.

A new run draws its splits; an existing run has its papers by their ids, wherever they are now. Papers that
are too long for the models are left out or shortened before that (`experiments/run/lengths.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import CorpusError
from studbook.evaluate.contracts import Paper, PaperReader
from studbook.evaluate.papers import (
    SPLIT_NAMES,
    Corpus,
    Skipped,
    Splits,
    SplitSizes,
    draw_splits,
    listed_splits,
    read_corpus,
)
from studbook.evaluate.readers import READER, SOURCE
from studbook.experiments.run.lengths import INSTEAD_OF_REFUSING, LongPaper, fit_papers, length_note
from studbook.experiments.run.plugins import find_plugin
from studbook.experiments.spec.model import CorpusSpec
from studbook.experiments.views.text import count


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPapers:
    """`skipped` are files that are not papers, `notes` what to tell the user before the run starts.

    `long` are the papers that were excluded or shortened.
    """

    splits: Splits
    description: str
    skipped: tuple[Skipped, ...] = ()
    long: tuple[LongPaper, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Papers by split, or all of them under `ALL`; only those that fit, long ones shortened if asked."""

    papers: Mapping[str, tuple[Paper, ...]]
    description: str
    skipped: tuple[Skipped, ...]
    long: tuple[LongPaper, ...]


ALL = "all"


def load_papers(spec: CorpusSpec, run_seed: int) -> LoadedPapers:
    """Draws the splits of a new run.

    Raises CorpusError if papers are too few, unreadable, in two splits, or too long and to be refused.
    """
    read = _read(spec)
    if spec.too_long == "refuse" and read.long:
        raise CorpusError(
            f"{length_note(read.long, spec.longest_tokens, spec.too_long)}\n  {INSTEAD_OF_REFUSING}"
        )
    if ALL in read.papers:
        splits = _drawn(read, SplitSizes(**spec.splits.model_dump()), run_seed, spec)
    else:
        splits = listed_splits(read.papers)
    return _loaded(spec, read, splits)


def find_recorded_papers(
    spec: CorpusSpec, recorded: Mapping[str, tuple[str, ...]], run_name: str
) -> LoadedPapers:
    """The papers of an existing run, by their ids; other papers beside them do not matter.

    Raises CorpusError if one is missing.
    """
    try:
        read = _read(spec)
    except CorpusError as error:
        told = str(error).splitlines()[0]
        raise CorpusError(
            f"the papers of run {run_name} were not found: {told}\n"
            "  a run folder does not contain papers; say where they are: --papers PATH"
        ) from error
    known = {paper.paper_id: paper for papers in read.papers.values() for paper in papers}
    missing = [paper for split in recorded.values() for paper in split if paper not in known]
    if missing:
        raise CorpusError(
            f"{count(len(missing), 'paper')} of run {run_name} {'is' if len(missing) == 1 else 'are'} not in "
            f"{read.description}: {', '.join(missing[:4])}\n"
            "  papers are identified by content: give a folder with the same texts, with --papers PATH"
        )
    splits = Splits(**{name: tuple(known[each] for each in recorded[name]) for name in SPLIT_NAMES})
    return _loaded(spec, read, splits)


def papers_at(spec: CorpusSpec, path: Path) -> CorpusSpec:
    """The same papers, all in one folder or file."""
    places = {"path": str(path), "train": None, "validation": None, "test": None}
    return spec.model_copy(update=places)


def readers_of(spec: CorpusSpec) -> list[PaperReader]:
    """In the order of the spec: the first one that accepts a file's name reads the file."""
    return [READER.build(find_plugin(READER, choice)) for choice in spec.readers]


def _read(spec: CorpusSpec) -> _Read:
    if spec.train and spec.validation and spec.test:
        corpora = {name: read_corpus(Path(getattr(spec, name)), readers_of(spec)) for name in SPLIT_NAMES}
        description = "papers split by folder"
    elif spec.path is not None:
        corpora = {ALL: read_corpus(Path(spec.path), readers_of(spec))}
        description = f"{count(len(corpora[ALL].papers), 'paper')} in {Path(spec.path).name}"
    else:
        number = spec.synthetic.count or spec.splits.total
        papers = SOURCE.build(SOURCE.find("synthetic")).papers(number, spec.synthetic.seed)
        corpora = {ALL: Corpus(papers=tuple(papers), skipped=())}
        description = f"{count(number, 'synthetic paper')} (generated, not real research)"
    fitted = {
        name: fit_papers(corpus.papers, spec.longest_tokens, shorten=spec.too_long == "shorten")
        for name, corpus in corpora.items()
    }
    return _Read(
        papers={name: each.papers for name, each in fitted.items()},
        description=description,
        skipped=tuple(each for corpus in corpora.values() for each in corpus.skipped),
        long=tuple(each for fit in fitted.values() for each in fit.long),
    )


def _loaded(spec: CorpusSpec, read: _Read, splits: Splits) -> LoadedPapers:
    note = length_note(read.long, spec.longest_tokens, spec.too_long)
    notes = tuple(filter(None, (skipped_note(read.skipped), note)))
    return LoadedPapers(
        splits=splits, description=read.description, skipped=read.skipped, long=read.long, notes=notes
    )


def _drawn(read: _Read, sizes: SplitSizes, run_seed: int, spec: CorpusSpec) -> Splits:
    papers = read.papers[ALL]
    try:
        return draw_splits(papers, sizes, run_seed)
    except CorpusError as error:
        problem, _, step = str(error).partition("\n")
        notes = [
            smaller_splits(len({each.paper_id for each in papers}), sizes) or step,
            skipped_note(read.skipped),
            length_note(read.long, spec.longest_tokens, spec.too_long),
        ]
        raise CorpusError("\n  ".join([problem, *filter(None, notes)])) from error


def smaller_splits(papers: int, sizes: SplitSizes) -> str:
    """Splits in the same proportions that this many papers are enough for; "" for fewer than three."""
    if papers < len(SPLIT_NAMES):
        return ""
    validation = max(1, papers * sizes.validation // sizes.total)
    test = max(1, papers * sizes.test // sizes.total)
    sizes = SplitSizes(train=papers - validation - test, validation=validation, test=test)
    splits = f"{{train: {sizes.train}, validation: {validation}, test: {test}}}"
    return f'add papers, or make the splits smaller: -s "corpus.splits={splits}"'


def skipped_note(skipped: tuple[Skipped, ...]) -> str:
    """One line for the user; "" if nothing was skipped."""
    if not skipped:
        return ""
    shown = "; ".join(f"{each.source}: {each.reason}" for each in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{count(len(skipped), 'file')} skipped: {shown}{more}"
