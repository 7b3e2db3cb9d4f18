"""The figures of an evaluation as lines."""

from collections.abc import Sequence
from fractions import Fraction

from rich.text import Text

from evaluate.summary import Summary
from experiments.measuring import Breakdown
from experiments.run_lines import confirmed_words, labelled, line
from experiments.text import clean_block, clean_line, count, duration
from studbook.rate import Rate

MOST, LAST, WIDEST = 3, 6, 160
"""Different breakdowns, lines of stderr and characters of each that are shown; --json has all."""


def summary_lines(summary: Summary, seconds: float) -> list[Text]:
    papers = f"{count(summary.papers, 'paper')} × {count(summary.replicates, 'replicate')}"
    failures = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.failures.items())
    verdicts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.verdicts.items())
    tokens = summary.usage.prompt_tokens + summary.usage.completion_tokens
    lines = [
        labelled("passed", f"{summary.rate}, {papers}"),
        *confirmed_lines(summary.confirmed),
        labelled("weak", _averages(summary.weak_average, summary.accepted_weak_average)),
        labelled("strong", _averages(summary.strong_average, summary.accepted_strong_average)),
        labelled("gap", f"{_share(summary.gap)} over accepted rounds"),
        labelled(
            "rounds", f"{summary.rounds:,}; {_number(summary.rounds_per_accepted)} per accepted example"
        ),
        labelled("failures", failures or "no round failed"),
        labelled("papers", verdicts),
        labelled("work", f"{count(summary.calls, 'call')}, {count(tokens, 'token')}, {duration(seconds)}"),
    ]
    tampering = summary.hidden_characters + summary.defused_marks + summary.attempts
    if tampering or summary.refused_requests:
        lines.append(
            labelled(
                "tried",
                f"{summary.hidden_characters} hidden characters, {summary.defused_marks} forged tags, "
                f"{summary.attempts} remarks to solver, judge or verifier, "
                f"{summary.refused_requests} refused requests: none of it counted",
                "yellow",
            )
        )
    return lines


def confirmed_lines(confirmed: Rate) -> list[Text]:
    """Nothing when nothing was accepted, or confirming is switched off."""
    return [labelled("held", f"{confirmed_words(confirmed)} on fresh rollouts")] if confirmed.n else []


def breakdown_lines(breakdowns: Sequence[Breakdown]) -> list[Text]:
    """Why papers came to no verdict of the evaluator: what a harness's author looks for first."""
    lines: list[Text] = []
    for each in breakdowns[:MOST]:
        first = clean_line(each.first, 60)
        where = first if each.times == 1 else f"{each.times} times, first on {first}"
        lines.append(labelled("why", f"{clean_line(each.reason, 400)} ({where})", "yellow"))
        last = clean_block(each.errors).splitlines()[-LAST:]
        lines += [line((f"{'':<9}{told[:WIDEST]}", "dim")) for told in last]
    return lines


def _averages(over_all: Fraction | None, over_accepted: Fraction | None) -> str:
    """Rounds that never came to these solvers do not count."""
    return f"{_share(over_all)} over all rounds, {_share(over_accepted)} over accepted ones"


def _share(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.3f}"


def _number(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.1f}"
