"""What a run can cost at most, from the spec alone: every prompt and answer at its limit.

What it is expected to cost is `expected.py`; `budgeting.py` shows both before a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studbook.evaluate.evaluator import TURNS
from studbook.evaluate.examples import MAX_CHARACTERS
from studbook.evaluate.settings import EvaluatorSettings
from studbook.evaluate.splits import SPLIT_NAMES
from studbook.evolve.contracts import PromotionSettings, SearchSettings
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION
from studbook.evolve.policies.implementers.chat import DialogueLimits
from studbook.evolve.prompting import PROMPT_TOKENS
from studbook.experiments.run.bench import box_limits, frozen_settings
from studbook.experiments.run.canary import canary_calls
from studbook.experiments.run.corpus import LoadedPapers
from studbook.experiments.run.execute import promotion_settings, search_settings
from studbook.experiments.run.models import role_models
from studbook.experiments.spec.model import Spec
from studbook.llm.contracts import CHARACTERS_PER_TOKEN, EVALUATOR_ROLES, HARNESS_ROLES, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBounds:
    """Upper bounds. `harness_calls` and `evaluator_calls` are totals over all boxes.

    Counted are replies. Requests that an endpoint refuses or does not answer are not, nor is the judging of a
    paper that is started afresh when a paused run is resumed.
    """

    seed_boxes: int
    training_boxes: int
    validation_boxes: int
    confirmation_boxes: int
    test_boxes: int
    analyzer_calls: int
    implementer_calls: int
    harness_calls: int
    evaluator_calls: int
    canary_calls: int

    @property
    def boxes(self) -> int:
        search = self.seed_boxes + self.training_boxes + self.validation_boxes
        return search + self.confirmation_boxes + self.test_boxes

    @property
    def calls(self) -> int:
        meta = self.analyzer_calls + self.implementer_calls
        return meta + self.harness_calls + self.evaluator_calls + self.canary_calls


def bound_costs(
    search: SearchSettings,
    promotion: PromotionSettings,
    papers: Mapping[str, int],
    *,
    harness_calls_per_box: int,
    evaluator_calls_per_box: int,
    dialogue: DialogueLimits | None = None,
    may_guess: bool = False,
    canary_calls: int = 0,
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
        canary_calls=canary_calls,
    )


def readings(attempts: int) -> int:
    """The most replies that one mark sheet or one final check takes: two series of attempts to get one that
    can be read, and between them as many about the control example.
    """
    return (TURNS + 1) * attempts


def evaluator_calls_per_box(settings: EvaluatorSettings) -> int:
    """An answer and its marks for each rollout, one final check for each round, and the recheck."""
    reading = readings(settings.reading_attempts)
    rollouts = (settings.weak_rollouts + settings.strong_rollouts) * (1 + reading)
    return settings.max_rounds * (rollouts + reading) + settings.confirm * rollouts


def bounds_of(spec: Spec, papers: LoadedPapers) -> CostBounds:
    return bound_costs(
        search_settings(spec),
        promotion_settings(spec),
        {name: len(ids) for name, ids in papers.splits.paper_ids().items()},
        harness_calls_per_box=spec.evaluator.calls_per_paper,
        may_guess=spec.speculation > 0,
        evaluator_calls_per_box=evaluator_calls_per_box(frozen_settings(spec)),
        canary_calls=sum(canary_calls(spec).values()),
    )


INSTRUCTIONS = 8_000
"""Characters; more than any of our prompts has without the text inserted into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """Upper bound for the calls of one kind of role."""

    tokens: int
    dollars: float


def worst_usage(spec: Spec, papers: LoadedPapers, bounds: CostBounds) -> tuple[Worst, ...]:
    """Assumes every prompt and answer at its maximum length, and one token per character.

    A harness is limited by its tokens per paper, which its last call may exceed; all of them may be
    completion tokens. Empty, cut off or garbled replies that the client requests again are not included.
    """
    paper = max(len(each.text) for split in SPLIT_NAMES for each in getattr(papers.splits, split))
    answer = max(role_models(spec)[role].max_tokens for role in EVALUATOR_ROLES)  # the judge reads it
    per_box = spec.evaluator.tokens_per_paper + box_limits(spec.sandbox.limits).frame_bytes
    return (
        _worst_of_harnesses(spec, bounds.boxes * per_box),
        _worst(
            spec,
            EVALUATOR_ROLES,
            bounds.evaluator_calls + bounds.canary_calls,
            paper + MAX_CHARACTERS + answer,
        ),
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
