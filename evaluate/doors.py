"""The doors of the evaluator: acceptance predicates and readers of papers.

The Protocols are in `contracts.py`.
"""

from studbook.evaluate.contracts import PaperReader, PaperSource, Predicate
from studbook.registry import Door

PREDICATE = Door[Predicate](
    "predicate", ["rule"], ["studbook.evaluate.predicates"], takes_function=True, is_scoring=True
)
READER = Door[PaperReader]("reader", ["reads", "read"], ["studbook.evaluate.readers"], passes=(ValueError,))
SOURCE = Door[PaperSource]("source", ["papers", "write"], ["studbook.testbed.sources"])
"""Papers that are made instead of read."""
