"""report.html: what a run found, in one file that opens offline, on a phone, in the dark.

Pure: views in, HTML out. Everything is escaped on its way in; no script, font, image or link
leaves the file, and a Content-Security-Policy says so. Measures nothing, reads nothing but its stylesheet.
"""

from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import groupby

from experiments.report_chart import chart
from experiments.report_parts import diff_html, failures_html, iterations_html, lineage_html, safe, tree_html
from experiments.run_lines import NOT_SHOWN, TESTBED_MODELS, change_words, confirmed_words, is_shown, spaced
from experiments.run_views import IterationView, LineageStep
from experiments.views import CurvePoint
from populations.diff import ScoreDiff
from populations.family import TreeRow
from studbook.rate import Rate

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """All the report says. `diff` is a unified diff of seed and champion; `failures` are per harness."""

    run: str
    state: str
    models: tuple[tuple[str, str], ...]
    is_testbed: bool
    sandbox: str
    contains_hostile_code: bool
    splits: dict[str, int]
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


SANDBOX_WORDS = {
    True: "a fresh container for every paper, without network, mounts or capabilities",
    False: "a child process for every paper, which is no wall",
}
ENGINE_LACKS = ", on an engine that does not limit memory or processes"
CURVE_LEGEND = (
    '<p class="quiet">Line: the best member so far, all its validation evaluations pooled; band: its 95 % '
    "interval. Filled circles: admitted mutants; crosses: mutants that were not. A mutant's mark is one "
    "evaluation, which may have been stopped once it was decided.</p>"
)


def report_html(view: ReportView) -> str:
    style = resources.files("experiments").joinpath("report.css").read_text(encoding="utf-8")
    sections = [
        _head(view),
        _scores(view),
        _section("Pass rate by iteration", chart(view.curve, view.seed_validation) + CURVE_LEGEND),
        _section("The winning lineage", lineage_html(view.lineage)),
        _section("What changed from the seed to the winner", diff_html(view.diff)),
        _section("Population", tree_html(view.tree)),
        _section("Iterations", iterations_html(view.iterations)),
        _section("Why examples were not accepted", "".join(failures_html(*each) for each in view.failures)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
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
        ("Evaluator", view.evaluator_hash[:16]),
    ]
    body = "".join(f"<dt>{escape(label)}</dt><dd>{safe(text)}</dd>" for label, text in facts)
    warnings = ""
    if view.is_testbed:
        warnings += f'<p class="warning">Models: {escape(TESTBED_MODELS)}.</p>'
    if not view.contains_hostile_code:
        warnings += f'<p class="warning">{escape(_uncontained(view.sandbox))}</p>'
    return f'<header><h1>{safe(view.run)}</h1>{warnings}<dl class="facts">{body}</dl></header>'


def _sandbox_words(view: ReportView) -> str:
    if view.sandbox != "docker":
        return SANDBOX_WORDS[False]
    return SANDBOX_WORDS[True] + ("" if view.contains_hostile_code else ENGINE_LACKS)


def _uncontained(sandbox: str) -> str:
    if sandbox == "docker":
        return (
            "The engine did not limit memory or processes: it does not contain hostile code. "
            "A harness could have taken the whole machine; studbook doctor --deep says what to do."
        )
    return (
        "The process sandbox was used: it does not contain hostile code. "
        "A harness could have read and written what the user could."
    )


def _models(view: ReportView) -> str:
    """Roles that share a model are named together."""
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
    held = f"<br>of these {escape(confirmed_words(confirmed))} on fresh rollouts" if confirmed.n else ""
    return (
        f'<div class="score">{safe(title)}<b>{100 * float(rate.fraction):.1f} %</b>'
        f"{rate.passed} of {rate.n}, 95 % interval {100 * low:.1f}–{100 * high:.1f} %{held}</div>"
    )
