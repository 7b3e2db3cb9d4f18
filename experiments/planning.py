"""`--dry-run`: what a run would do at most, before it costs anything."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from evaluate.examples import MAX_CHARACTERS
from evaluate.splits import SPLIT_NAMES
from evolve.analyzer import CHARACTERS_PER_TOKEN, PROMPT_TOKENS
from evolve.implementer import DialogueLimits
from evolve.plan import Plan, plan
from experiments.bench import box_limits
from experiments.carrying_out import promotion_settings, search_settings
from experiments.corpus import LoadedPapers, skipped_note
from experiments.models import models_line, role_models
from experiments.run_lines import TESTBED_MODELS, labelled, notice_line, papers_line
from experiments.spec import Spec
from experiments.text import clean_line, dollars
from studbook.llm.contracts import EVALUATOR_ROLES, HARNESS_ROLES, Usage

INSTRUCTIONS = 8_000
"""Characters; more than any of our prompts has beside what is put into it."""


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
    worst_tokens: int
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
    worst = worst_usage(spec, papers, bounds)
    return PlanView(
        models=models_line(spec, TESTBED_MODELS),
        sandbox=sandbox,
        papers=papers.description,
        splits={name: len(ids) for name, ids in papers.splits.paper_ids().items()},
        skipped=skipped_note(papers.skipped),
        plan=bounds,
        boxes=bounds.boxes,
        calls=bounds.calls,
        worst_tokens=sum(each.tokens for each in worst),
        worst_dollars=sum(each.dollars for each in worst),
        limits=spec.budget.model_dump(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """What the calls of one kind of role can come to."""

    tokens: int
    dollars: float


def worst_usage(spec: Spec, papers: LoadedPapers, bounds: Plan) -> tuple[Worst, ...]:
    """Every prompt and every answer as long as it may be, a token for each character.

    A harness is held by the tokens of its paper, which its last call may pass; all of them may be answers.
    Not in it: answers that were paid for and had to be asked for again.
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
    """Each call at the dearest of these roles."""
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
        labelled("tokens", f"at most {view.worst_tokens:,}, every prompt and answer at its limit"),
        labelled("cost", f"at most {dollars(view.worst_dollars)} for them at the spec's prices"),
        labelled("limits", limits or "none set; see budget in the spec"),
        Text("nothing was run and nothing was written"),
    ]
