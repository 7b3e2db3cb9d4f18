"""How much of a score was luck: a harness's old results beside new ones on the same papers.

Pure arithmetic. What was selected because it scored high was, on average, also lucky; measured again with
fresh luck the score falls back. That fall is the luck. Whether it is shown, its interval says.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from studbook.populations.statistics import shrunk_rate, unpaired_interval
from studbook.rate import NO_RATE, Rate

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """`luck` is old − new, with its 95 % interval; `share` is luck as a share of the old score.

    Papers count alike in `luck`, however often each was run. `expected` is the old score shrunk towards the
    seed's: what to expect of a fresh measurement before making one. `share` and its interval are None when
    the old score is 0; `expected` is None for the seed, which nothing shrinks towards.
    """

    harness_id: str
    papers: int
    replicates: int
    old: Rate
    new: Rate
    luck: Fraction
    interval: tuple[float, float]
    share: float | None
    share_interval: tuple[float, float] | None
    expected: Fraction | None
    is_stopped: bool

    @property
    def is_shown(self) -> bool:
        return self.interval[0] > 0 or self.interval[1] < 0


def find_luck(
    harness_id: str,
    old: Mapping[str, Rate],
    new: Mapping[str, Rate],
    *,
    replicates: int,
    seed: Rate | None,
    strength: int,
    is_stopped: bool,
) -> Luck:
    """`old`, `new`: by paper, the same papers. `seed`: the old rate of the seed; `strength` is the spec's."""
    pairs = [(old[paper], new[paper]) for paper in sorted(old.keys() & new.keys())]
    before = sum((one for one, _ in pairs), NO_RATE)
    after = sum((two for _, two in pairs), NO_RATE)
    falls = [one.fraction - two.fraction for one, two in pairs]
    luck = sum(falls, Fraction(0)) / len(falls) if falls else Fraction(0)
    interval = mean_interval(falls) if len(falls) != 1 else unpaired_interval(after, before)
    score = sum((one.fraction for one, _ in pairs), Fraction(0)) / len(pairs) if pairs else Fraction(0)
    return Luck(
        harness_id=harness_id,
        papers=len(pairs),
        replicates=replicates,
        old=before,
        new=after,
        luck=luck,
        interval=interval,
        share=float(luck / score) if score else None,
        share_interval=(interval[0] / float(score), interval[1] / float(score)) if score else None,
        expected=None if seed is None else shrunk_rate(before, seed, strength),
        is_stopped=is_stopped,
    )


def mean_interval(differences: list[Fraction]) -> tuple[float, float]:
    """95 % of the mean of paired differences, each in [-1, 1].

    Wald with two made-up pairs, split as (+1, 0, 0, −1) halves: for pairs that ran once on each side this is
    Agresti and Min's (2005) interval, as `populations/statistics.py` has it; and it is never empty.
    """
    n = len(differences) + 2
    mean = float(sum(differences, Fraction(0))) / n
    square = (float(sum((each * each for each in differences), Fraction(0))) + 1.0) / n
    half = Z95 * math.sqrt(max(0.0, square - mean * mean) / n)
    return max(-1.0, mean - half), min(1.0, mean + half)
