"""Bundled sandboxes, one file each with a function that opens it, and the registry in which a spec finds it.

A kind is imported only when it is chosen.
"""

from studbook.registry import Door
from studbook.sandbox.contract import StatedSandbox

SANDBOX = Door[StatedSandbox]("sandbox", ["run", "close"], [__name__])
