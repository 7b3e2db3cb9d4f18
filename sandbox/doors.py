"""The door of the sandbox. Its Protocol is in `contract.py`."""

from studbook.registry import Door
from studbook.sandbox.contract import StatedSandbox

SANDBOX = Door[StatedSandbox]("sandbox", ["run", "close"], ["studbook.sandbox.kinds"])
