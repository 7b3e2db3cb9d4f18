"""Views as styled lines for the terminal. Foreign text is cleaned; no rate stands without n and interval."""

from collections.abc import Sequence

from rich.text import Text

from experiments.run_lines import GLYPHS, line
from experiments.text import clean_line
from experiments.views import HarnessView, RunSummary, TreeNode
from populations.records import PaperVerdict, Verdict


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[Text]:
    """Columns padded to their widest cell, two spaces apart."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def laid(row: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    return [line((laid(header), "bold")), *(Text(laid(row)) for row in rows)]


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


def tree_lines(nodes: tuple[TreeNode, ...]) -> list[Text]:
    """Like `git log --graph` turned on its side: children below their parent."""
    lines: list[Text] = []
    open_branches: list[bool] = []
    for node in nodes:
        del open_branches[max(node.depth - 1, 0) :]
        indent = "".join("│  " if is_open else "   " for is_open in open_branches)
        if node.depth:
            indent += "└─ " if node.is_last_child else "├─ "
            open_branches.append(not node.is_last_child)
        lines.append(_tree_line(indent, node))
    return lines


def _tree_line(indent: str, node: TreeNode) -> Text:
    glyph, style = GLYPHS[node.verdict] if node.verdict else ("●", "bold")
    star = "  ★ best" if node.is_best else ""
    said = "" if node.verdict in {None, Verdict.ADMITTED, Verdict.REJECTED} else f" {node.verdict}"
    score = f"  {node.score}" if node.score.n else ""
    words = clean_line(node.hypothesis, 80) if node.depth else "the harness you started from"
    return line(
        (indent, "dim"),
        (f"{glyph} ", style),
        (node.harness_id, "bold"),
        (f" {node.kind}{said}", "dim"),
        f"  {words}",
        (score, "dim"),
        (star, "bold green"),
    )


def harness_lines(view: HarnessView) -> list[Text]:
    verdict = view.verdict.value if view.verdict else "seed"
    glyph = GLYPHS[view.verdict][0] if view.verdict else "●"
    knobs = ", ".join(f"{name}={value:g}" for name, value in view.knobs.items())
    facts = [
        ("harness", f"{view.harness_id} ({view.kind})"),
        ("parent", view.parent_id or "none"),
        ("idea", clean_line(view.hypothesis, 300) or "–"),
        ("verdict", f"{glyph} {verdict}: {clean_line(view.reason, 300)}"),
        ("score", f"{view.score} of validation papers"),
        ("knobs", knobs or "–"),
        ("commit", view.commit),
        ("tree", view.tree_hash),
    ]
    lines = [line((f"{label:<9}", "bold"), text) for label, text in facts]
    for each in view.evaluations:
        partly = "" if each.is_complete else ", decided before all papers were run"
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
    return line(f"  {clean_line(paper_id, 40)}  ", (f"{glyph} {verdict.value}", style))
