"""The criterion of section 3.1 of the paper."""

from fractions import Fraction

from studbook.evaluate.ruling import Bounds

PROSE = Bounds(
    name="prose",
    weak_average_max=Fraction(50, 100),
    weak_average_max_allowed=False,
    weak_best_max=None,
    zero_allowed=True,
    strong_average_min=Fraction(65, 100),
    strong_average_below=None,
    gap_min=Fraction(20, 100),
)

plugin = PROSE
