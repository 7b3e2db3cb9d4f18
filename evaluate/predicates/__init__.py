"""Acceptance predicates by name: one file each, frozen, and the door through which a spec names one."""

from studbook.evaluate.contracts import Predicate
from studbook.registry import Door

PREDICATE = Door[Predicate]("predicate", ["rule"], [__name__], takes_function=True, is_scoring=True)
