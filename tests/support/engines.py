"""Whether a Docker engine answers, asked the way a run asks."""

from evaluate.sandbox.engine import Engine
from studbook.errors import SandboxError


def engine_answers() -> bool:
    try:
        Engine.connect(timeout_seconds=10).close()
    except SandboxError:
        return False
    return True
