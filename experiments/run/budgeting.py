"""What a run is expected to cost, and what it can cost at most, before it begins.

The bound is worked out from the spec, the expectation from the spec and a measured run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rich.text import Text

from studbook.evaluate.examples import MAX_CHARACTERS
from studbook.evaluate.papers import SPLIT_NAMES
from studbook.evolve.contracts import PromotionSettings, SearchSettings
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION
from studbook.evolve.policies.implementers.chat import DialogueLimits
from studbook.evolve.prompting import PROMPT_TOKENS
from studbook.experiments.run.bench import box_limits
from studbook.experiments.run.corpus import LoadedPapers, skipped_note
from studbook.experiments.run.execute import promotion_settings, search_settings
from studbook.experiments.run.models import models_line, role_models
from studbook.experiments.spec.model import EvaluatorSpec, Spec
from studbook.experiments.views.lines import TESTBED_MODELS, labelled, notice_line, papers_line
from studbook.experiments.views.text import clean_line, dollars
from studbook.llm.contracts import CHARACTERS_PER_TOKEN, EVALUATOR_ROLES, HARNESS_ROLES, META_ROLES, Usage
from studbook.llm.meter import Totals, sum_totals


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
) -> CostBounds:
    """`papers`: the number of papers in each split."""
    dialogue = dialogue or DialogueLimits()
    validation = papers[VALIDATION]
    seed = validation
    minibatch = min(search.minibatch, papers[TRAIN])
    training = search.iterations * (minibatch + dialogue.tries + 1)
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
    """Upper bounds and expected values; `limits` are those of the budget, which may end a run earlier."""

    models: str
    sandbox: str
    papers: str
    splits: dict[str, int]
    skipped: str
    plan: CostBounds
    boxes: int
    calls: int
    expected_calls: int
    expected_tokens: int
    expected_dollars: float
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
        # an answer and its marks per rollout; one final check per round; the recheck
        evaluator_calls_per_box=evaluator.max_rounds * (2 * rollouts + 1) + evaluator.confirm * 2 * rollouts,
    )


def plan_view(spec: Spec, papers: LoadedPapers, sandbox: str) -> PlanView:
    bounds = bounds_of(spec, papers)
    worst = worst_usage(spec, papers, bounds)
    expected = sum_totals(expected_usage(spec, papers, bounds))
    return PlanView(
        models=models_line(spec, TESTBED_MODELS),
        sandbox=sandbox,
        papers=papers.description,
        splits={name: len(ids) for name, ids in papers.splits.paper_ids().items()},
        skipped=skipped_note(papers.skipped),
        plan=bounds,
        boxes=bounds.boxes,
        calls=bounds.calls,
        expected_calls=expected.calls,
        expected_tokens=expected.tokens,
        expected_dollars=expected.dollars,
        worst_tokens=sum(each.tokens for each in worst),
        worst_dollars=sum(each.dollars for each in worst),
        limits=spec.budget.model_dump(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Typical:
    """`calls` per box (analyzer and implementer: per iteration), and tokens per call."""

    calls: float
    prompt_tokens: int
    completion_tokens: int
    reads_paper: bool = False


TYPICAL: Mapping[str, Typical] = MappingProxyType(
    {
        "challenger": Typical(calls=7.5, prompt_tokens=600, completion_tokens=1100, reads_paper=True),
        "verifier": Typical(calls=4.8, prompt_tokens=1250, completion_tokens=200),
        "orchestrator": Typical(calls=0.0, prompt_tokens=600, completion_tokens=200),
        "weak": Typical(calls=9.7, prompt_tokens=500, completion_tokens=400),
        "strong": Typical(calls=8.2, prompt_tokens=500, completion_tokens=400, reads_paper=True),
        "judge": Typical(calls=18.8, prompt_tokens=1150, completion_tokens=200),
        "final_verifier": Typical(calls=0.6, prompt_tokens=1700, completion_tokens=200, reads_paper=True),
        "analyzer": Typical(calls=0.8, prompt_tokens=70_000, completion_tokens=1000),
        "implementer": Typical(calls=2.0, prompt_tokens=4100, completion_tokens=1000),
    }
)
"""Measured over the 263 boxes of one quickstart run (seed 1, the testbed) with three rollouts per solver.
The testbed's terse replies (marks, verdicts, edits) are counted at the usual length of a language model's."""


BOXES_RUN = 0.68
"""The fraction of the possible boxes that this run executed; gates and racing saved the others."""


BASIS = "calls and tokens per paper as in a quickstart run, your papers' length, your prices"


def expected_usage(spec: Spec, papers: LoadedPapers, bounds: CostBounds) -> dict[str, Totals]:
    """By role: an order of magnitude, not a bound. Reasoning models write several times more."""
    every = [paper for split in SPLIT_NAMES for paper in getattr(papers.splits, split)]
    paper = sum(len(each.text) for each in every) // len(every) // CHARACTERS_PER_TOKEN
    rounds = spec.evaluator.max_rounds / EvaluatorSpec().max_rounds
    rollouts = {"weak": spec.evaluator.weak_rollouts / 3, "strong": spec.evaluator.strong_rollouts / 3}
    rollouts["judge"] = (rollouts["weak"] + rollouts["strong"]) / 2
    found = {}
    for role, typical in TYPICAL.items():
        is_meta = role in META_ROLES
        times = spec.search.iterations if is_meta else bounds.boxes * BOXES_RUN * rounds
        calls = round(typical.calls * times * rollouts.get(role, 1.0))
        usage = Usage(
            prompt_tokens=calls * (typical.prompt_tokens + paper * typical.reads_paper),
            completion_tokens=calls * typical.completion_tokens,
        )
        found[role] = Totals(calls=calls, usage=usage, dollars=role_models(spec)[role].cost_dollars(usage))
    return found


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


def round_figure(number: int) -> str:
    """Two significant digits: 12,345 is 12,000."""
    digits = max(0, len(str(number)) - 2)
    return f"{round(number, -digits):,}"


def plan_lines(view: PlanView) -> list[Text]:
    limits = ", ".join(f"{name} {value:,}" for name, value in view.limits.items() if value is not None)
    bounds = view.plan
    return [
        labelled("models", clean_line(view.models, 800)),
        labelled("sandbox", clean_line(view.sandbox, 200)),
        papers_line(view.papers, view.splits),
        *([notice_line(view.skipped)] if view.skipped else []),
        labelled(
            "expected",
            f"about {dollars(view.expected_dollars)}: {round_figure(view.expected_calls)} calls, "
            f"{round_figure(view.expected_tokens)} tokens ({BASIS})",
        ),
        labelled(
            "boxes",
            f"at most {view.boxes:,}: {bounds.seed_boxes:,} seed, {bounds.training_boxes:,} training, "
            f"{bounds.validation_boxes:,} validation, {bounds.confirmation_boxes:,} confirmation, "
            f"{bounds.test_boxes:,} sealed test",
        ),
        labelled(
            "calls",
            f"at most {view.calls:,}: {bounds.harness_calls:,} by harnesses, "
            f"{bounds.evaluator_calls:,} by the evaluator, {bounds.analyzer_calls:,} by the analyzer, "
            f"{bounds.implementer_calls:,} by the implementer",
        ),
        labelled("tokens", f"at most {view.worst_tokens:,}, if every prompt and answer were at its limit"),
        labelled("cost", f"at most {dollars(view.worst_dollars)}, for that many tokens at the spec's prices"),
        labelled("limits", limits or "none set; see budget in the spec"),
        Text("nothing was run and nothing was written"),
    ]
