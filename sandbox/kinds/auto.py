"""Docker if an engine answers, otherwise child processes; the run reports which one it uses, and why."""

from studbook.errors import SandboxError
from studbook.sandbox.contract import WHY_NOT_DOCKER, StatedSandbox
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine
from studbook.sandbox.frames import short_line
from studbook.sandbox.kinds import docker
from studbook.sandbox.process_box import ProcessSandbox


def plugin(image: str | None = None, runtime: str | None = None) -> StatedSandbox:
    """An engine without a usable image is an error: silently running without isolation would be worse.

    So is a named runtime without an engine: it was named for its walls. Raises UsageError, SandboxError.
    """
    if runtime is not None:
        return docker.plugin(image, runtime)
    try:
        engine = Engine.connect()
    except SandboxError as error:
        reason = short_line(str(error).splitlines()[0])
        sandbox = ProcessSandbox.open()
        sandbox.identity[WHY_NOT_DOCKER] = reason
        sandbox.statement += f" (no Docker: {reason})"
        return sandbox
    return DockerSandbox.on(engine, image)
