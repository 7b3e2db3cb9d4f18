"""Greedy selection: the member with the highest score, the earliest of several."""

from studbook.populations.population import Population


class Best:
    def select(self, population: Population, seed: int) -> str:  # nothing is drawn
        return max(population.members, key=lambda name: population.score(name).fraction)


plugin = Best
