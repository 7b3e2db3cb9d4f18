"""What is said of a run: rows, lineage, tree, harness, in values and in lines."""

from dataclasses import replace

from support.births import evaluated, small_run

from studbook.experiments.cli.looking import diff_lines
from studbook.experiments.views.lines import harness_lines, summary_blocks, summary_lines, table, tree_lines
from studbook.experiments.views.views import (
    confirmed_rate,
    curve,
    harness_view,
    iteration_views,
    lineage_steps,
    pooled_rate,
    run_summary,
    verdict_counts,
)
from studbook.populations.diff import diff_evaluations, diff_files
from studbook.populations.events import Purpose
from studbook.populations.family import tree_rows
from studbook.populations.population import fold
from studbook.populations.records import Confirmation, Verdict
from studbook.rate import Rate

POPULATION = fold(small_run())


def plain(lines) -> str:
    return "\n".join(line.plain for line in lines)


def test_each_iteration_becomes_a_row_with_its_rates():
    rows = iteration_views(POPULATION, iterations=9)
    assert [row.verdict for row in rows] == [Verdict.REJECTED, Verdict.ADMITTED, Verdict.REJECTED]
    assert (rows[1].parent_id, rows[1].mutant_id, rows[1].iterations) == ("seed", "m0002", 9)
    assert (rows[1].parent_rate, rows[1].mutant_rate) == (Rate(1, 4), Rate(3, 4))


def test_verdicts_are_counted_with_zeros_for_those_that_did_not_occur():
    assert verdict_counts(POPULATION) == {
        "admitted": 1,
        "rejected": 2,
        "broken": 0,
        "duplicate": 0,
        "no_change": 0,
        "unanswered": 0,
    }


def test_every_screen_gives_the_same_validation_rate_also_after_confirmation():
    confirmed = evaluated("m0002", (True, True, True, True), iteration=3, purpose=Purpose.CONFIRMATION)
    population = fold([*small_run(), confirmed])
    steps = lineage_steps(population, "m0002")
    assert [step.harness_id for step in steps] == ["seed", "m0002"]
    assert [step.rate for step in steps] == [Rate(3, 12), Rate(3 + 3, 8)]
    summary = run_summary("trial", population, "interrupted")
    assert (summary.seed_rate, summary.best_rate) == (steps[0].rate, steps[1].rate)
    assert harness_view(population, "m0002").score == steps[1].rate


def test_a_harness_that_racing_stopped_shows_what_was_seen_and_that_it_was_stopped():
    shown = plain(harness_lines(harness_view(POPULATION, "m0003")))
    assert "score       0.0% (0/2, 95% CI 0.0–65.8), stopped early; validation papers" in shown
    assert "0.0% (0/2, 95% CI 0.0–65.8), stopped early" in plain(tree_lines(tree_rows(POPULATION)))
    assert lineage_steps(POPULATION, "m0003")[2].is_stopped


def test_a_run_fits_a_narrow_terminal_as_a_block():
    summary = run_summary("trial", POPULATION, "interrupted")
    assert plain(summary_blocks([summary])).splitlines() == [
        "trial  interrupted, 3 iterations, 1 admitted",
        "  seed, validation       25.0% (3/12, 95% CI 8.9–53.2)",
        "  best, validation       m0002 75.0% (6/8, 95% CI 40.9–92.9)",
        "  champion, sealed test  – (n=0)",
    ]


def test_stopped_evaluations_do_not_enter_a_pooled_rate():
    assert pooled_rate(POPULATION, "m0003", Purpose.VALIDATION) == Rate(0, 0)


def test_the_curve_follows_the_best_member_as_it_was_then():
    points = curve(POPULATION)
    assert [(point.iteration, point.best_id) for point in points] == [(1, "seed"), (2, "m0002"), (3, "m0002")]
    assert points[0].best == Rate(2, 8)


def test_the_tree_puts_children_under_their_parent_and_marks_the_best():
    lines = plain(tree_lines(tree_rows(POPULATION))).splitlines()
    assert lines[0].startswith("● seed")
    assert lines[1].startswith("├─ ✗ m0001 prompt  idea 1")
    assert lines[2].startswith("└─ ✓ m0002 prompt  idea 2")
    assert lines[2].endswith("★ best")
    assert lines[3].startswith("   └─ ✗ m0003 prompt  idea 3")


def test_a_harness_is_shown_with_its_papers_and_what_was_left_out():
    shown = plain(harness_lines(harness_view(POPULATION, "m0003")))
    assert "verdict     ✗ rejected" in shown
    assert ", replicate 3: 0.0% (0/2, 95% CI 0.0–65.8), stopped early" in shown
    assert "paper-a  ✗ not accepted" in shown


def test_a_run_is_summed_up_with_n_and_interval():
    summary = run_summary("trial", POPULATION, "interrupted")
    assert (summary.state, summary.iterations, summary.admitted) == ("interrupted", 3, 1)
    assert run_summary("trial", POPULATION, "running").state == "running"
    shown = plain(summary_lines([summary]))
    assert "m0002 75.0% (6/8, 95% CI 40.9–92.9)" in shown


def test_a_difference_shows_files_then_papers_then_the_score():
    files = diff_files({"a.md": b"old\n"}, {"a.md": b"new \x1b[31m\n", "b.bin": b"\xff"})
    scores = diff_evaluations(POPULATION, "seed", "m0002")
    shown = plain(diff_lines("trial:seed", "trial:m0002", files, scores))
    assert shown.startswith("trial:seed → trial:m0002\n")
    assert shown.index("-old") < shown.index("Papers (validation)") < shown.index("Score")
    assert "b.bin (added)\n  not text" in shown
    assert "✓ fixed: 2 papers" in shown
    assert "= unchanged: 1 paper" in shown
    assert "\x1b" not in shown


def test_columns_are_as_wide_as_their_widest_cell():
    assert (
        plain(table(("a", "b"), [("long cell", "1"), ("x", "22")]))
        == "a          b\nlong cell  1\nx          22"
    )


def test_how_many_acceptances_held_stands_beside_the_rate():
    event = evaluated("m0002", (True, True, False, True), iteration=3, purpose=Purpose.CONFIRMATION)
    held = Confirmation(holds=True, reason="", weak_average="1/2", strong_average="4/5")
    results = [
        replace(result, confirmation=replace(held, holds=number > 0) if result.passed else None)
        for number, result in enumerate(event.evaluation.results)
    ]
    event = replace(event, evaluation=replace(event.evaluation, results=tuple(results)))
    population = fold([*small_run(), event])
    assert "; 2 of 3 accepted examples reproduced on fresh rollouts (95% CI 20.8–93.9)" in plain(
        harness_lines(harness_view(population, "m0002"))
    )
    assert confirmed_rate(population, "m0002", Purpose.CONFIRMATION) == Rate(2, 3)
