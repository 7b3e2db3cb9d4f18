"""Sandboxes by name: one file each with a function that opens it, and the door through which a spec finds it.

No kind is imported before it is chosen.
"""

from studbook.registry import Door
from studbook.sandbox.contract import StatedSandbox

SANDBOX = Door[StatedSandbox]("sandbox", ["run", "close"], [__name__])
