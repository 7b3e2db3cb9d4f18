"""A rate that cannot lose its n."""

import math
from dataclasses import dataclass
from fractions import Fraction

Z95 = 1.959963984540054
"""The normal quantile of two-sided 95% intervals."""


@dataclass(frozen=True, slots=True, order=False)
class Rate:
    """`passed` of `n`; can be added, prints with n and interval, never converts to a bare float implicitly.

    Raises:
        ValueError: unless 0 <= passed <= n.
    """

    passed: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.passed <= self.n:
            raise ValueError(f"a rate needs 0 <= passed <= n, got {self.passed} of {self.n}")

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.passed + other.passed, self.n + other.n)

    def __str__(self) -> str:
        if self.n == 0:
            return "– (n=0)"
        low, high = self.interval()
        percent = 100 * self.passed / self.n
        return f"{percent:.1f}% ({self.passed}/{self.n}, 95% CI {100 * low:.1f}–{100 * high:.1f})"

    @property
    def fraction(self) -> Fraction:
        """Exact value; 0 if n = 0."""
        return Fraction(self.passed, self.n) if self.n else Fraction(0)

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Wilson score interval (Wilson 1927), both ends in [0, 1]; (0, 1) if n = 0."""
        if self.n == 0:
            return 0.0, 1.0
        p, n = self.passed / self.n, self.n
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, centre - half), min(1.0, centre + half)


NO_RATE = Rate(0, 0)
