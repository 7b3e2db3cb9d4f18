import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import CorpusError
from studbook.evaluate.papers import SplitSizes, draw_splits, listed_splits, make_paper

PAPERS = tuple(make_paper(f"paper number {n}", f"{n}.md") for n in range(30))
SIZES = SplitSizes(train=10, validation=6, test=5)


def test_the_splits_have_their_sizes_and_share_no_paper():
    splits = draw_splits(PAPERS, SIZES, seed=1)
    ids = splits.paper_ids()
    assert {name: len(found) for name, found in ids.items()} == {"train": 10, "validation": 6, "test": 5}
    assert len({paper_id for found in ids.values() for paper_id in found}) == 21


@given(st.permutations(PAPERS), st.integers(0, 5))
def test_the_order_of_files_changes_nothing(order, seed):
    assert draw_splits(order, SIZES, seed) == draw_splits(PAPERS, SIZES, seed)


def test_another_seed_draws_other_splits():
    assert draw_splits(PAPERS, SIZES, 1).paper_ids() != draw_splits(PAPERS, SIZES, 2).paper_ids()


@given(
    st.sets(st.sampled_from(PAPERS), min_size=3),
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    st.integers(0, 99),
)
def test_splits_are_disjoint_or_refused(papers, sizes, seed):
    wanted = SplitSizes(train=sizes[0], validation=sizes[1], test=sizes[2])
    if wanted.total > len(papers):
        with pytest.raises(CorpusError):
            draw_splits(list(papers), wanted, seed)
        return
    drawn = [each for found in draw_splits(list(papers), wanted, seed).paper_ids().values() for each in found]
    assert len(drawn) == len(set(drawn)) == wanted.total


def test_too_few_papers_are_refused_with_the_numbers():
    with pytest.raises(CorpusError) as caught:
        draw_splits(PAPERS[:20], SIZES, seed=1)
    assert str(caught.value) == (
        "the splits need 21 papers (10 train + 6 validation + 5 test), and the corpus has 20.\n"
        "Add papers, or make the splits smaller."
    )


def test_a_paper_twice_in_the_corpus_counts_once():
    with pytest.raises(CorpusError, match="has 20"):
        draw_splits(PAPERS[:20] + PAPERS[:5], SIZES, seed=1)


def test_listed_splits_are_taken_as_they_are():
    splits = listed_splits({"train": PAPERS[:2], "validation": PAPERS[2:3], "test": PAPERS[5:9]})
    assert (splits.train, splits.validation, splits.test) == (PAPERS[:2], PAPERS[2:3], PAPERS[5:9])


def test_one_paper_in_two_listed_splits_is_refused_by_both_names():
    twin = make_paper("paper  number\n0", "copy-of-0.md")
    with pytest.raises(CorpusError, match=r"0\.md \(train\) and copy-of-0\.md \(test\) have"):
        listed_splits({"train": PAPERS[:2], "validation": PAPERS[2:3], "test": [twin]})
