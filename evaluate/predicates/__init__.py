"""Bundled acceptance predicates, one file each, and the registry in which a spec looks one up by name."""

from studbook.evaluate.contracts import Predicate
from studbook.registry import Door

PREDICATE = Door[Predicate]("predicate", ["rule"], [__name__], takes_function=True, is_scoring=True)
