"""Bundled paper readers, one file each, and the registries of readers and paper sources.

A source generates papers instead of reading them; the bundled ones belong to the testbed.
"""

from studbook.evaluate.contracts import PaperReader, PaperSource
from studbook.registry import Door

READER = Door[PaperReader]("reader", ["reads", "read"], [__name__], passes=(ValueError,))
SOURCE = Door[PaperSource]("source", ["papers", "write"], ["studbook.testbed.sources"])
