"""Papers become splits: near-duplicates in one of them, and told; what fits instead of splits too large."""

import pytest
import yaml

from studbook.errors import CorpusError
from studbook.evaluate.papers import make_paper
from studbook.evaluate.splits import SplitSizes
from studbook.experiments.run.corpus import find_recorded_papers, load_papers, smaller_splits
from studbook.experiments.spec.model import CorpusSpec


@pytest.mark.parametrize(
    ("papers", "sizes"), [(3, (1, 1, 1)), (7, (5, 1, 1)), (20, (10, 5, 5)), (99, (51, 24, 24))]
)
def test_smaller_splits_use_all_papers_in_about_the_same_proportions(papers, sizes):
    train, validation, test = sizes
    splits = f"{{train: {train}, validation: {validation}, test: {test}}}"
    given = [make_paper(f"paper {number}", f"{number}.md") for number in range(papers)]
    assert smaller_splits(given, SplitSizes(train=50, validation=25, test=25), 1) == (
        f'add papers, or make the splits smaller: -s "corpus.splits={splits}"'
    )


def test_two_papers_fit_no_splits():
    given = [make_paper(text, "x.md") for text in "ab"]
    assert smaller_splits(given, SplitSizes(train=50, validation=25, test=25), 1) == ""


def test_the_suggestion_of_the_error_works(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.md").write_text(f"# Paper {number}\n\n" + f"Finding {number} is new. " * 200)
    with pytest.raises(CorpusError, match="the splits need 100 papers") as caught:
        load_papers(CorpusSpec(path=tmp_path.as_posix()), 1)
    given = str(caught.value).partition('"corpus.splits=')[2].partition('"')[0]
    loaded = load_papers(CorpusSpec(path=tmp_path.as_posix(), splits=yaml.safe_load(given)), 1)
    assert sum(len(ids) for ids in loaded.splits.paper_ids().values()) == 6


def write(folder, name, number, more=""):
    text = " ".join(f"Finding {number} at step {step} is new." for step in range(200))
    (folder / name).write_text(f"# Paper {number}\n\n{text}{more}")


@pytest.fixture
def versions(tmp_path):
    """Three versions of one paper, and five others."""
    for version in (1, 2, 3):
        write(tmp_path, f"a-v{version}.md", 0, f"\n\nVersion {version}.")
    for number in range(1, 6):
        write(tmp_path, f"other-{number}.md", number)
    return tmp_path


def spec_of(folder, **splits):
    return CorpusSpec(path=folder.as_posix(), splits=splits)


def test_versions_of_one_paper_are_in_one_split_and_told(versions):
    for seed in range(6):
        loaded = load_papers(spec_of(versions, train=3, validation=3, test=2), seed)
        (group,) = loaded.near_duplicates
        assert len(group) == 3
        (home,) = [name for name, ids in loaded.splits.paper_ids().items() if set(ids) & set(group)]
        (note,) = loaded.notes
        assert note == (
            "3 papers are near-duplicates (1 group), each group in one split: "
            f"a-v1.md, a-v2.md, a-v3.md (3 in {home})"
        )


def test_only_what_is_drawn_is_recorded(versions):
    loaded = load_papers(spec_of(versions, train=1, validation=1, test=1), 1)
    assert len(set(loaded.near_duplicates)) == 0
    assert "not drawn" in loaded.notes[0]


def test_splits_that_near_duplicates_leave_no_papers_for_come_with_some_that_work(versions):
    for number in (4, 5):
        (versions / f"other-{number}.md").unlink()
        write(versions, f"a-v{number}.md", 0, f"\n\nVersion {number}.")
    with pytest.raises(CorpusError, match="of which 7 fit: near-duplicates stay in one split") as caught:
        load_papers(spec_of(versions, train=4, validation=2, test=2), 5)
    assert "a-v1.md, a-v2.md, a-v3.md and 2 more" in str(caught.value)
    given = yaml.safe_load(str(caught.value).partition('"corpus.splits=')[2].partition('"')[0])
    assert sum(given.values()) == 7
    assert load_papers(spec_of(versions, **given), 5).near_duplicates


def test_a_run_that_began_without_this_rule_keeps_its_splits_and_is_told(versions):
    drawn = load_papers(spec_of(versions, train=3, validation=3, test=2), 1)
    ids = sorted(paper_id for each in drawn.splits.paper_ids().values() for paper_id in each)
    (group,) = drawn.near_duplicates
    others = [each for each in ids if each not in group]
    recorded = {"train": (group[0], others[0]), "validation": (group[1],), "test": (group[2],)}
    found = find_recorded_papers(spec_of(versions, train=2, validation=1, test=1), recorded, "old")
    assert found.splits.paper_ids() == recorded
    assert found.notes[0].startswith("3 papers are near-duplicates (1 group), 1 group in more than one split")


def test_the_recorded_splits_are_found_again(versions):
    drawn = load_papers(spec_of(versions, train=3, validation=3, test=2), 1)
    found = find_recorded_papers(
        spec_of(versions, train=3, validation=3, test=2), drawn.splits.paper_ids(), "run"
    )
    assert (found.splits, found.near_duplicates) == (drawn.splits, drawn.near_duplicates)


def test_versions_of_one_paper_in_two_listed_folders_are_refused(versions):
    for name in ("train", "validation", "test"):
        (versions / name).mkdir()
    for name, to in {"a-v1.md": "train", "other-1.md": "validation", "a-v2.md": "test"}.items():
        (versions / name).rename(versions / to / name)
    listed = CorpusSpec(**{name: f"{versions}/{name}" for name in ("train", "validation", "test")})
    with pytest.raises(CorpusError, match=r"a-v1\.md \(train\) and a-v2\.md \(test\) are versions") as caught:
        load_papers(listed, 1)
    assert str(caught.value).endswith("different papers: -s corpus.near_duplicates=anywhere")
    (note,) = load_papers(listed.model_copy(update={"near_duplicates": "anywhere"}), 1).notes
    assert note.endswith("1 group in more than one split: a-v1.md, a-v2.md (1 in train, 1 in test)")


def test_papers_that_only_look_alike_may_be_drawn_anywhere(versions):
    splits = {"train": 2, "validation": 2, "test": 2}
    free = CorpusSpec(path=versions.as_posix(), splits=splits, near_duplicates="anywhere")
    kept = CorpusSpec(path=versions.as_posix(), splits=splits)
    seed = next(seed for seed in range(50) if "more than one" in load_papers(free, seed).notes[0])
    assert "more than one" not in load_papers(kept, seed).notes[0]
    assert load_papers(free, seed).near_duplicates, "it is recorded either way"
