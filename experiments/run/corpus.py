"""Turns `corpus:` of a spec into three disjoint sets of papers and a line that says where they come from.

A new run draws its splits; an existing run has its papers by their ids, wherever they are now. Papers that
are too long for the models are left out or shortened before that (`experiments/run/lengths.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import CorpusError
from studbook.evaluate.contracts import Paper, PaperReader
from studbook.evaluate.near_duplicate_papers import find_near_duplicates
from studbook.evaluate.paper_files import Skipped
from studbook.evaluate.papers import Corpus, read_corpus
from studbook.evaluate.readers import READER, SOURCE
from studbook.evaluate.splits import (
    SPLIT_NAMES,
    Groups,
    Splits,
    SplitSizes,
    draw_splits,
    listed_splits,
)
from studbook.experiments.run.lengths import INSTEAD_OF_REFUSING, LongPaper, fit_papers, length_note
from studbook.experiments.run.plugins import find_plugin
from studbook.experiments.spec.model import CorpusSpec
from studbook.experiments.views.text import count


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPapers:
    """`skipped` are files that are not papers, `notes` what to tell the user before the run starts.

    `long` are the papers that were excluded or shortened, `near_duplicates` groups of ids within the splits.
    """

    splits: Splits
    description: str
    skipped: tuple[Skipped, ...] = ()
    long: tuple[LongPaper, ...] = ()
    near_duplicates: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Papers by split, or all of them under `ALL`; only those that fit, long ones shortened if asked.

    `is_generated`: papers made here, which are different ones by construction.
    """

    papers: Mapping[str, tuple[Paper, ...]]
    description: str
    skipped: tuple[Skipped, ...]
    long: tuple[LongPaper, ...]
    is_generated: bool

    def near_duplicates(self) -> Groups:
        every = (paper for papers in self.papers.values() for paper in papers)
        return () if self.is_generated else find_near_duplicates(every)


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
    groups = read.near_duplicates()
    together = groups if spec.near_duplicates == "together" else ()
    if ALL in read.papers:
        splits = _drawn(read, SplitSizes(**spec.splits.model_dump()), run_seed, spec, together)
    else:
        splits = _listed(read, together)
    return _loaded(spec, read, splits, groups)


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
    return _loaded(spec, read, splits, read.near_duplicates())


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
        is_generated=spec.path is None and not spec.train,
    )


def _loaded(spec: CorpusSpec, read: _Read, splits: Splits, groups: Groups) -> LoadedPapers:
    notes = (
        skipped_note(read.skipped),
        near_duplicates_note(groups, splits),
        length_note(read.long, spec.longest_tokens, spec.too_long),
    )
    used = {paper_id for ids in splits.paper_ids().values() for paper_id in ids}
    within = (tuple(paper.paper_id for paper in group if paper.paper_id in used) for group in groups)
    return LoadedPapers(
        splits=splits,
        description=read.description,
        skipped=read.skipped,
        long=read.long,
        near_duplicates=tuple(sorted(tuple(sorted(ids)) for ids in within if len(ids) > 1)),
        notes=tuple(filter(None, notes)),
    )


def _drawn(read: _Read, sizes: SplitSizes, run_seed: int, spec: CorpusSpec, groups: Groups) -> Splits:
    papers = read.papers[ALL]
    try:
        return draw_splits(papers, sizes, run_seed, groups)
    except CorpusError as error:
        problem, _, step = str(error).partition("\n")
        notes = [
            smaller_splits(papers, sizes, run_seed, groups) or step,
            _apart_step(groups),
            skipped_note(read.skipped),
            length_note(read.long, spec.longest_tokens, spec.too_long),
        ]
        raise CorpusError("\n  ".join([problem, *filter(None, notes)])) from error


def _listed(read: _Read, groups: Groups) -> Splits:
    try:
        return listed_splits(read.papers, groups)
    except CorpusError as error:
        step = _apart_step(groups)
        raise CorpusError(f"{error}\n  {step}" if step else str(error)) from error


def _apart_step(groups: Groups) -> str:
    note = near_duplicates_note(groups)
    return f"{note}; if they are different papers: -s corpus.near_duplicates=anywhere" if note else ""


def smaller_splits(papers: Sequence[Paper], sizes: SplitSizes, seed: int, groups: Groups = ()) -> str:
    """The largest splits in the same proportions that these papers fill; "" if there are none."""
    most = min(len({paper.paper_id for paper in papers}), sizes.total - 1)
    for total in range(most, len(SPLIT_NAMES) - 1, -1):
        smaller = _in_proportion(total, sizes)
        try:
            draw_splits(papers, smaller, seed, groups)
        except CorpusError:
            continue
        splits = f"{{train: {smaller.train}, validation: {smaller.validation}, test: {smaller.test}}}"
        return f'add papers, or make the splits smaller: -s "corpus.splits={splits}"'
    return ""


def _in_proportion(total: int, sizes: SplitSizes) -> SplitSizes:
    validation = max(1, total * sizes.validation // sizes.total)
    test = max(1, total * sizes.test // sizes.total)
    return SplitSizes(train=total - validation - test, validation=validation, test=test)


MOST_GROUPS, MOST_NAMES = 2, 3


def near_duplicates_note(groups: Groups, splits: Splits | None = None) -> str:
    """One line for the user, with the split of each group if they are drawn; "" if there are no groups."""
    if not groups:
        return ""
    homes = {} if splits is None else {key: name for name, ids in splits.paper_ids().items() for key in ids}
    shown = "; ".join(group_words(group, homes) for group in groups[:MOST_GROUPS])
    more = f"; and {len(groups) - MOST_GROUPS} more" if len(groups) > MOST_GROUPS else ""
    told = f"{sum(map(len, groups))} papers are near-duplicates ({count(len(groups), 'group')})"
    apart = sum(
        len({homes[each.paper_id] for each in group if each.paper_id in homes}) > 1 for group in groups
    )
    if apart:
        told += f", {count(apart, 'group')} in more than one split"
    elif splits is not None:
        told += ", each group in one split"
    return f"{told}: {shown}{more}"


def group_words(group: Sequence[Paper], homes: Mapping[str, str]) -> str:
    """The names of near-duplicates, and how many are in which split if `homes` says so."""
    names = ", ".join(paper.source for paper in group[:MOST_NAMES])
    more = f" and {len(group) - MOST_NAMES} more" if len(group) > MOST_NAMES else ""
    if not homes:
        return names + more
    places = Counter(homes.get(paper.paper_id, "") for paper in group)
    told = ", ".join(
        f"{number} in {name}" if name else f"{number} not drawn" for name, number in places.items()
    )
    return f"{names}{more} ({told})"


def skipped_note(skipped: tuple[Skipped, ...]) -> str:
    """One line for the user; "" if nothing was skipped."""
    if not skipped:
        return ""
    shown = "; ".join(f"{each.source}: {each.reason}" for each in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{count(len(skipped), 'file')} skipped: {shown}{more}"
