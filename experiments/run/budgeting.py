"""The plan of a run before it begins: what it is expected to cost, and what it can cost at most.

The bound comes from `bounds.py`, the expectation from `expected.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from studbook.experiments.run.bounds import CostBounds, bounds_of, worst_usage
from studbook.experiments.run.canary import canary_calls, canary_plan
from studbook.experiments.run.corpus import LoadedPapers
from studbook.experiments.run.expected import (
    Forecast,
    PaperCounts,
    count_papers,
    expect,
    expected_totals,
)
from studbook.experiments.run.lengths import unknown_contexts
from studbook.experiments.run.models import is_testbed_endpoint, models_line
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.lines import TESTBED_MODELS, labelled, notice_line, papers_line
from studbook.experiments.views.text import about_dollars, clean_line, count, dollars
from studbook.harnesses.tree import Manifest
from studbook.llm.contracts import META_ROLES
from studbook.llm.meter import sum_totals


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """Expected values and upper bounds; `limits` are those of the budget, which may end a run earlier.

    `papers_expected` counts paper-evaluations, `boxes` is their upper bound; `paper_dollars` is what one
    is expected to cost. `canary`: what is asked before the run, "" for nothing. `slots`: the concurrency of
    each endpoint in use; `in_flight`: how many calls this spec makes at once at most.
    """

    models: str
    sandbox: str
    papers: str
    splits: dict[str, int]
    notes: tuple[str, ...]
    workers: int
    in_flight: int
    slots: dict[str, int]
    expected: Forecast
    papers_expected: PaperCounts
    paper_calls: float
    paper_tokens: float
    paper_dollars: float
    canary: str
    plan: CostBounds
    boxes: int
    calls: int
    worst_tokens: int
    worst_dollars: float
    limits: dict[str, float | int | None]


def calls_in_flight(spec: Spec) -> int:
    """The most calls that a run makes at once: each paper plays rollouts or asks for one thing."""
    rollouts = max(spec.evaluator.weak_rollouts, spec.evaluator.strong_rollouts)
    return spec.workers * rollouts + min(spec.search.lag, spec.workers)


def plan_view(spec: Spec, papers: LoadedPapers, sandbox: str, harness: Manifest) -> PlanView:
    """`harness`: the manifest of the seed."""
    knobs = harness.knob_values
    bounds = bounds_of(spec, papers)
    worst = worst_usage(spec, papers, bounds)
    sizes = {name: len(ids) for name, ids in papers.splits.paper_ids().items()}
    counts = count_papers(spec, sizes)
    totals = expected_totals(spec, papers.splits, knobs)
    by_papers = sum_totals({role: each for role, each in totals.items() if role not in META_ROLES})
    each = 1 / max(1.0, counts.total)
    return PlanView(
        models=models_line(spec, TESTBED_MODELS),
        sandbox=sandbox,
        papers=papers.description,
        splits=sizes,
        notes=(*papers.notes, *unknown_contexts(spec, harness.roles)),
        workers=spec.workers,
        in_flight=calls_in_flight(spec),
        slots={
            name: spec.models.endpoints[name].concurrency
            for name in dict.fromkeys(role.endpoint for role in spec.models.roles.values())
            if not is_testbed_endpoint(spec, name)
        },
        expected=expect(spec, papers.splits, knobs),
        papers_expected=counts,
        paper_calls=by_papers.calls * each,
        paper_tokens=by_papers.tokens * each,
        paper_dollars=by_papers.dollars * each,
        canary=canary_plan(spec) if canary_calls(spec) else "",
        plan=bounds,
        boxes=bounds.boxes,
        calls=bounds.calls,
        worst_tokens=sum(each.tokens for each in worst),
        worst_dollars=sum(each.dollars for each in worst),
        limits=spec.budget.model_dump(),
    )


def round_figure(number: float) -> str:
    """Two significant digits: 12,345 is 12,000."""
    return f"{float(f'{number:.2g}'):,.0f}"


BASIS = (
    "from a measured paper-evaluation of the seed harness, with your rounds, rollouts, papers and prices; "
    "a reasoning model writes several times more. Once the seed is evaluated, the run measures its own"
)


def plan_lines(view: PlanView) -> list[Text]:
    limits = ", ".join(f"{name} {value:,}" for name, value in view.limits.items() if value is not None)
    return [
        labelled("models", clean_line(view.models, 800)),
        labelled("sandbox", clean_line(view.sandbox, 400)),
        papers_line(view.papers, view.splits),
        *(notice_line(note) for note in view.notes),
        *_slots_lines(view),
        *_expected_lines(view),
        labelled("limits", (limits or "none set; see budget in the spec") + _share_of_budget(view)),
        *(Text(f"{'':<9}{text}", "dim") for text in _bounds(view)),
        Text("nothing was run and nothing was written"),
    ]


def _slots_lines(view: PlanView) -> Iterator[Text]:
    for name, slots in view.slots.items():
        more = "; as many workers as slots keep it busy" if view.workers < slots else ""
        yield labelled(
            "slots",
            f"{clean_line(name, 60)} takes {count(slots, 'call')} at once; {count(view.workers, 'worker')} "
            f"make about as many, at most {min(view.in_flight, slots)}{more}",
        )


def _share_of_budget(view: PlanView) -> str:
    budget = view.limits["dollars"]
    if budget is None or view.expected.dollars <= budget:
        return ""
    return f"; the budget probably ends the run at {budget / view.expected.dollars:.0%} of its expected cost"


def _expected_lines(view: PlanView) -> Iterator[Text]:
    found, counts = view.expected, view.papers_expected
    between = f" ({about_dollars(found.low_dollars)} to {about_dollars(found.high_dollars)})"
    cost = f"about {about_dollars(found.dollars)}" + (between if found.dollars else "")
    yield labelled(
        "expected",
        f"{cost}: {round_figure(found.calls)} calls, {round_figure(found.tokens)} tokens",
    )
    yield labelled(
        "",
        f"one paper-evaluation: {view.paper_calls:.0f} calls, {round_figure(view.paper_tokens)} tokens, "
        f"{about_dollars(view.paper_dollars)}",
    )
    yield labelled(
        "",
        f"about {round_figure(counts.total)} paper-evaluations: {counts.seed:,.0f} seed, "
        f"{counts.training:,.0f} training, {counts.validation:,.0f} validation, "
        f"{counts.confirmation:,.0f} confirmation, {counts.test:,.0f} sealed test",
    )
    if view.canary:
        yield labelled("", f"before the run: {view.canary}")
    yield labelled("", BASIS, "dim")


def _bounds(view: PlanView) -> Iterator[str]:
    bounds = view.plan
    yield (
        f"at most {dollars(view.worst_dollars)}, if every round were played, every reply had to be "
        "asked for again and every prompt and answer were at its limit:"
    )
    yield (
        f"{view.calls:,} calls ({bounds.harness_calls:,} by harnesses, {bounds.evaluator_calls:,} by the "
        f"evaluator, {bounds.canary_calls:,} about planted cases, {bounds.analyzer_calls:,} by the "
        f"analyzer, {bounds.implementer_calls:,} by the implementer), {view.worst_tokens:,} tokens"
    )
    yield (
        f"in {view.boxes:,} boxes: {bounds.seed_boxes:,} seed, {bounds.training_boxes:,} training, "
        f"{bounds.validation_boxes:,} validation, "
        f"{bounds.confirmation_boxes:,} confirmation, "
        f"{bounds.test_boxes:,} sealed test"
    )
