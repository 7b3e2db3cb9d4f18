"""Compares the rates of two harnesses: shrinkage, intervals and tests.

Pure arithmetic on counts, exact where the definition is. Decides nothing: `evolve/` admits mutants and
chooses champions.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from studbook.rate import Z95, Rate


def shrunk_rate(rate: Rate, prior: Rate, strength: int) -> Fraction:
    """The mean of the beta-binomial posterior, (passed + s·p) / (n + s).

    With a Beta(s·p, s·(1 − p)) prior of mean p = `prior.fraction` and weight s = `strength` papers, `passed`
    of `n` lead to this mean (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4; as empirical Bayes
    in Efron and Morris 1975). A prior without observations counts as a half.
    """
    if strength < 0:
        raise ValueError(f"strength is a number of papers, not {strength}")
    mean = prior.fraction if prior.n else Fraction(1, 2)
    if rate.n + strength == 0:
        return mean
    return (rate.passed + strength * mean) / (rate.n + strength)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Two harnesses on the same (paper, replicate) pairs: counts of each combination of outcomes."""

    both: int = 0
    only_first: int = 0
    only_second: int = 0
    neither: int = 0

    @property
    def n(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def first(self) -> Rate:
        return Rate(self.both + self.only_first, self.n)

    @property
    def second(self) -> Rate:
        return Rate(self.both + self.only_second, self.n)

    @property
    def difference(self) -> Fraction:
        """second − first."""
        return self.second.fraction - self.first.fraction

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Interval of `difference`: Wald, 1/2 added to each cell (Agresti and Min 2005); (-1, 1) if n = 0."""
        if self.n == 0:
            return -1.0, 1.0
        n = self.n + 2
        gained, lost = (self.only_second + 0.5) / n, (self.only_first + 0.5) / n
        half = z * math.sqrt((gained + lost - (gained - lost) ** 2) / n)
        return max(-1.0, gained - lost - half), min(1.0, gained - lost + half)

    @property
    def p_value(self) -> float:
        """Two-sided exact McNemar test, a sign test on the pairs that differ (McNemar 1947)."""
        return sign_test(self.only_second, self.only_first)


def sign_test(wins: int, losses: int) -> float:
    """P of a split at least as uneven if both outcomes are equally likely; 1.0 if there are none."""
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(min(wins, losses) + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 2**n)))


def unpaired_interval(first: Rate, second: Rate) -> tuple[float, float]:
    """Interval of second − first for independent samples: Newcombe's hybrid Wilson (1998, method 10)."""
    if not first.n or not second.n:
        return -1.0, 1.0
    p1, p2 = float(first.fraction), float(second.fraction)
    (low1, high1), (low2, high2) = first.interval(), second.interval()
    down = math.hypot(p2 - low2, high1 - p1)
    up = math.hypot(high2 - p2, p1 - low1)
    return max(-1.0, p2 - p1 - down), min(1.0, p2 - p1 + up)
