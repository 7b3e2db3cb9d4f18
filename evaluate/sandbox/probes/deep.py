"""All probes one after another: which of a box's limits does this engine really enforce?

Ships with the package: a user's engine is not the one the attack suite ran on. Repairs nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from evaluate.sandbox.contract import Sandbox
from evaluate.sandbox.docker_box import DockerSandbox
from evaluate.sandbox.probes.census import probe_census
from evaluate.sandbox.probes.ending import probe_deadline, probe_leaving, probe_output
from evaluate.sandbox.probes.readings import Reading, reading, untried
from evaluate.sandbox.probes.strain import probe_cpu, probe_memory, probe_processes
from studbook.errors import SandboxError

Probe = Callable[[Sandbox], Iterable[Reading]]

PROBES: tuple[tuple[Probe, tuple[str, ...]], ...] = (
    (probe_memory, ("memory", "swap")),
    (probe_processes, ("processes",)),
    (probe_cpu, ("cpu",)),
    (probe_deadline, ("deadline",)),
    (probe_output, ("output",)),
    (probe_leaving, ("log", "removal")),
)


def look_around(sandbox: Sandbox, environment: Mapping[str, str]) -> Iterator[Reading]:
    """What one box can find out without straining anything: the quick part. Raises SandboxError."""
    yield from probe_census(sandbox, environment, image_environment(sandbox))


def probe_limits(sandbox: Sandbox, environment: Mapping[str, str]) -> Iterator[Reading]:
    """Every limit, each as soon as it is known.

    Raises SandboxError when not even the first box runs; later failures are limits that were not tried.
    """
    yield from look_around(sandbox, environment)
    for probe, names in PROBES:
        try:
            found = list(probe(sandbox))
        except SandboxError as error:
            found = [reading(name, untried(str(error)), sandbox.name) for name in names]
        yield from found


def image_environment(sandbox: Sandbox) -> dict[str, str]:
    """The variables a box's image sets by itself."""
    if not isinstance(sandbox, DockerSandbox):
        return {}
    image = sandbox.engine.find_image(sandbox.image.image_id) or {}
    pairs = (text.partition("=") for text in (image.get("Config") or {}).get("Env") or [])
    return {name: value for name, _, value in pairs}
