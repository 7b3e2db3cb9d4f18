"""Diffs: files as git would say it, papers by shared luck where there is any, a score that says its n."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from support.births import PAPERS, evaluated, iteration_events, seed_events, small_run

from studbook.populations.diff import (
    FileChange,
    FileDiff,
    PaperChange,
    PaperDiff,
    compare_pairs,
    diff_evaluations,
    diff_files,
)
from studbook.populations.events import Purpose
from studbook.populations.population import fold
from studbook.populations.statistics import Paired, unpaired_interval
from studbook.rate import Rate


def test_only_files_that_differ_are_shown():
    before = {"agent.py": b"a\nb\n", "old.md": b"gone\n", "same.md": b"same"}
    after = {"agent.py": b"a\nc\n", "new.md": b"come\n", "same.md": b"same"}
    assert diff_files(before, after) == (
        FileDiff(
            path="agent.py",
            change=FileChange.CHANGED,
            lines=("--- a/agent.py", "+++ b/agent.py", "@@ -1,2 +1,2 @@", " a", "-b", "+c"),
        ),
        FileDiff(
            path="new.md",
            change=FileChange.ADDED,
            lines=("--- /dev/null", "+++ b/new.md", "@@ -0,0 +1 @@", "+come"),
        ),
        FileDiff(
            path="old.md",
            change=FileChange.REMOVED,
            lines=("--- a/old.md", "+++ /dev/null", "@@ -1 +0,0 @@", "-gone"),
        ),
    )


def test_a_file_that_is_no_text_is_only_said_to_differ():
    (found,) = diff_files({"x": b"\xff\xfe"}, {"x": b"text"})
    assert (found.is_binary, found.lines) == (True, ())


def test_a_lost_newline_and_a_carriage_return_are_differences():
    (newline,) = diff_files({"x": b"a\n"}, {"x": b"a"})
    assert newline.lines[-2:] == ("-a", "+a (no newline at the end)")
    (carriage,) = diff_files({"x": b"a\n"}, {"x": b"a\r\n"})
    assert carriage.lines[-2:] == ("-a", "+a\r")


@given(
    st.dictionaries(st.sampled_from("abc"), st.binary()), st.dictionaries(st.sampled_from("abc"), st.binary())
)
def test_every_difference_and_nothing_else_is_found(before, after):
    found = {item.path for item in diff_files(before, after)}
    assert found == {path for path in "abc" if before.get(path) != after.get(path)}


def papers(population, before, after, split="validation"):
    return {item.paper_id: item for item in diff_evaluations(population, before, after, split).papers}


def test_papers_are_compared_where_both_ran_the_same_replicate():
    """m0002 against the seed: both ran replicate 2; the seed's replicates 0 and 1 do not count."""
    found = papers(fold(small_run()), "seed", "m0002")
    assert [(name, item.change.value) for name, item in found.items()] == [
        ("paper-a", "fixed"),
        ("paper-b", "unchanged"),
        ("paper-c", "fixed"),
        ("paper-d", "still failing"),
    ]
    assert found["paper-a"] == PaperDiff(
        paper_id="paper-a", change=PaperChange.FIXED, before=Rate(0, 1), after=Rate(1, 1), is_paired=True
    )


def test_a_regression_is_seen_from_the_other_side():
    assert papers(fold(small_run()), "m0002", "seed")["paper-a"].change is PaperChange.REGRESSED


def test_papers_without_a_shared_replicate_are_compared_by_rate_and_say_so():
    """m0001 ran replicate 1 only, m0002 replicates 2 and 3."""
    found = papers(fold(small_run()), "m0001", "m0002")
    assert found["paper-d"] == PaperDiff(
        paper_id="paper-d", change=PaperChange.FIXED, before=Rate(0, 1), after=Rate(1, 2), is_paired=False
    )


def test_a_paper_only_one_of_them_ran_is_not_comparable():
    found = papers(fold(small_run()), "m0002", "m0003")
    assert [found[name].change.value for name in PAPERS] == [
        "regressed",
        "regressed",
        "not comparable",
        "not comparable",
    ]
    assert found["paper-c"].after == Rate(0, 0)


def test_the_score_of_pairs_has_its_table_and_interval():
    score = diff_evaluations(fold(small_run()), "seed", "m0002").score
    assert score.paired == Paired(both=1, only_first=0, only_second=2, neither=1)
    assert (score.before, score.after, score.difference) == (Rate(1, 4), Rate(3, 4), Fraction(1, 2))
    assert score.interval == score.paired.interval()
    assert (score.pooled_before, score.pooled_after) == (Rate(3, 12), Rate(6, 8))
    assert not score.rests_on_stopped


def test_the_score_without_pairs_is_of_independent_samples():
    score = diff_evaluations(fold(small_run()), "m0001", "m0002").score
    assert score.paired is None
    assert (score.before, score.after) == (Rate(0, 4), Rate(6, 8))
    assert score.interval == unpaired_interval(Rate(0, 4), Rate(6, 8))


def test_a_comparison_with_a_stopped_evaluation_says_so():
    assert diff_evaluations(fold(small_run()), "m0002", "m0003").score.rests_on_stopped


def test_other_splits_are_compared_when_asked_for():
    events = [*seed_events(), *iteration_events(1, (False,) * 4, (True,) * 4)]
    for name, passed in (("seed", False), ("m0001", True)):
        events.append(
            evaluated(
                name,
                (passed,),
                iteration=1,
                purpose=Purpose.TEST,
                split="test",
                replicate=2_000_000,
                papers=("x",),
            )
        )
    assert papers(fold(events), "seed", "m0001", "test")["x"].change is PaperChange.FIXED


OUTCOMES = st.dictionaries(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), st.booleans())


@given(OUTCOMES, OUTCOMES)
def test_the_table_counts_each_shared_pair_once(before, after):
    table, shared = compare_pairs(before, after), before.keys() & after.keys()
    assert table.n == len(shared)
    assert table.first.passed == sum(before[key] for key in shared)
    assert table.second.passed == sum(after[key] for key in shared)
