"""The criterion of the published prompt and of the outer loop."""

from fractions import Fraction

from studbook.evaluate.ruling import Bounds

DEPLOYED = Bounds(
    name="deployed",
    weak_average_max=Fraction(65, 100),
    weak_average_max_allowed=True,
    weak_best_max=Fraction(75, 100),
    zero_allowed=False,
    strong_average_min=Fraction(60, 100),
    strong_average_below=Fraction(95, 100),
    gap_min=Fraction(20, 100),
)

plugin = DEPLOYED
