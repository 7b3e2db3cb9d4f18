"""The plan of a run before it begins: what it is expected to cost, and what it can cost at most.

The bound is worked out from the spec alone: every prompt and answer at its limit. The expectation comes from
`experiments/run/expected.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from studbook.evaluate.examples import MAX_CHARACTERS
from studbook.evaluate.papers import SPLIT_NAMES
from studbook.evolve.contracts import PromotionSettings, SearchSettings
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION
from studbook.evolve.policies.implementers.chat import DialogueLimits
from studbook.evolve.prompting import PROMPT_TOKENS
from studbook.experiments.run.bench import box_limits
from studbook.experiments.run.corpus import LoadedPapers
from studbook.experiments.run.execute import promotion_settings, search_settings
from studbook.experiments.run.expected import (
    Forecast,
    PaperCounts,
    count_papers,
    expect,
    expected_totals,
)
from studbook.experiments.run.lengths import unknown_contexts
from studbook.experiments.run.models import is_testbed_endpoint, models_line, role_models
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.lines import TESTBED_MODELS, labelled, notice_line, papers_line
from studbook.experiments.views.text import about_dollars, clean_line, count, dollars
from studbook.harnesses.tree import Manifest
from studbook.llm.contracts import CHARACTERS_PER_TOKEN, EVALUATOR_ROLES, HARNESS_ROLES, META_ROLES, Usage
from studbook.llm.meter import sum_totals


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBounds:
    """Upper bounds. `harness_calls` and `evaluator_calls` are totals over all boxes."""

    seed_boxes: int
    training_boxes: int
    validation_boxes: int
    confirmation_boxes: int
    test_boxes: int
    analyzer_calls: int
    implementer_calls: int
    harness_calls: int
    evaluator_calls: int

    @property
    def boxes(self) -> int:
        search = self.seed_boxes + self.training_boxes + self.validation_boxes
        return search + self.confirmation_boxes + self.test_boxes

    @property
    def calls(self) -> int:
        meta = self.analyzer_calls + self.implementer_calls
        return meta + self.harness_calls + self.evaluator_calls


def bound_costs(
    search: SearchSettings,
    promotion: PromotionSettings,
    papers: Mapping[str, int],
    *,
    harness_calls_per_box: int,
    evaluator_calls_per_box: int,
    dialogue: DialogueLimits | None = None,
    may_guess: bool = False,
) -> CostBounds:
    """`papers`: the number of papers in each split. `may_guess`: papers are started early (`speculation`).

    Of the papers started early only the training papers of a wrong parent are not counted anyway.
    """
    dialogue = dialogue or DialogueLimits()
    validation = papers[VALIDATION]
    seed = validation
    minibatch = min(search.minibatch, papers[TRAIN])
    training = search.iterations * (minibatch * (1 + may_guess) + dialogue.tries + 1)
    both = search.iterations * 2 * validation
    finalists = min(promotion.candidates, search.iterations)
    confirmation = (finalists + 1) * promotion.confirm_replicates * validation if finalists else 0
    test = min(2, finalists + 1) * promotion.test_replicates * papers[TEST]
    boxes = seed + training + both + confirmation + test
    return CostBounds(
        seed_boxes=seed,
        training_boxes=training,
        validation_boxes=both,
        confirmation_boxes=confirmation,
        test_boxes=test,
        analyzer_calls=2 * search.iterations,  # an incomplete analysis is asked for once more
        implementer_calls=search.iterations * dialogue.turns,
        harness_calls=boxes * harness_calls_per_box,
        evaluator_calls=boxes * evaluator_calls_per_box,
    )


INSTRUCTIONS = 8_000
"""Characters; more than any of our prompts has without the text inserted into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """Expected values and upper bounds; `limits` are those of the budget, which may end a run earlier.

    `papers_expected` counts paper-evaluations, `boxes` is their upper bound; `paper_dollars` is what one
    is expected to cost. `slots`: the concurrency of each endpoint in use; `in_flight`: how many calls
    this spec makes at once at most.
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
    plan: CostBounds
    boxes: int
    calls: int
    worst_tokens: int
    worst_dollars: float
    limits: dict[str, float | int | None]


def bounds_of(spec: Spec, papers: LoadedPapers) -> CostBounds:
    evaluator = spec.evaluator
    rollouts = evaluator.weak_rollouts + evaluator.strong_rollouts
    return bound_costs(
        search_settings(spec),
        promotion_settings(spec),
        {name: len(ids) for name, ids in papers.splits.paper_ids().items()},
        harness_calls_per_box=evaluator.calls_per_paper,
        may_guess=spec.speculation > 0,
        # an answer and its marks per rollout; one final check per round; the recheck
        evaluator_calls_per_box=evaluator.max_rounds * (2 * rollouts + 1) + evaluator.confirm * 2 * rollouts,
    )


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
        plan=bounds,
        boxes=bounds.boxes,
        calls=bounds.calls,
        worst_tokens=sum(each.tokens for each in worst),
        worst_dollars=sum(each.dollars for each in worst),
        limits=spec.budget.model_dump(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """Upper bound for the calls of one kind of role."""

    tokens: int
    dollars: float


def worst_usage(spec: Spec, papers: LoadedPapers, bounds: CostBounds) -> tuple[Worst, ...]:
    """Assumes every prompt and answer at its maximum length, and one token per character.

    A harness is limited by its tokens per paper, which its last call may exceed; all of them may be
    completion tokens. Paid replies that were unusable and requested again are not included.
    """
    paper = max(len(each.text) for split in SPLIT_NAMES for each in getattr(papers.splits, split))
    answer = max(role_models(spec)[role].max_tokens for role in EVALUATOR_ROLES)  # the judge reads it
    per_box = spec.evaluator.tokens_per_paper + box_limits(spec.sandbox.limits).frame_bytes
    return (
        _worst_of_harnesses(spec, bounds.boxes * per_box),
        _worst(spec, EVALUATOR_ROLES, bounds.evaluator_calls, paper + MAX_CHARACTERS + answer),
        _worst(spec, ("analyzer",), bounds.analyzer_calls, PROMPT_TOKENS * CHARACTERS_PER_TOKEN),
        _worst(spec, ("implementer",), bounds.implementer_calls, DialogueLimits().prompt_characters),
    )


def _worst(spec: Spec, roles: Sequence[str], calls: int, characters: int) -> Worst:
    """Every call at the price of the most expensive of these roles."""
    usages = [
        Usage(prompt_tokens=characters + INSTRUCTIONS, completion_tokens=role_models(spec)[role].max_tokens)
        for role in roles
    ]
    costs = [role_models(spec)[role].cost_dollars(usage) for role, usage in zip(roles, usages, strict=True)]
    tokens = max(usage.prompt_tokens + usage.completion_tokens for usage in usages)
    return Worst(tokens=calls * tokens, dollars=calls * max(costs))


def _worst_of_harnesses(spec: Spec, tokens: int) -> Worst:
    models = [role_models(spec)[role] for role in HARNESS_ROLES]
    dearest = max(max(each.dollars_per_million_in, each.dollars_per_million_out) for each in models)
    return Worst(tokens=tokens, dollars=tokens * dearest / 1_000_000)


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
        labelled("sandbox", clean_line(view.sandbox, 200)),
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
        f"one paper: {view.paper_calls:.0f} calls, {round_figure(view.paper_tokens)} tokens, "
        f"{about_dollars(view.paper_dollars)}",
    )
    yield labelled(
        "",
        f"about {round_figure(counts.total)} papers: {counts.seed:,.0f} seed, "
        f"{counts.training:,.0f} training, {counts.validation:,.0f} validation, "
        f"{counts.confirmation:,.0f} confirmation, {counts.test:,.0f} sealed test",
    )
    yield labelled("", BASIS, "dim")


def _bounds(view: PlanView) -> Iterator[str]:
    bounds = view.plan
    yield (
        f"at most {dollars(view.worst_dollars)}, if every round were played and every prompt and answer were "
        "at its limit:"
    )
    yield (
        f"{view.calls:,} calls ({bounds.harness_calls:,} by harnesses, {bounds.evaluator_calls:,} by the "
        f"evaluator, {bounds.analyzer_calls:,} by the analyzer, {bounds.implementer_calls:,} by the "
        f"implementer), {view.worst_tokens:,} tokens"
    )
    yield (
        f"in {view.boxes:,} boxes: {bounds.seed_boxes:,} seed, {bounds.training_boxes:,} training, "
        f"{bounds.validation_boxes:,} validation, "
        f"{bounds.confirmation_boxes:,} confirmation, "
        f"{bounds.test_boxes:,} sealed test"
    )
