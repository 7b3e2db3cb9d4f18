"""The worst case of a run before it starts: boxes and model calls, for `--dry-run`. Pure arithmetic.

Worst means: nothing fails a gate, nothing is raced, each dialogue uses all its turns and tries, each box its
whole budget of calls. Prices are the caller's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.implementer import DialogueLimits
from evolve.measuring import TEST, TRAIN, VALIDATION
from evolve.settings import PromotionSettings, SearchSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Upper bounds. `harness_calls` and `evaluator_calls` are those of all boxes together."""

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


def plan(
    search: SearchSettings,
    promotion: PromotionSettings,
    papers: Mapping[str, int],
    *,
    harness_calls_per_box: int,
    evaluator_calls_per_box: int,
    dialogue: DialogueLimits | None = None,
) -> Plan:
    """`papers`: how many each split has."""
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
    return Plan(
        seed_boxes=seed,
        training_boxes=training,
        validation_boxes=both,
        confirmation_boxes=confirmation,
        test_boxes=test,
        analyzer_calls=search.iterations,
        implementer_calls=search.iterations * dialogue.turns,
        harness_calls=boxes * harness_calls_per_box,
        evaluator_calls=boxes * evaluator_calls_per_box,
    )
