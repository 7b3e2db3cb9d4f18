"""Splits depend on the contents of papers alone, share no paper, and no near-duplicates either."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import CorpusError
from studbook.evaluate.papers import make_paper
from studbook.evaluate.splits import SPLIT_NAMES, SplitSizes, draw_splits, listed_splits
from studbook.identity import hash_json

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


def test_near_duplicates_in_two_listed_splits_are_refused_by_both_names():
    with pytest.raises(CorpusError, match=r"0\.md \(train\) and 5\.md \(test\) are versions of one text"):
        listed_splits(
            {"train": PAPERS[:2], "validation": PAPERS[2:3], "test": PAPERS[5:6]},
            [PAPERS[:2], (PAPERS[0], PAPERS[5])],
        )


def test_near_duplicates_in_one_listed_split_are_the_users_choice():
    listed = {"train": PAPERS[:2], "validation": PAPERS[2:3], "test": PAPERS[5:6]}
    assert listed_splits(listed, [PAPERS[:2]]) == listed_splits(listed)


def homes(splits):
    return {key: name for name, ids in splits.paper_ids().items() for key in ids}


@st.composite
def groupings(draw):
    """Papers cut into groups at random; only those of two or more are given."""
    order = draw(st.permutations(PAPERS))
    sizes = draw(st.lists(st.integers(1, 6), max_size=30))
    groups, start = [], 0
    for size in sizes:
        groups.append(order[start : start + size])
        start += size
    return [group for group in groups if len(group) > 1]


@given(groupings(), st.integers(0, 9))
def test_near_duplicates_are_in_one_split_or_in_none(groups, seed):
    sizes = SplitSizes(train=8, validation=5, test=4)
    try:
        splits = draw_splits(PAPERS, sizes, seed, groups)
    except CorpusError as error:
        assert "near-duplicates stay in one split" in str(error)
        return
    home = homes(splits)
    assert len(home) == sizes.total
    assert {name: len(ids) for name, ids in splits.paper_ids().items()} == {
        "train": 8,
        "validation": 5,
        "test": 4,
    }
    for group in groups:
        assert len({home[each.paper_id] for each in group if each.paper_id in home}) <= 1


@given(st.sets(st.sampled_from(PAPERS), min_size=21), st.integers(0, 99))
def test_without_near_duplicates_a_split_is_the_order_of_hashes_cut_twice(papers, seed):
    """What every run before this rule drew, and its lineage rests on."""
    order = sorted((each.paper_id for each in papers), key=lambda key: hash_json(["split", seed, key]))
    ids = draw_splits(list(papers), SIZES, seed).paper_ids()
    assert ids == {"train": tuple(order[:10]), "validation": tuple(order[10:16]), "test": tuple(order[16:21])}


def test_one_group_moves_as_little_as_it_can():
    before = draw_splits(PAPERS, SIZES, seed=1)
    pair = (before.train[0], before.test[0])
    after = draw_splits(PAPERS, SIZES, 1, [pair])
    assert {homes(after)[each.paper_id] for each in pair} == {"train"}
    assert len(set(after.train) & set(before.train)) == 9  # one made room
    assert set(before.train) - set(after.train) <= set(after.validation)


def test_papers_are_in_the_order_of_their_hashes_within_a_split():
    groups = [PAPERS[:3], PAPERS[10:14]]
    splits = draw_splits(PAPERS, SIZES, 1, groups)
    for name in SPLIT_NAMES:
        ids = splits.paper_ids()[name]
        assert list(ids) == sorted(ids, key=lambda key: hash_json(["split", 1, key]))


def test_a_group_goes_where_it_fits_whole():
    papers = PAPERS[:6]
    sizes = SplitSizes(train=1, validation=4, test=1)
    for seed in range(20):
        splits = draw_splits(papers, sizes, seed, [papers[:4]])
        assert set(splits.validation) == set(papers[:4])


def test_of_a_group_larger_than_a_split_the_rest_is_not_drawn():
    group = PAPERS[:9]
    splits = draw_splits(PAPERS[:12], SplitSizes(train=2, validation=1, test=1), 1, [group])
    assert len([each for each in group if each.paper_id in homes(splits)]) <= 2


def test_versions_of_one_paper_fill_no_splits():
    with pytest.raises(CorpusError) as caught:
        draw_splits(PAPERS[:3], SplitSizes(train=1, validation=1, test=1), 1, [PAPERS[:3]])
    assert str(caught.value) == (
        "the splits need 3 papers (1 train + 1 validation + 1 test), and the corpus has 3, of which 1 fit: "
        "near-duplicates stay in one split.\nAdd papers, or make the splits smaller."
    )
