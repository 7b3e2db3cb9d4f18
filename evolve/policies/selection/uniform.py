"""Uniform selection: every member is equally likely."""

import random

from studbook.populations.population import Population


class Uniform:
    def select(self, population: Population, seed: int) -> str:
        return random.Random(seed).choice(population.members)


plugin = Uniform
