"""Turns `corpus:` of a spec into three disjoint sets of papers and a line that says where they come from."""

from dataclasses import dataclass
from pathlib import Path

from studbook.errors import CorpusError
from studbook.evaluate.contracts import PaperReader
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
from studbook.experiments.run.plugins import find_plugin
from studbook.experiments.spec.model import CorpusSpec
from studbook.experiments.views.text import count


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPapers:
    """`skipped` are files that are not papers; they are counted and shown before a run starts."""

    splits: Splits
    description: str
    skipped: tuple[Skipped, ...] = ()


def load_papers(spec: CorpusSpec, run_seed: int) -> LoadedPapers:
    """Raises CorpusError if papers are too few, unreadable, or in two splits."""
    sizes = SplitSizes(**spec.splits.model_dump())
    if spec.train and spec.validation and spec.test:
        return _listed(spec)
    if spec.path is not None:
        corpus = read_corpus(Path(spec.path), readers_of(spec))
        splits = _drawn(corpus, sizes, run_seed)
        return LoadedPapers(splits=splits, description=_described(spec.path, corpus), skipped=corpus.skipped)
    number = spec.synthetic.count or sizes.total
    papers = SOURCE.build(SOURCE.find("synthetic")).papers(number, spec.synthetic.seed)
    return LoadedPapers(
        splits=draw_splits(papers, sizes, run_seed),
        description=f"{count(number, 'synthetic paper')} (generated, not real research)",
    )


def readers_of(spec: CorpusSpec) -> list[PaperReader]:
    """In the order of the spec: the first one that accepts a file's name reads the file."""
    return [READER.build(find_plugin(READER, choice)) for choice in spec.readers]


def _drawn(corpus: Corpus, sizes: SplitSizes, run_seed: int) -> Splits:
    try:
        return draw_splits(corpus.papers, sizes, run_seed)
    except CorpusError as error:
        problem, _, step = str(error).partition("\n")
        notes = [smaller_splits(len(corpus.papers), sizes) or step, skipped_note(corpus.skipped)]
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


def _listed(spec: CorpusSpec) -> LoadedPapers:
    """The user's own splits: their sizes are the numbers of papers in the folders."""
    corpora = {name: read_corpus(Path(getattr(spec, name)), readers_of(spec)) for name in SPLIT_NAMES}
    return LoadedPapers(
        splits=listed_splits({name: corpus.papers for name, corpus in corpora.items()}),
        description="papers split by folder",
        skipped=tuple(each for corpus in corpora.values() for each in corpus.skipped),
    )


def _described(path: str, corpus: Corpus) -> str:
    return f"{count(len(corpus.papers), 'paper')} in {Path(path).name}"
