"""The wording of a run's progress: views in, styled lines out. Plain and live displays show the same words.

Color never carries meaning alone: every verdict has a glyph. Untrusted text is cleaned here; `Text` does not
interpret markup. Rates always appear with n and interval.
"""

from collections.abc import Sequence

from rich.text import Text

from studbook.experiments.views.text import about_dollars, clean_line, count, dollars, duration
from studbook.experiments.views.views import (
    EndView,
    HarnessView,
    IterationView,
    LineageStep,
    ProgressView,
    RunSummary,
    StartView,
)
from studbook.populations.diff import ScoreDiff
from studbook.populations.family import TreeRow
from studbook.populations.records import CanaryScore, PaperVerdict, Verdict
from studbook.rate import Rate

GLYPHS = {
    Verdict.ADMITTED: ("✓", "green"),
    Verdict.REJECTED: ("✗", "red"),
    Verdict.BROKEN: ("!", "yellow"),
    Verdict.DUPLICATE: ("=", "dim"),
    Verdict.NO_CHANGE: ("·", "dim"),
    Verdict.UNANSWERED: ("?", "yellow"),
}
TESTBED_MODELS = "the testbed: text programs, not language models; its numbers say nothing about LLMs"


def line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts)


def labelled(label: str, text: str, style: str = "") -> Text:
    return line((f"{label:<9}", "bold"), (text, style))


def rate_words(rate: Rate, is_stopped: bool) -> str:
    """A rate that racing stopped early is biased: the results decided when it stopped."""
    return f"{rate}, stopped early" if is_stopped else str(rate)


def confirmed_words(rate: Rate) -> str:
    """How many of the accepted examples would be accepted again."""
    low, high = rate.interval()
    interval = f"95% CI {100 * low:.1f}–{100 * high:.1f}"
    return f"{rate.passed} of {rate.n} accepted examples reproduced on fresh rollouts ({interval})"


def change_words(score: ScoreDiff) -> str:
    if not (score.before.n and score.after.n):
        return "not measured on both sides"
    low, high = score.interval
    basis = "paired: same papers, same random seeds" if score.paired else "unpaired: different samples"
    points = f"{100 * float(score.difference):+.1f} points"
    return f"{points} (95% CI {100 * low:+.1f} to {100 * high:+.1f}; {basis})"


def is_shown(score: ScoreDiff) -> bool:
    """Whether the interval excludes zero."""
    low, high = score.interval
    return low > 0 or high < 0


NOT_SHOWN = "the interval includes zero: too few papers to tell them apart"


def spaced(name: str) -> str:
    """An identifier as prose: `too_easy` → `too easy`."""
    return name.replace("_", " ")


def papers_line(papers: str, splits: dict[str, int]) -> Text:
    sizes = " · ".join(f"{number} {name}" for name, number in splits.items())
    return labelled("papers", f"{clean_line(papers, 160)}: {sizes}")


def start_lines(view: StartView) -> list[Text]:
    lines = [
        labelled("run", f"{view.run}  →  {view.folder}"),
        labelled("models", clean_line(view.models, 800), "yellow" if view.is_testbed else ""),
        labelled("sandbox", clean_line(view.sandbox, 400), "" if view.isolates_untrusted_code else "yellow"),
        papers_line(view.papers, view.splits),
        labelled("harness", clean_line(view.harness)),
        labelled("search", view.search),
    ]
    lines += [notice_line(note) for note in view.notes]
    if view.is_finished:
        lines.append(
            notice_line(
                f"this run is already finished; extend it: studbook resume {view.run} -s search.iterations=30"
            )
        )
    elif view.finished_iterations:
        lines.append(notice_line(f"resuming after {count(view.finished_iterations, 'finished iteration')}"))
    return lines


def canary_line(score: CanaryScore) -> str:
    """`judge: 17 of 20 marks right (chance 10; 95% CI 64.0–94.8%), 4 of 4 replies readable: above chance`."""
    readable = f"{score.readable} of {score.asked} replies readable: {score.verdict}"
    if not score.n:
        return f"{score.role}: {readable}"
    unit = "marks" if score.role == "judge" else "verdicts"
    low, high = (f"{100 * end:.1f}" for end in score.rate.interval())
    chance = f"chance {score.n / 2:g}; 95% CI {low}–{high}%"
    return f"{score.role}: {score.right} of {score.n} {unit} right ({chance}), {readable}"


