"""The figures of an evaluation as lines."""

from fractions import Fraction

from rich.text import Text

from evaluate.summary import Summary
from experiments.run_lines import labelled
from experiments.text import count, duration


def summary_lines(summary: Summary, seconds: float) -> list[Text]:
    papers = f"{count(summary.papers, 'paper')} × {count(summary.replicates, 'replicate')}"
    failures = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.failures.items())
    verdicts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.verdicts.items())
    tokens = summary.usage.prompt_tokens + summary.usage.completion_tokens
    lines = [
        labelled("passed", f"{summary.rate}, {papers}"),
        labelled(
            "weak",
            f"{_share(summary.weak_average)} over all rounds, "
            f"{_share(summary.accepted_weak_average)} over accepted ones",
        ),
        labelled(
            "strong",
            f"{_share(summary.strong_average)} over all rounds that came to it, "
            f"{_share(summary.accepted_strong_average)} over accepted ones",
        ),
        labelled("gap", f"{_share(summary.gap)} over accepted rounds"),
        labelled(
            "rounds", f"{summary.rounds:,}; {_number(summary.rounds_per_accepted)} per accepted example"
        ),
        labelled("failures", failures or "none"),
        labelled("papers", verdicts),
        labelled("work", f"{count(summary.calls, 'call')}, {count(tokens, 'token')}, {duration(seconds)}"),
    ]
    tampering = summary.hidden_characters + summary.defused_marks
    if tampering or summary.refused_requests:
        lines.append(
            labelled(
                "tried",
                f"{summary.hidden_characters} hidden characters, {summary.defused_marks} forged tags, "
                f"{summary.refused_requests} refused requests: none of it counted",
                "yellow",
            )
        )
    return lines


def _share(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.3f}"


def _number(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.1f}"
