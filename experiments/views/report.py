"""report.html: the results of a run in one file that opens offline, on a phone, in dark mode.

`report_view` reads the run, `report_html` turns the view into escaped HTML with inline SVG. There are no
scripts, fonts, images or external links, and a Content-Security-Policy enforces that. Measures nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import groupby

from studbook.evaluate.splits import SPLIT_NAMES
from studbook.experiments.run.costs import COLUMNS, RoleCost, cost_cells, read_costs, state_of
from studbook.experiments.run.models import uses_only_testbed
from studbook.experiments.run.opening import OpenedRun
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.views.lines import (
    GLYPHS,
    NOT_SHOWN,
    TESTBED_MODELS,
    canary_line,
    change_words,
    confirmed_words,
    is_shown,
    rate_words,
    spaced,
)
from studbook.experiments.views.text import clean_block, clean_line
from studbook.experiments.views.views import (
    CurvePoint,
    IterationView,
    LineageStep,
    champion_reason,
    confirmed_rate,
    curve,
    failure_counts,
    iteration_views,
    lineage_steps,
    near_duplicate_words,
    near_duplicates,
    pooled_rate,
    sealed_difference,
    verdict_counts,
)
from studbook.populations.diff import ScoreDiff, diff_files
from studbook.populations.events import Purpose
from studbook.populations.family import TreeRow, tree_rows
from studbook.populations.population import SEED_ID
from studbook.populations.records import CanaryScore, Verdict
from studbook.rate import Rate

DIFF_LIMIT = 60_000

BEGINNING = b'<!doctype html><html lang="en"><head><meta name="generator" content="Studbook report">'
"""Of every report, and of nothing else: a file that begins so may be replaced."""


def safe(text: str, limit: int = 400) -> str:
    return escape(clean_line(text, limit))


def rate_html(rate: Rate, is_stopped: bool = False) -> str:
    return escape(rate_words(rate, is_stopped))


def lineage_html(steps: tuple[LineageStep, ...]) -> str:
    rows = "".join(
        f"<tr><td>{safe(step.harness_id)}</td><td>{escape(step.kind.value)}</td>"
        f'<td class="idea">{safe(step.hypothesis) or "the harness the run started from"}</td>'
        f'<td class="rate">{rate_html(step.rate, step.is_stopped)}</td></tr>'
        for step in steps
    )
    return _table(("harness", "kind", "hypothesis", "validation"), rows)


def _table(header: tuple[str, ...], rows: str) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in header)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def costs_html(rows: tuple[RoleCost, ...]) -> str:
    if not rows:
        return '<p class="quiet">No model calls yet.</p>'
    cells = ("".join(f"<td>{safe(cell)}</td>" for cell in cost_cells(row)) for row in rows)
    return _table(COLUMNS, "".join(f"<tr>{each}</tr>" for each in cells))


def diff_html(diff: str) -> str:
    if not diff:
        return '<p class="quiet">No changes: the seed is the best harness.</p>'
    shown = clean_block(diff[:DIFF_LIMIT])
    cut = '<p class="quiet">Diff truncated; see studbook diff.</p>' if len(diff) > DIFF_LIMIT else ""
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
        return f"● <b>{safe(row.mutant.harness_id)}</b> the harness the run started from{score}{star}"
    return (
        f'<span class="{row.verdict.value}">{GLYPHS[row.verdict][0]} {escape(spaced(row.verdict))}</span> '
        f"<b>{safe(row.mutant.harness_id)}</b> {safe(row.mutant.hypothesis, 160)}{score}{star}"
    )


def iterations_html(views: tuple[IterationView, ...]) -> str:
    return _table(
        ("#", "parent → mutant", "verdict", "hypothesis and reason", "on validation papers"),
        "".join(map(_row, views)),
    )


def _row(view: IterationView) -> str:
    glyph = GLYPHS[view.verdict][0]
    idea = f"{safe(view.hypothesis)}<br>" if view.hypothesis else ""
    made = safe(view.mutant_id or "no mutant")
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
        return f'<p class="quiet">{safe(harness_id)}: no failures.</p>'
    most, total = max(counts.values()), sum(counts.values())
    bars = "".join(
        f'<span>{safe(spaced(name))}</span><i style="width:{100 * number / most:.0f}%"></i>'
        f"<span>{number}</span>"
        for name, number in counts.items()
    )
    return f'<p><b>{safe(harness_id)}</b>: {total} over all its evaluations</p><div class="bars">{bars}</div>'


WIDTH, HEIGHT = 720, 280
TITLE = "Pass rate on validation papers by iteration: best so far with its 95% CI, and each mutant"
LEFT, RIGHT, TOP, BOTTOM = 72, 14, 20, 38


def chart(points: Sequence[CurvePoint], seed: Rate) -> str:
    """Best so far with its 95% CI as a band; each mutant's own evaluation as a mark."""
    if not points:
        return '<p class="quiet">No iteration has finished yet.</p>'
    last = max(point.iteration for point in points)
    best = [(0, seed), *((point.iteration, point.best) for point in points)]
    return "".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="curve-title">',
            f'<title id="curve-title">{TITLE}</title>',
            *_grid(last),
            _band(best, last),
            _line(best, last),
            *(_mark(point, last) for point in points if point.mutant.n),
            "</svg>",
        ]
    )


