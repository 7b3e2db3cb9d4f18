"""Greedy selection: the member with the highest score; ties go to the earliest."""

from studbook.populations.population import Population


class Best:
    def select(self, population: Population, seed: int) -> str:  # deterministic
        return max(population.members, key=lambda name: population.score(name).fraction)


plugin = Best