def seed_line(rate: Rate) -> Text:
    return labelled("seed", f"passes {rate} of the validation papers")


def promotion_line(stage: str, harness_id: str, so_far: Rate) -> Text:
    return labelled(stage, f"{harness_id:<5}  {so_far}")


def iteration_lines(view: IterationView) -> list[Text]:
    glyph, style = GLYPHS[view.verdict]
    number = f"{view.iteration:>{len(str(view.iterations))}}/{view.iterations}"
    head = line(
        (f"{number} ", "dim"),
        (f"{glyph} {spaced(view.verdict):<9} ", style),
        (f"{view.parent_id} → {view.mutant_id}" if view.mutant_id else f"from {view.parent_id}", "bold"),
        f"  {clean_line(view.hypothesis, 100)}" if view.hypothesis else "",
    )
    indent = " " * (len(number) + 3)
    lines = [head, line((f"{indent}{clean_line(view.reason, 140)}", "dim"))]
    if view.mutant_rate.n:
        lines.append(line((f"{indent}mutant {view.mutant_rate} vs parent {view.parent_rate}", "dim")))
    return lines


def progress_line(view: ProgressView) -> Text:
    best = f"best {view.best_id} {rate_words(view.best_rate, view.best_is_stopped)}"
    parts = [best, *_cost(view)]
    if view.eta_seconds is not None and view.done < view.iterations:
        parts.append(f"about {duration(view.eta_seconds)} left")
    return line(("  " + " · ".join(parts), "dim"))


def cost_line(view: ProgressView) -> Text:
    return line(("  " + " · ".join(_cost(view)), "dim"))


def _cost(view: ProgressView) -> list[str]:
    parts = [count(view.calls, "call") + (" in all" if view.is_resumed else "")]
    if view.recorded_calls:
        parts.append(f"{view.recorded_calls:,} cached")
    spent = duration(view.seconds) + (" since the resume" if view.is_resumed else "")
    paid = dollars(view.cost_dollars)
    if view.expected_dollars is not None and view.expected_dollars > view.cost_dollars:
        paid += f" of about {about_dollars(view.expected_dollars)}"
    return [*parts, count(view.tokens, "token"), paid, spent]


def notice_line(text: str) -> Text:
    return line(("note     ", "bold yellow"), clean_line(text, 300))


def end_lines(view: EndView) -> list[Text]:
    verdicts = ", ".join(f"{number} {spaced(name)}" for name, number in view.verdicts.items() if number)
    label = "finished" if view.champion_id else "ended"
    lines = [Text(), labelled(label, f"{clean_line(view.reason)} ({verdicts or 'no iterations'})")]
    lines.append(cost_line(view.progress))
    lines += [Text(), line(("Lineage of the best harness", "bold"))]
    lines += [lineage_line(depth, step) for depth, step in enumerate(view.lineage)]
    lines += [Text(), *champion_lines(view), Text(), line(("Try next", "bold"))]
    width = max((len(command) for command, _ in view.next_commands), default=0)
    lines += [line((f"  {command:<{width}}", "cyan"), f"   {what}") for command, what in view.next_commands]
    return lines


def lineage_line(depth: int, step: LineageStep) -> Text:
    arrow = "  " if depth == 0 else "  " + "   " * (depth - 1) + "└─ "
    return line(
        arrow,
        (step.harness_id, "bold"),
        f"  {clean_line(step.hypothesis, 90)}" if depth else "  the harness you started from",
        (f"  validation {rate_words(step.rate, step.is_stopped)}", "dim"),
    )


