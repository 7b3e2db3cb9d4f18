"""Luck that is derived, never drawn: every chance of the testbed comes from the request's seed and a label.

The text of a prompt takes no part in it, so two harnesses whose prompts ask for the same things meet the
same luck (common random numbers), and a sentence that asks for nothing changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from studbook.identity import derive_seed

_RANGE = 2**31
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Luck:
    seed: int

    def uniform(self, label: str, number: int = 0) -> float:
        """A number in [0, 1), always the same for the same label and number."""
        return derive_seed(self.seed, label, number) / _RANGE

    def happens(self, probability: float, label: str, number: int = 0) -> bool:
        return self.uniform(label, number) < probability

    def between(self, low: int, high: int, label: str, number: int = 0) -> int:
        """An integer with low <= value <= high."""
        return low + int(self.uniform(label, number) * (high - low + 1))

    def pick(self, options: Sequence[T], label: str, number: int = 0) -> T:
        return options[int(self.uniform(label, number) * len(options))]
