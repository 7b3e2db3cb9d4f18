"""What a search is told: the numbers of the spec that concern the loop, as one plain value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """`lag`: iteration i selects from the population as it stood after iteration i − lag; part of the spec.

    `patience`: so many iterations in a row without an admission end the search. `knob_share` of the
    iterations mutate knobs only.
    """

    run_seed: int
    iterations: int
    minibatch: int
    lag: int = 1
    temperature: float = 0.1
    knob_share: float = 0.2
    full_scores: bool = True
    racing: bool = True
    patience: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionSettings:
    """How the champion is chosen. `shrinkage`: papers' worth of the seed's rate mixed into each rate."""

    candidates: int = 4
    confirm_replicates: int = 4
    test_replicates: int = 8
    shrinkage: int = 25
