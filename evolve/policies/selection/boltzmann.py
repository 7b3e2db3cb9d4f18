"""Boltzmann selection: P ∝ exp(score / temperature), as published with T = 0.1 (arXiv 2606.25996)."""

import math
import random
from collections.abc import Sequence

from studbook.errors import SpecError
from studbook.populations.population import Population


class Boltzmann:
    """The score is the pooled validation pass rate in [0, 1]."""

    def __init__(self, temperature: float = 0.1) -> None:
        self._temperature = temperature

    def select(self, population: Population, seed: int) -> str:
        shares = probabilities([_share(population, name) for name in population.members], self._temperature)
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


def _share(population: Population, name: str) -> float:
    rate = population.score(name)
    return rate.passed / rate.n if rate.n else 0.0


plugin = Boltzmann
