"""`--dry-run`: what a run would do at most, before it costs anything."""

from dataclasses import dataclass

from rich.text import Text

from evolve.plan import Plan, plan
from experiments.carrying_out import promotion_settings, search_settings
from experiments.corpus import LoadedPapers, skipped_note
from experiments.models import models_line, role_models
from experiments.run_lines import TESTBED_MODELS, labelled, notice_line, papers_line
from experiments.spec import Spec
from experiments.text import clean_line, dollars
from studbook.llm.contracts import EVALUATOR_ROLES, HARNESS_ROLES

CONTEXT_TOKENS = 16_000
"""What a call is taken to send at most, for the worst case in dollars: a paper with its instructions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """Upper bounds; `limits` are the budget's own, which end a run earlier."""

    models: str
    sandbox: str
    papers: str
    splits: dict[str, int]
    skipped: str
    plan: Plan
    boxes: int
    calls: int
    worst_dollars: float
    limits: dict[str, float | int | None]


def plan_of(spec: Spec, papers: LoadedPapers) -> Plan:
    evaluator = spec.evaluator
    rollouts = evaluator.weak_rollouts + evaluator.strong_rollouts
    return plan(
        search_settings(spec),
        promotion_settings(spec),
        {name: len(ids) for name, ids in papers.splits.paper_ids().items()},
        harness_calls_per_box=evaluator.calls_per_paper,
        # of each rollout an answer and its marks; one final check a round; the confirmation
        evaluator_calls_per_box=evaluator.max_rounds * (2 * rollouts + 1) + evaluator.confirm * 2 * rollouts,
    )


def plan_view(spec: Spec, papers: LoadedPapers, sandbox: str) -> PlanView:
    bounds = plan_of(spec, papers)
    return PlanView(
        models=models_line(spec, TESTBED_MODELS),
        sandbox=sandbox,
        papers=papers.description,
        splits={name: len(ids) for name, ids in papers.splits.paper_ids().items()},
        skipped=skipped_note(papers.skipped),
        plan=bounds,
        boxes=bounds.boxes,
        calls=bounds.calls,
        worst_dollars=worst_dollars(spec, bounds),
        limits=spec.budget.model_dump(),
    )


def worst_dollars(spec: Spec, bounds: Plan) -> float:
    """Every call at the dearest price of its kind of role, with a full context and a full answer."""
    models = role_models(spec)

    def dearest(*roles: str) -> float:
        return max(
            (
                CONTEXT_TOKENS * models[role].dollars_per_million_in
                + models[role].max_tokens * models[role].dollars_per_million_out
            )
            / 1_000_000
            for role in roles
        )

    return (
        bounds.harness_calls * dearest(*HARNESS_ROLES)
        + bounds.evaluator_calls * dearest(*EVALUATOR_ROLES)
        + bounds.analyzer_calls * dearest("analyzer")
        + bounds.implementer_calls * dearest("implementer")
    )


def plan_lines(view: PlanView) -> list[Text]:
    limits = ", ".join(f"{name} {value:,}" for name, value in view.limits.items() if value is not None)
    bounds = view.plan
    return [
        labelled("models", clean_line(view.models, 800)),
        labelled("sandbox", clean_line(view.sandbox, 200)),
        papers_line(view.papers, view.splits),
        *([notice_line(view.skipped)] if view.skipped else []),
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
        labelled("cost", f"at most {dollars(view.worst_dollars)} at the spec's prices"),
        labelled("limits", limits or "none set; see budget in the spec"),
        Text("nothing was run and nothing was written"),
    ]
