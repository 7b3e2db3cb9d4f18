"""Opens the sandbox of a run, and first removes what crashed runs left behind."""

from evaluate.sandbox.docker_box import DockerSandbox
from evaluate.sandbox.reaper import reap_containers, reap_processes
from evaluate.sandbox.select import StatedSandbox, open_sandbox
from experiments.spec import SandboxSpec


def open_clean_sandbox(spec: SandboxSpec) -> StatedSandbox:
    """Boxes of living owners are spared. Raises UsageError, SandboxError."""
    sandbox = open_sandbox(spec.kind, spec.image)
    if isinstance(sandbox, DockerSandbox):
        reap_containers(sandbox.engine)
    reap_processes()
    return sandbox
