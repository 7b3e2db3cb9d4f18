"""The tables, trees, diffs and bars of report.html: views in, escaped markup out."""

from html import escape

from experiments.costs import COLUMNS, RoleCost, cost_cells
from experiments.run_lines import GLYPHS, rate_words, spaced
from experiments.run_views import IterationView, LineageStep
from experiments.text import clean_block, clean_line
from populations.family import TreeRow
from studbook.rate import Rate

DIFF_LIMIT = 60_000


def safe(text: str, limit: int = 400) -> str:
    return escape(clean_line(text, limit))


def rate_html(rate: Rate, is_stopped: bool = False) -> str:
    return escape(rate_words(rate, is_stopped))


def lineage_html(steps: tuple[LineageStep, ...]) -> str:
    rows = "".join(
        f"<tr><td>{safe(step.harness_id)}</td><td>{escape(step.kind.value)}</td>"
        f'<td class="idea">{safe(step.hypothesis) or "the harness the run began with"}</td>'
        f'<td class="rate">{rate_html(step.rate, step.is_stopped)}</td></tr>'
        for step in steps
    )
    return _table(("harness", "kind", "idea", "validation"), rows)


def _table(header: tuple[str, ...], rows: str) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in header)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def costs_html(rows: tuple[RoleCost, ...]) -> str:
    if not rows:
        return '<p class="quiet">Nothing yet.</p>'
    cells = ("".join(f"<td>{safe(cell)}</td>" for cell in cost_cells(row)) for row in rows)
    return _table(COLUMNS, "".join(f"<tr>{each}</tr>" for each in cells))


def diff_html(diff: str) -> str:
    if not diff:
        return '<p class="quiet">Nothing: the winner is the seed itself.</p>'
    shown = clean_block(diff[:DIFF_LIMIT])
    cut = (
        '<p class="quiet">The diff goes on; see git diff in lineage.git.</p>'
        if len(diff) > DIFF_LIMIT
        else ""
    )
    return f"<pre>{chr(10).join(map(_diff_line, shown.splitlines()))}</pre>{cut}"


def _diff_line(text: str) -> str:
    for start, kind in (("+++", "head"), ("---", "head"), ("@@", "head"), ("+", "add"), ("-", "del")):
        if text.startswith(start):
            return f'<span class="{kind}">{escape(text)}</span>'
    return escape(text)


def tree_html(rows: tuple[TreeRow, ...]) -> str:
    parts, depth = ['<ul class="tree">'], 0
    for number, row in enumerate(rows):
        if row.depth > depth:
            parts.append("<ul>" * (row.depth - depth))
        elif number:
            parts.append("</li>" + "</ul></li>" * (depth - row.depth))
        depth = row.depth
        parts.append(f"<li>{_tree_words(row)}")
    return "".join(parts) + "</li></ul>" * (depth + 1)


def _tree_words(row: TreeRow) -> str:
    score = f' <span class="quiet">{rate_html(row.rate, row.is_stopped)}</span>' if row.rate.n else ""
    star = ' <b class="admitted">★ best</b>' if row.is_best else ""
    if row.verdict is None:
        return f"● <b>{safe(row.mutant.harness_id)}</b> the harness the run began with{score}{star}"
    return (
        f'<span class="{row.verdict.value}">{GLYPHS[row.verdict][0]} {escape(spaced(row.verdict))}</span> '
        f"<b>{safe(row.mutant.harness_id)}</b> {safe(row.mutant.hypothesis, 160)}{score}{star}"
    )


def iterations_html(views: tuple[IterationView, ...]) -> str:
    return _table(
        ("#", "parent → mutant", "verdict", "idea and reason", "on validation papers"),
        "".join(map(_row, views)),
    )


def _row(view: IterationView) -> str:
    glyph = GLYPHS[view.verdict][0]
    idea = f"{safe(view.hypothesis)}<br>" if view.hypothesis else ""
    made = safe(view.mutant_id or "nothing made")
    return (
        f"<tr><td>{view.iteration}</td><td>{safe(view.parent_id)} → {made}</td>"
        f'<td class="verdict {view.verdict.value}">{glyph} {escape(spaced(view.verdict))}</td>'
        f'<td class="idea">{idea}<span class="quiet">{safe(view.reason)}</span></td>'
        f'<td class="rate">{_rates(view)}</td></tr>'
    )


def _rates(view: IterationView) -> str:
    if not view.mutant_rate.n:
        return "not evaluated"
    return f"mutant {rate_html(view.mutant_rate)}<br>parent {rate_html(view.parent_rate)}"


def failures_html(harness_id: str, counts: dict[str, int]) -> str:
    if not counts:
        return f'<p class="quiet">{safe(harness_id)}: nothing failed.</p>'
    most, total = max(counts.values()), sum(counts.values())
    bars = "".join(
        f'<span>{safe(spaced(name))}</span><i style="width:{100 * number / most:.0f}%"></i>'
        f"<span>{number}</span>"
        for name, number in counts.items()
    )
    return f'<p><b>{safe(harness_id)}</b>: {total} in all its evaluations</p><div class="bars">{bars}</div>'
