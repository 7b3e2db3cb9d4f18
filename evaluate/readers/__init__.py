"""Readers of papers by name: one file each, and the doors through which a spec names one.

A source makes papers instead of reading them; those that come with the package are the testbed's.
"""

from studbook.evaluate.contracts import PaperReader, PaperSource
from studbook.registry import Door

READER = Door[PaperReader]("reader", ["reads", "read"], [__name__], passes=(ValueError,))
SOURCE = Door[PaperSource]("source", ["papers", "write"], ["studbook.testbed.sources"])
