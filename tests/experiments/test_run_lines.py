"""What a run says while it goes on: models and sandbox plainly, every verdict with a glyph, rates with n."""

import io
import json
from dataclasses import replace

from studbook.experiments.views.displays.json import JsonDisplay
from studbook.experiments.views.displays.live import LiveDisplay
from studbook.experiments.views.displays.plain import PlainDisplay
from studbook.experiments.views.lines import (
    TESTBED_MODELS,
    end_lines,
    iteration_lines,
    progress_line,
    start_lines,
)
from studbook.experiments.views.views import EndView, IterationView, LineageStep, ProgressView, StartView
from studbook.populations.records import MutationKind, Verdict
from studbook.rate import NO_RATE, Rate

START = StartView(
    run="trial",
    folder="runs/trial",
    models=TESTBED_MODELS,
    is_testbed=True,
    sandbox="child processes: it does not isolate untrusted code",
    isolates_untrusted_code=False,
    papers="7 synthetic papers",
    splits={"train": 2, "validation": 3, "test": 2},
    harness="agentic_self_instruct",
    search="3 iterations",
    iterations=3,
    finished_iterations=1,
    notes=("2 files skipped: a.pdf: unsupported format",),
)
ITERATION = IterationView(
    iteration=2,
    iterations=10,
    parent_id="seed",
    mutant_id="m0002",
    kind=MutationKind.PROMPT,
    hypothesis="\x1b[31mforbid [bold]giveaways[/bold]\x1b[0m",
    verdict=Verdict.ADMITTED,
    reason="beats its parent: 3/4 vs 1/4",
    parent_rate=Rate(1, 4),
    mutant_rate=Rate(3, 4),
)
PROGRESS = ProgressView(
    done=2,
    iterations=10,
    best_id="m0002",
    best_rate=Rate(3, 4),
    calls=1234,
    recorded_calls=0,
    tokens=56789,
    cost_dollars=1.5,
    seconds=20.0,
    eta_seconds=80.0,
)
END = EndView(
    run="trial",
    reason="all iterations are done",
    lineage=(
        LineageStep(harness_id="seed", kind=MutationKind.SEED, hypothesis="the seed", rate=Rate(1, 4)),
        LineageStep(harness_id="m0002", kind=MutationKind.PROMPT, hypothesis="forbid it", rate=Rate(3, 4)),
    ),
    verdicts={"admitted": 1, "rejected": 1, "broken": 0},
    champion_id="m0002",
    champion_reason="best of 1 candidate",
    champion_test=Rate(6, 16),
    seed_test=Rate(2, 16),
    is_testbed=True,
    progress=PROGRESS,
    next_commands=(("studbook tree trial", "who came from whom"),),
)


def plain(lines) -> str:
    return "\n".join(line.plain for line in lines)


def test_the_start_says_that_the_models_are_no_language_models_and_what_the_sandbox_promises():
    shown = plain(start_lines(START))
    assert "text programs, not language models; its numbers say nothing about LLMs" in shown
    assert "it does not isolate untrusted code" in shown
    assert "2 train · 3 validation · 2 test" in shown
    assert "2 files skipped: a.pdf" in shown
    assert "resuming after 1 finished iteration" in shown


def test_an_iteration_shows_parent_verdict_with_glyph_reason_and_rates_with_n():
    shown = plain(iteration_lines(ITERATION))
    assert " 2/10 ✓ admitted  seed → m0002" in shown
    assert "beats its parent: 3/4 vs 1/4" in shown
    assert "mutant 75.0% (3/4, 95% CI 30.1–95.4) vs parent 25.0% (1/4, 95% CI 4.6–69.9)" in shown


def test_a_hypothesis_can_neither_steer_the_terminal_nor_use_markup():
    shown = plain(iteration_lines(ITERATION))
    assert "forbid [bold]giveaways[/bold]" in shown
    assert "\x1b" not in shown


def test_progress_shows_best_with_n_calls_cost_and_time_left():
    shown = progress_line(PROGRESS).plain
    assert "best m0002 75.0% (3/4, 95% CI 30.1–95.4)" in shown
    assert "1,234 calls · 56,789 tokens · $1.50 · 20 s · about 1 min 20 s left" in shown
    assert "cached" not in shown


def test_of_a_resumed_run_it_is_said_which_figures_are_of_the_whole_run():
    assert (
        "1,234 calls in all · 56,789 tokens · $1.50 · 20 s since the resume"
        in progress_line(replace(PROGRESS, is_resumed=True)).plain
    )


def test_the_end_shows_the_lineage_the_sealed_test_of_both_and_what_to_try_next():
    shown = plain(end_lines(END))
    assert "1 admitted, 1 rejected)" in shown
    assert "└─ m0002  forbid it" in shown
    assert "champion 37.5% (6/16, 95% CI 18.5–61.4)" in shown
    assert "seed     12.5% (2/16, 95% CI 3.5–36.0)" in shown
    assert "Measured with the testbed" in shown
    assert "studbook tree trial   who came from whom" in shown


def feed(display) -> None:
    display.started(START)
    display.seed_measured(Rate(1, 4))
    display.working("iteration 2: measuring")
    display.iteration_ended(ITERATION, PROGRESS)
    display.notice("a retry")
    display.finished(END)
    display.close()


def test_the_plain_display_sends_progress_and_result_apart_and_no_escape_codes():
    progress, results = io.StringIO(), io.StringIO()
    feed(PlainDisplay(progress, results))
    assert "seed → m0002" in progress.getvalue()
    assert "Champion" not in progress.getvalue()
    assert results.getvalue().count("Champion: m0002") == 1
    assert "\x1b" not in progress.getvalue() + results.getvalue()


def test_the_live_display_says_the_same_words(monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "300", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    progress, results = io.StringIO(), io.StringIO()
    feed(LiveDisplay(progress, results))
    assert "✓ admitted  " in progress.getvalue()
    assert "passes 25.0% (1/4, 95% CI 4.6–69.9)" in progress.getvalue()
    assert "m0002 – best of 1 candidate" in results.getvalue()
    hidden, shown = (progress.getvalue().count(code) for code in ("\x1b[?25l", "\x1b[?25h"))
    assert 0 < hidden <= shown, "the cursor is shown again"


def test_the_json_display_prints_one_object_with_every_rate_as_counts_and_interval():
    notes, results = io.StringIO(), io.StringIO()
    feed(JsonDisplay(notes, results))
    whole = json.loads(results.getvalue())
    assert notes.getvalue() == "a retry\n"
    assert whole["schema"] == 1
    assert whole["iterations"][0]["mutant_rate"] == {"passed": 3, "n": 4, "low": 0.300642, "high": 0.954413}
    assert whole["end"]["champion_id"] == "m0002"
    assert results.getvalue().isascii()


def test_an_iteration_without_a_mutant_shows_no_rates():
    view = IterationView(
        iteration=1,
        iterations=1,
        parent_id="seed",
        mutant_id=None,
        kind=None,
        hypothesis="",
        verdict=Verdict.NO_CHANGE,
        reason="the implementer changed nothing",
        parent_rate=NO_RATE,
        mutant_rate=NO_RATE,
    )
    shown = plain(iteration_lines(view))
    assert "· no change from seed" in shown
    assert "mutant –" not in shown