def _x(iteration: int, last: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * iteration / max(last, 1)


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _grid(last: int) -> list[str]:
    parts = []
    for percent in (0, 25, 50, 75, 100):
        y = _y(percent / 100)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent}%</text>')
    for iteration in sorted({0, last}):
        x = _x(iteration, last)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{iteration}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 12}" text-anchor="middle">iteration</text>')
    return parts


def _band(best: Sequence[tuple[int, Rate]], last: int) -> str:
    measured = [(iteration, rate.interval()) for iteration, rate in best if rate.n]
    upper = [f"{_x(at, last):.1f},{_y(high):.1f}" for at, (_, high) in measured]
    lower = [f"{_x(at, last):.1f},{_y(low):.1f}" for at, (low, _) in reversed(measured)]
    return f'<polygon class="band" points="{" ".join(upper + lower)}"/>'


def _line(best: Sequence[tuple[int, Rate]], last: int) -> str:
    points = " ".join(f"{_x(at, last):.1f},{_y(float(rate.fraction)):.1f}" for at, rate in best if rate.n)
    return f'<polyline class="best" points="{points}"/>'


def _mark(point: CurvePoint, last: int) -> str:
    """Admitted mutants are filled circles, the others crosses: the shape carries the meaning."""
    x, y = _x(point.iteration, last), _y(float(point.mutant.fraction))
    title = f"<title>iteration {point.iteration}, {point.verdict.value}: {point.mutant}</title>"
    if point.verdict is Verdict.ADMITTED:
        return f'<circle class="admitted" cx="{x:.1f}" cy="{y:.1f}" r="4">{title}</circle>'
    cross = f"M{x - 3:.1f} {y - 3:.1f}l6 6M{x - 3:.1f} {y + 3:.1f}l6 -6"
    return f'<path class="rejected" d="{cross}">{title}</path>'


POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The content of the report. `diff` is a unified diff of seed and best; `failures` are per harness.

    `near_duplicates`: the splits and the paper ids of each group of versions of one paper.
    """

    run: str
    state: str
    models: tuple[tuple[str, str], ...]
    is_testbed: bool
    sandbox: str
    sandbox_reason: str
    isolates_untrusted_code: bool
    canary: tuple[CanaryScore, ...]
    splits: dict[str, int]
    near_duplicates: tuple[tuple[str, tuple[str, ...]], ...]
    evaluator_hash: str
    iterations: tuple[IterationView, ...]
    verdicts: dict[str, int]
    curve: tuple[CurvePoint, ...]
    tree: tuple[TreeRow, ...]
    lineage: tuple[LineageStep, ...]
    best_id: str
    champion_id: str | None
    champion_reason: str
    champion_test: Rate
    seed_test: Rate
    champion_confirmed: Rate
    seed_confirmed: Rate
    test_difference: ScoreDiff | None
    seed_validation: Rate
    diff: str
    failures: tuple[tuple[str, dict[str, int]], ...]
    costs: tuple[RoleCost, ...]


SANDBOX_WORDS = {
    True: "a fresh container for every paper, without network, mounts or capabilities",
    False: "a child process for every paper, which does not isolate untrusted code",
}
ENGINE_LACKS = ", on an engine that does not limit memory or processes"
CURVE_LEGEND = (
    '<p class="quiet">Line: the best harness so far, all its validation evaluations pooled; band: its 95% '
    "CI. Filled circles: admitted mutants; crosses: mutants that were not admitted. Each mark is one "
    "evaluation of a mutant, which may have been stopped early.</p>"
)


def report_html(view: ReportView) -> str:
    style = resources.files("studbook.experiments.views").joinpath("report.css").read_text(encoding="utf-8")
    sections = [
        _head(view),
        _scores(view),
        _section("Pass rate by iteration", chart(view.curve, view.seed_validation) + CURVE_LEGEND),
        _section("Lineage of the best harness", lineage_html(view.lineage)),
        _section("Changes from the seed to the best harness", diff_html(view.diff)),
        _section("Population", tree_html(view.tree)),
        _section("Iterations", iterations_html(view.iterations)),
        _section("Why examples were not accepted", "".join(failures_html(*each) for each in view.failures)),
        _section("Model usage and cost by role", costs_html(view.costs)),
    ]
    return (
        f'{BEGINNING.decode()}<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{safe(view.run)} – Studbook</title><style>{style}</style></head><body>"
        f"{''.join(sections)}</body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _head(view: ReportView) -> str:
    splits = " · ".join(f"{number} {name}" for name, number in view.splits.items())
    verdicts = (
        ", ".join(f"{number} {spaced(name)}" for name, number in view.verdicts.items() if number)
        or "none yet"
    )
    facts = [
        ("State", view.state),
        ("Models", _models(view)),
        ("Sandbox", f"{view.sandbox}: {_sandbox_words(view)}"),
        ("Papers", splits),
        ("Iterations", f"{len(view.iterations)} ({verdicts})"),
        *(("Near-duplicates", text) for text in near_duplicate_words(view.near_duplicates)),
        ("Evaluator", view.evaluator_hash[:16]),
        *(("On planted cases", canary_line(score)) for score in view.canary),
    ]
    body = "".join(f"<dt>{escape(label)}</dt><dd>{safe(text)}</dd>" for label, text in facts)
    warnings = ""
    if view.is_testbed:
        warnings += f'<p class="warning">Models: {escape(TESTBED_MODELS)}.</p>'
    if not view.isolates_untrusted_code:
        warnings += f'<p class="warning">{escape(_uncontained(view.sandbox))}</p>'
    return f'<header><h1>{safe(view.run)}</h1>{warnings}<dl class="facts">{body}</dl></header>'


def _sandbox_words(view: ReportView) -> str:
    if view.sandbox != "docker":
        return SANDBOX_WORDS[False] + (f" (no Docker: {view.sandbox_reason})" if view.sandbox_reason else "")
    return SANDBOX_WORDS[True] + ("" if view.isolates_untrusted_code else ENGINE_LACKS)


def _uncontained(sandbox: str) -> str:
    if sandbox == "docker":
        return (
            "The engine did not limit memory or processes: it does not isolate untrusted code. "
            "A harness could have used up the whole machine; studbook doctor --deep says what to do."
        )
    return (
        "The process sandbox was used: it does not isolate untrusted code. "
        "A harness could have read and written what the user could."
    )


def _models(view: ReportView) -> str:
    """Groups the roles that share a model."""
    ordered = sorted(view.models, key=lambda pair: pair[1])
    grouped = groupby(ordered, key=lambda pair: pair[1])
    return "; ".join(f"{model} ({', '.join(role for role, _ in pairs)})" for model, pairs in grouped)


def _scores(view: ReportView) -> str:
    if view.champion_id is None:
        return f'<p class="quiet">No champion: {safe(view.champion_reason)}</p>'
    cards = [
        _score(
            f"Champion {view.champion_id}, sealed test papers", view.champion_test, view.champion_confirmed
        ),
        _score("Seed, sealed test papers", view.seed_test, view.seed_confirmed),
    ]
    if view.test_difference is not None:
        cards.append(_change(view.test_difference))
    reason = f"Why {view.champion_id}: {view.champion_reason}."
    return f'<div class="scores">{"".join(cards)}</div><p class="quiet">{safe(reason)}</p>'


def _change(score: ScoreDiff) -> str:
    points, _, rest = change_words(score).partition(" (")
    doubt = "" if is_shown(score) else f'<br><span class="doubt">{escape(NOT_SHOWN)}</span>'
    basis = escape(rest.rstrip(")"))
    return f'<div class="score">Change from the seed<b>{escape(points)}</b>{basis}{doubt}</div>'


def _score(title: str, rate: Rate, confirmed: Rate) -> str:
    if not rate.n:
        return f'<div class="score">{safe(title)}<b>–</b>not measured (n=0)</div>'
    low, high = rate.interval()
    held = f"<br>{escape(confirmed_words(confirmed))}" if confirmed.n else ""
    return (
        f'<div class="score">{safe(title)}<b>{100 * float(rate.fraction):.1f}%</b>'
        f"{rate.passed} of {rate.n}, 95% CI {100 * low:.1f}–{100 * high:.1f}{held}</div>"
    )


def report_bytes(run: OpenedRun) -> bytes:
    return report_html(report_view(run)).encode("utf-8")


def report_view(run: OpenedRun) -> ReportView:
    population, start = run.population, run.start
    spec = read_resolved(run.folder.spec)
    best = population.best_id
    champion = population.champion
    return ReportView(
        run=run.folder.name,
        state=state_of(run),
        models=tuple(sorted(start.models.items())),
        is_testbed=uses_only_testbed(spec),
        sandbox=start.sandbox,
        sandbox_reason=start.sandbox_reason,
        canary=start.canary,
        isolates_untrusted_code=start.isolates_untrusted_code,
        splits={name: len(start.splits[name]) for name in SPLIT_NAMES if name in start.splits},
        near_duplicates=near_duplicates(start),
        evaluator_hash=start.evaluator_hash,
        iterations=iteration_views(population, spec.search.iterations),
        verdicts=verdict_counts(population),
        curve=curve(population),
        tree=tree_rows(population),
        lineage=lineage_steps(population, best) if best in population.mutants else (),
        best_id=best,
        champion_id=champion.harness_id if champion else None,
        champion_reason=champion_reason(population),
        champion_test=pooled_rate(population, champion.harness_id if champion else best, Purpose.TEST),
        seed_test=pooled_rate(population, SEED_ID, Purpose.TEST),
        champion_confirmed=confirmed_rate(
            population, champion.harness_id if champion else best, Purpose.TEST
        ),
        seed_confirmed=confirmed_rate(population, SEED_ID, Purpose.TEST),
        test_difference=sealed_difference(population),
        seed_validation=population.as_of(0).tally(SEED_ID).observed,
        diff=winning_diff(run),
        failures=tuple(
            (name, failure_counts(run.evaluations_of(name), name)) for name in dict.fromkeys([SEED_ID, best])
        ),
        costs=read_costs(run),
    )


def winning_diff(run: OpenedRun) -> str:
    """Seed to best as one unified diff; "" if there is nothing to compare."""
    best = run.population.best_id
    if best == SEED_ID or best not in run.population.mutants:
        return ""
    before, after = run.read_tree(SEED_ID), run.read_tree(best)
    parts: list[str] = []
    for file in diff_files(before.files, after.files):
        parts += file.lines or [f"{file.path}: {file.change} (not text)"]
    return "\n".join(parts)
