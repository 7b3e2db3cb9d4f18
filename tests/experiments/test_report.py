"""The report: one file, nothing from outside, nothing unescaped, numbers as they are."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from support.births import evaluated, run_started, seed_events, small_run

from studbook.experiments.run.costs import RoleCost
from studbook.experiments.views.report import ReportView, report_html
from studbook.experiments.views.views import (
    curve,
    failure_counts,
    iteration_views,
    lineage_steps,
    near_duplicate_words,
    near_duplicates,
    sealed_difference,
    verdict_counts,
)
from studbook.populations.events import ChampionChosen, Purpose
from studbook.populations.family import tree_rows
from studbook.populations.population import fold
from studbook.rate import Rate


def chosen(harness_id: str) -> ChampionChosen:
    return ChampionChosen(harness_id=harness_id, reason="for a test", ranking=())


def view_of(events, **changes) -> ReportView:
    population = fold(events)
    start = population.start or run_started()
    view = ReportView(
        run="trial",
        state="finished",
        models=(("challenger", "testbed"), ("weak", "testbed")),
        is_testbed=True,
        sandbox="docker",
        sandbox_reason="",
        canary=(),
        isolates_untrusted_code=True,
        splits={name: len(papers) for name, papers in start.splits.items()},
        near_duplicates=near_duplicates(start),
        evaluator_hash=start.evaluator_hash,
        iterations=iteration_views(population),
        verdicts=verdict_counts(population),
        curve=curve(population),
        tree=tree_rows(population),
        lineage=lineage_steps(population, "m0002") if "m0002" in population.mutants else (),
        best_id=population.best_id,
        champion_id="m0002",
        champion_reason="best of 1 candidate",
        champion_test=Rate(6, 16),
        seed_test=Rate(2, 16),
        champion_confirmed=Rate(9, 12),
        seed_confirmed=Rate(0, 0),
        test_difference=None,
        seed_validation=Rate(1, 4),
        diff="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new",
        failures=(("seed", failure_counts(events, "seed")),),
        costs=(RoleCost(role="judge", calls=1200, prompt_tokens=34567, completion_tokens=89, dollars=0.125),),
    )
    return replace(view, **changes)


class Checker(HTMLParser):
    """Remembers elements that were not closed and attributes that reach outside."""

    VOID = frozenset({"meta", "br", "line", "path", "circle", "polygon", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.outside += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "srcset", "action"}]
        self.outside += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    return checker


def test_the_report_is_well_formed_and_reaches_nothing_outside():
    checker = checked(report_html(view_of(small_run())))
    assert checker.open == []
    assert checker.outside == []
    assert checker.tags.isdisjoint({"script", "img", "link", "iframe", "object", "form"})


def test_the_browser_is_told_to_load_nothing():
    assert "default-src 'none'; style-src 'unsafe-inline'" in report_html(view_of(small_run()))
    assert "@import" not in report_html(view_of(small_run()))
    assert "url(" not in report_html(view_of(small_run()))


def test_the_report_states_the_testbed_and_the_rates_with_n_and_interval():
    html = report_html(view_of(small_run()))
    assert "text programs, not language models" in html
    assert "6 of 16, 95% CI 18.5–61.4" in html
    assert "2 of 16, 95% CI 3.5–36.0" in html
    assert "3 (1 admitted, 2 rejected)" in html


def sealed(harness_id: str, *passed: bool):
    papers = [f"paper-x{number}" for number in range(len(passed))]
    return evaluated(harness_id, passed, iteration=3, purpose=Purpose.TEST, split="test", papers=papers)


def test_the_change_from_the_seed_on_the_sealed_test_says_when_it_shows_nothing():
    few = [*small_run(), sealed("seed", False, True), sealed("m0002", True, True), chosen("m0002")]
    html = report_html(view_of(few, test_difference=sealed_difference(fold(few))))
    assert "+50.0 points" in html
    assert "the interval includes zero: too few papers to tell them apart" in html
    many = [
        *small_run(),
        sealed("seed", *[False] * 20),
        sealed("m0002", *[True] * 20),
        chosen("m0002"),
    ]
    html = report_html(view_of(many, test_difference=sealed_difference(fold(many))))
    assert "+100.0 points" in html
    assert "the interval includes zero" not in html


def test_a_seed_that_stays_champion_is_compared_with_nobody():
    events = [*small_run(), sealed("seed", False, True), chosen("seed")]
    assert sealed_difference(fold(events)) is None


def test_the_curve_follows_the_search_not_the_champion_that_was_chosen_afterwards():
    assert curve(fold([*small_run(), chosen("seed")])) == curve(fold(small_run()))


def test_the_process_sandbox_is_named_for_what_it_is():
    assert "does not isolate untrusted code" not in report_html(view_of(small_run()))
    told = report_html(view_of(small_run(), sandbox="process", isolates_untrusted_code=False))
    assert "The process sandbox was used: it does not isolate untrusted code" in told
    assert "a child process for every paper, which does not isolate untrusted code" in told


def test_an_engine_without_limits_is_not_called_a_process_sandbox():
    told = report_html(view_of(small_run(), sandbox="docker", isolates_untrusted_code=False))
    assert "The engine did not limit memory or processes: it does not isolate untrusted code" in told
    assert "mounts or capabilities, on an engine that does not limit memory or processes" in told
    assert "process sandbox" not in told


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\x1b[31m"


@pytest.mark.parametrize(
    "changes",
    [
        {"run": HOSTILE},
        {"sandbox": HOSTILE},
        {"models": ((HOSTILE, HOSTILE),)},
        {"champion_reason": HOSTILE},
        {"champion_id": HOSTILE},
        {"diff": f"--- a/{HOSTILE}\n+{HOSTILE}"},
        {"failures": ((HOSTILE, {HOSTILE: 3}),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_foreign_text_is_escaped_wherever_it_stands(changes):
    html = report_html(view_of(small_run(), **changes))
    checker = checked(html)
    assert checker.open == []
    assert checker.outside == []
    assert checker.tags.isdisjoint({"script", "img"})
    assert "\x1b" not in html


def test_hypotheses_and_reasons_are_escaped_too():
    views = tuple(
        replace(each, hypothesis=HOSTILE, reason=HOSTILE) for each in view_of(small_run()).iterations
    )
    tree = tuple(
        replace(row, mutant=replace(row.mutant, hypothesis=HOSTILE)) for row in view_of(small_run()).tree
    )
    checker = checked(report_html(view_of(small_run(), iterations=views, tree=tree)))
    assert checker.tags.isdisjoint({"script", "img"})
    assert checker.outside == []


def test_a_run_that_has_only_begun_has_a_report_as_well():
    html = report_html(view_of(seed_events(), champion_id=None, diff=""))
    assert "No iteration has finished yet" in html
    assert "No changes: the seed is the best harness" in html
    assert checked(html).open == []


def test_admitted_and_rejected_mutants_differ_in_shape_not_only_in_colour():
    html = report_html(view_of(small_run()))
    svg = re.search(r"<svg.*</svg>", html)[0]
    assert svg.count("<circle") == 1
    assert svg.count("<path") == 2


def test_failures_are_counted_over_all_evaluations_of_a_harness():
    events = [
        *small_run(),
        evaluated("m0002", (False,), purpose=Purpose.TEST, split="test", papers=("paper-x",)),
    ]
    assert failure_counts(events, "m0002") == {"too_easy": 3}


def test_what_was_paid_is_shown_by_role():
    html = report_html(view_of(small_run()))
    assert "<td>judge</td><td>1,200</td><td>34,567</td><td>89</td><td>$0.12</td>" in html


def test_near_duplicates_are_told_with_their_split():
    events = list(seed_events())
    splits = {"train": ("a", "b"), "validation": ("c", "d", "e"), "test": ("f",)}
    events[0] = replace(run_started(), splits=splits, near_duplicates=(("c", "d", "e"),))
    html = report_html(view_of(events))
    assert "3 papers of validation are versions of one paper, but count as independent (c, d, e)" in html
    assert "Near-duplicates" not in report_html(view_of(seed_events()))


def test_many_groups_of_near_duplicates_are_counted():
    groups = tuple((f"{n}a", f"{n}b") for n in range(11))
    start = replace(run_started(), splits={"train": sum(groups, ())}, near_duplicates=groups)
    lines = near_duplicate_words(near_duplicates(start))
    assert lines[0] == "2 papers of train are versions of one paper, but count as independent (0a, 0b)"
    assert (len(lines), lines[-1]) == (9, "and 3 groups more")