def champion_lines(view: EndView) -> list[Text]:
    if view.champion_id is None:
        return [line(("No champion: ", "bold"), clean_line(view.champion_reason, 300))]
    lines = [
        line(
            ("Champion: ", "bold"),
            view.champion_id,
            f" – {clean_line(view.champion_reason, 300)}",
        )
    ]
    lines.append(line("  sealed test papers: ", ("champion ", "bold"), str(view.champion_test)))
    lines.append(line("                      ", ("seed     ", "bold"), str(view.seed_test)))
    if view.test_difference is not None:
        change = change_words(view.test_difference)
        lines.append(line("                      ", ("change   ", "bold"), change))
        if not is_shown(view.test_difference):
            lines.append(line(("                      " + NOT_SHOWN, "yellow")))
    if view.is_testbed:
        lines.append(line(("  Measured with " + TESTBED_MODELS + ".", "yellow")))
    return lines


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[Text]:
    """Columns padded to their widest cell, two spaces apart."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def laid(row: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    return [line((laid(header), "bold")), *(Text(laid(row)) for row in rows)]


def summary_blocks(summaries: list[RunSummary]) -> list[Text]:
    """The content of `summary_lines`, for terminals narrower than its table."""
    lines: list[Text] = []
    for each in summaries:
        done = f"{count(each.iterations, 'iteration')}, {each.admitted} admitted"
        lines.append(line((clean_line(each.run), "bold"), f"  {each.state}, {done}"))
        lines += [
            Text(f"  seed, validation       {each.seed_rate}"),
            Text(f"  best, validation       {each.best_id} {each.best_rate}"),
            Text(f"  champion, sealed test  {each.champion_test}"),
        ]
    return lines


def summary_lines(summaries: list[RunSummary]) -> list[Text]:
    rows = [
        (
            clean_line(each.run),
            each.state,
            f"{each.iterations} ({each.admitted} admitted)",
            str(each.seed_rate),
            f"{each.best_id} {each.best_rate}",
            str(each.champion_test),
        )
        for each in summaries
    ]
    return table(
        ("run", "state", "iterations", "seed, validation", "best, validation", "champion, sealed test"), rows
    )


def tree_lines(rows: Sequence[TreeRow]) -> list[Text]:
    """A tree with children below their parent."""
    return [_tree_line(row) for row in rows]


def _tree_line(row: TreeRow) -> Text:
    indent = "".join("   " if is_last else "│  " for is_last in row.last_flags[:-1])
    if row.last_flags:
        indent += "└─ " if row.last_flags[-1] else "├─ "
    glyph, style = GLYPHS[row.verdict] if row.verdict else ("●", "bold")
    said = "" if row.verdict in {None, Verdict.ADMITTED, Verdict.REJECTED} else f" {spaced(row.verdict)}"
    words = clean_line(row.mutant.hypothesis, 80) if row.depth else "the harness you started from"
    return line(
        (indent, "dim"),
        (f"{glyph} ", style),
        (row.mutant.harness_id, "bold"),
        (f" {row.mutant.kind}{said}", "dim") if row.depth else "",
        f"  {words}",
        (f"  {rate_words(row.rate, row.is_stopped)}" if row.rate.n else "", "dim"),
        ("  ★ best" if row.is_best else "", "bold green"),
    )


def harness_lines(view: HarnessView) -> list[Text]:
    verdict = spaced(view.verdict) if view.verdict else "seed"
    glyph = GLYPHS[view.verdict][0] if view.verdict else "●"
    knobs = ", ".join(f"{name}={value:g}" for name, value in view.knobs.items())
    facts = [
        ("harness", f"{view.harness_id} ({view.kind})"),
        ("parent", view.parent_id or "none"),
        ("hypothesis", clean_line(view.hypothesis, 300) or "–"),
        ("verdict", f"{glyph} {verdict}: {clean_line(view.reason, 300)}"),
        ("score", f"{rate_words(view.score, view.is_stopped)}; validation papers"),
        ("knobs", knobs or "–"),
        ("commit", view.commit),
        ("tree", view.tree_hash),
    ]
    lines = [line((f"{label:<12}", "bold"), text) for label, text in facts]
    for each in view.evaluations:
        partly = "" if each.is_complete else ", stopped early"
        partly += f"; {confirmed_words(each.confirmed)}" if each.confirmed.n else ""
        lines.append(Text())
        lines.append(
            line(
                (f"{each.purpose} ", "bold"),
                f"iteration {each.iteration}, {each.split}, replicate {each.replicate}: {each.rate}{partly}",
            )
        )
        lines += [paper_line(paper, verdict) for paper, verdict in each.papers]
    return lines


def paper_line(paper_id: str, verdict: PaperVerdict) -> Text:
    glyph, style = {
        PaperVerdict.ACCEPTED: ("✓", "green"),
        PaperVerdict.NOT_ACCEPTED: ("✗", "red"),
    }.get(verdict, ("!", "yellow"))
    return line(f"  {clean_line(paper_id, 40)}  ", (f"{glyph} {spaced(verdict)}", style))
