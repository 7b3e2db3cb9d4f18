"""Docker if an engine answers, otherwise child processes; the run reports which one it uses."""

from studbook.errors import SandboxError
from studbook.sandbox.contract import StatedSandbox
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine
from studbook.sandbox.process_box import ProcessSandbox


def plugin(image: str | None = None) -> StatedSandbox:
    """An engine without a usable image is an error: silently running without isolation would be worse."""
    try:
        engine = Engine.connect()
    except SandboxError:
        return ProcessSandbox.open()
    return DockerSandbox.on(engine, image)
