"""Proposes values for numeric knobs with an Optuna sampler that has seen all evaluations.

The sampler's study (`evolve/policies/knob_study.py`) represents the population in Optuna, so a proposal
depends only on the snapshot and the seed. `harnesses/` writes the values into a manifest, and the loop
decides about the mutant. Optuna is imported with the first proposal.
"""

from collections.abc import Sequence
from random import Random
from threading import Lock
from typing import TYPE_CHECKING

from studbook.evolve.contracts import IsNew
from studbook.harnesses.tree import Knob
from studbook.populations.population import Population

if TYPE_CHECKING:
    from studbook.evolve.policies.knob_study import KnobStudy

MAX_TURNED = 2
"""How many knobs a proposal changes at most: small steps show which change helped."""

ASKS = 8
REDRAWS = 100
"""How often the sampler is asked for a new harness, and then how often one knob of the parent is redrawn."""

MEMORY = 400

Space = tuple[tuple[str, float, float, bool], ...]


class KnobSampler:
    """Proposes values. Caches its studies, so only new evaluations cost time. Thread-safe.

    A proposal depends on the population and the seed alone: the sampler is seeded anew for each, and a
    population older than a study's data gets a study of its own.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._studies: dict[Space, KnobStudy] = {}

    def propose(
        self, knobs: Sequence[Knob], population: Population, seed: int, is_new: IsNew
    ) -> dict[str, float]:
        """Values for all knobs, one or two of them changed, that give a new harness; {} if none are found."""
        free = [knob for knob in knobs if knob.low < knob.high]
        if not free:
            return {}
        current = {knob.name: knob.fit(knob.value) for knob in knobs}
        refused = [current]
        random = Random(seed)
        with self._lock:
            sampler = self._feed(knobs, population).sampler(seed)
            for attempt in range(ASKS + REDRAWS):
                turned = random.sample(free, min(len(free), random.randint(1, MAX_TURNED)))
                changes = sampler.draw(turned) if attempt < ASKS else _redraw(free, random)
                proposed = {**current, **changes}
                if proposed not in refused and is_new(proposed):
                    return proposed
                refused.append(proposed)
        return {}

    def _feed(self, knobs: Sequence[Knob], population: Population) -> "KnobStudy":
        from studbook.evolve.policies.knob_study import KnobStudy

        space = tuple((knob.name, knob.low, knob.high, knob.is_integer) for knob in knobs)
        known = self._studies.get(space)
        first = first_remembered(population)
        is_older = known is not None and known.read > len(population.evaluations)
        if known is None or is_older or known.first != first:
            known = KnobStudy(knobs, first)
            if not is_older:
                self._studies[space] = known
        known.feed(population)
        return known


def first_remembered(population: Population) -> int:
    """The sampler ignores evaluations before this one, because a proposal's cost grows with their number.

    It uses MEMORY to 2 × MEMORY of them, depending only on the population: a resumed run proposes the same.
    """
    return max(0, len(population.evaluations) // MEMORY - 1) * MEMORY


def _redraw(knobs: Sequence[Knob], random: Random) -> dict[str, float]:
    """One knob with a value different from its current one."""
    knob = knobs[random.randrange(len(knobs))]
    if knob.is_integer:
        drawn = int(knob.low) + random.randrange(int(knob.high) - int(knob.low))
        return {knob.name: drawn + (drawn >= knob.value)}  # every value except the current one
    middle = (knob.low + knob.high) / 2
    low, high = (knob.low, middle) if knob.value > middle else (middle, knob.high)
    return {knob.name: knob.fit(low + (high - low) * (0.25 + 0.75 * random.random()))}


plugin = KnobSampler
