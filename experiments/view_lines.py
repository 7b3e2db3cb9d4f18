"""Views as styled lines for the terminal. Foreign text is cleaned; no rate stands without n and interval."""

from collections.abc import Sequence

from rich.text import Text

from experiments.run_lines import GLYPHS, confirmed_words, line, rate_words, spaced
from experiments.text import clean_line, count
from experiments.views import HarnessView, RunSummary
from populations.family import TreeRow
from populations.records import PaperVerdict, Verdict


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[Text]:
    """Columns padded to their widest cell, two spaces apart."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def laid(row: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    return [line((laid(header), "bold")), *(Text(laid(row)) for row in rows)]


def summary_blocks(summaries: list[RunSummary]) -> list[Text]:
    """What `summary_lines` says, for terminals that are narrower than its table."""
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
    """Like `git log --graph` turned on its side: children below their parent."""
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
        ("idea", clean_line(view.hypothesis, 300) or "–"),
        ("verdict", f"{glyph} {verdict}: {clean_line(view.reason, 300)}"),
        ("score", f"{rate_words(view.score, view.is_stopped)}; validation papers"),
        ("knobs", knobs or "–"),
        ("commit", view.commit),
        ("tree", view.tree_hash),
    ]
    lines = [line((f"{label:<9}", "bold"), text) for label, text in facts]
    for each in view.evaluations:
        partly = "" if each.is_complete else ", decided before all papers were run"
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
