"""Which member becomes the next parent.

A selector is a pure function of the population, a temperature and a seed: the same three give the same parent
on any machine. Only members (the seed and the admitted) can be chosen.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

from studbook.errors import SpecError
from studbook.populations.population import Population

Selector = Callable[[Population, float, int], str]
"""(population, temperature, seed) -> harness id; raises SpecError for a temperature that makes no sense."""


def boltzmann(population: Population, temperature: float, seed: int) -> str:
    """P ∝ exp(score / temperature), the score being the pooled validation rate as a share in [0, 1]."""
    shares = probabilities([_share(population, name) for name in population.members], temperature)
    return random.Random(seed).choices(population.members, weights=shares)[0]


def probabilities(scores: Sequence[float], temperature: float) -> list[float]:
    """The Boltzmann distribution; stable for any temperature, because the best weight is always 1."""
    if not temperature > 0:
        raise SpecError(
            f"the temperature is {temperature}; it must be greater than 0 (the published one is 0.1)"
        )
    best = max(scores)
    weights = [math.exp((score - best) / temperature) for score in scores]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def uniform(population: Population, temperature: float, seed: int) -> str:  # noqa: ARG001  # a Selector
    """Every member alike; the temperature is not used."""
    return random.Random(seed).choice(population.members)


def best(population: Population, temperature: float, seed: int) -> str:  # noqa: ARG001  # a Selector
    """The member with the highest score, the earliest of several; neither temperature nor seed is used."""
    return max(population.members, key=lambda name: population.score(name).fraction)


SELECTORS: Mapping[str, Selector] = MappingProxyType(
    {"boltzmann": boltzmann, "uniform": uniform, "best": best}
)


def get_selector(name: str) -> Selector:
    """Raises SpecError with the nearest name for one that is not known."""
    if name in SELECTORS:
        return SELECTORS[name]
    near = get_close_matches(name, SELECTORS, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(SELECTORS)}."
    raise SpecError(f"there is no selection named {name!r}. {hint}")


def _share(population: Population, name: str) -> float:
    rate = population.score(name)
    return rate.passed / rate.n if rate.n else 0.0
