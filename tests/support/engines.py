"""Whether a Docker engine answers, asked the way a run asks."""

from studbook.errors import SandboxError
from studbook.sandbox.engine import Engine


def engine_answers() -> bool:
    try:
        Engine.connect(timeout_seconds=10).close()
    except SandboxError:
        return False
    return True
