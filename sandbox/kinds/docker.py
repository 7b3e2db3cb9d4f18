"""Boxes as containers of the engine that the `docker` command would use."""

from studbook.errors import SandboxError, UsageError
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine

NO_DOCKER = """{error}
Start Docker (is the engine running, may this user use it?),
or continue without isolating untrusted code: -s sandbox=process"""


def plugin(image: str | None = None, runtime: str | None = None) -> DockerSandbox:
    """Raises UsageError without an engine, SandboxError without an image."""
    try:
        engine = Engine.connect()
    except SandboxError as error:
        raise UsageError(NO_DOCKER.format(error=error)) from error
    return DockerSandbox.on(engine, image, runtime)
