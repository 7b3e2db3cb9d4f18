"""Dollars whose sums come out the same in every order: each cost is a whole number of picodollars.

Exact while a total stays below 4,000 dollars; above that a double holds a few picodollars less.
"""

DIGITS = 12
PICODOLLARS = 10**DIGITS


def whole_picodollars(dollars: float) -> float:
    """The nearest amount that is one."""
    return round(dollars, DIGITS)
