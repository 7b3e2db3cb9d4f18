"""Splits that a corpus is too small for: the error names some that fit, and they do fit."""

import pytest
import yaml

from studbook.errors import CorpusError
from studbook.evaluate.papers import SplitSizes
from studbook.experiments.run.corpus import load_papers, smaller_splits
from studbook.experiments.spec.model import CorpusSpec


@pytest.mark.parametrize(
    ("papers", "sizes"), [(3, (1, 1, 1)), (7, (5, 1, 1)), (20, (10, 5, 5)), (99, (51, 24, 24))]
)
def test_smaller_splits_use_all_papers_in_about_the_same_proportions(papers, sizes):
    train, validation, test = sizes
    splits = f"{{train: {train}, validation: {validation}, test: {test}}}"
    assert smaller_splits(papers, SplitSizes(train=50, validation=25, test=25)) == (
        f'add papers, or make the splits smaller: -s "corpus.splits={splits}"'
    )


def test_two_papers_fit_no_splits():
    assert smaller_splits(2, SplitSizes(train=50, validation=25, test=25)) == ""


def test_the_suggestion_of_the_error_works(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.md").write_text(f"# Paper {number}\n\n" + f"Finding {number} is new. " * 200)
    with pytest.raises(CorpusError, match="the splits need 100 papers") as caught:
        load_papers(CorpusSpec(path=tmp_path.as_posix()), 1)
    given = str(caught.value).partition('"corpus.splits=')[2].partition('"')[0]
    loaded = load_papers(CorpusSpec(path=tmp_path.as_posix(), splits=yaml.safe_load(given)), 1)
    assert sum(len(ids) for ids in loaded.splits.paper_ids().values()) == 6
