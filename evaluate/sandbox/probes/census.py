"""The limits that show themselves to one box that looks around: files, kernel, network, environment.

What is made of it is `judges_files.py` and `judges_kernel.py`. Nothing is strained here: see `strain.py`.
"""

from collections.abc import Callable, Iterator, Mapping

from evaluate.sandbox.contract import Sandbox
from evaluate.sandbox.probes.judges_files import (
    judge_bytes,
    judge_exec,
    judge_file_size,
    judge_inodes,
    judge_mounts,
    judge_open_files,
    judge_other_places,
    judge_root,
)
from evaluate.sandbox.probes.judges_kernel import (
    judge_calls,
    judge_capabilities,
    judge_devices,
    judge_engine_filter,
    judge_environment,
    judge_kernel_files,
    judge_network,
    judge_privileges,
    judge_settings,
    judge_shim,
    judge_user,
    secrets_of,
)
from evaluate.sandbox.probes.readings import Facts, Reading, Verdict, reading, untried
from evaluate.sandbox.probes.visits import finished, visit

Judge = Callable[[Facts], Verdict]


def probe_census(
    sandbox: Sandbox, environment: Mapping[str, str], image_environment: Mapping[str, str]
) -> Iterator[Reading]:
    """`environment` is this machine's; what the image itself brings along is no leak. Raises SandboxError."""
    facts = finished(visit(sandbox, "census")).facts
    hidden = secrets_of(environment, image_environment)
    sections = {**SECTIONS, "surroundings": {"environment": lambda found: judge_environment(found, hidden)}}
    for section, judges in sections.items():
        found = facts.get(section, {"failure": "the box did not tell"})
        for name, judge in judges.items():
            yield reading(name, judge_section(judge, found, name, sandbox.name), sandbox.name)


def judge_section(judge: Judge, found: Facts, name: str, sandbox: str) -> Verdict:
    if "failure" in found:
        return untried(str(found["failure"]))
    if name == "engine's seccomp" and sandbox != "docker":
        return untried("there is no engine around a child process")
    return judge(found)


SECTIONS: dict[str, dict[str, Judge]] = {
    "network": {"network": judge_network},
    "files": {
        "read-only root": judge_root,
        "mounts": judge_mounts,
        "other places to write": judge_other_places,
        "tmpfs bytes": judge_bytes,
        "tmpfs inodes": judge_inodes,
        "noexec tmpfs": judge_exec,
        "open files": judge_open_files,
        "file size": judge_file_size,
    },
    "kernel": {
        "user": judge_user,
        "capabilities": judge_capabilities,
        "no new privileges": judge_privileges,
        "system calls": judge_calls,
        "engine's seccomp": judge_engine_filter,
        "shim": judge_shim,
        "kernel settings": judge_settings,
        "kernel files": judge_kernel_files,
        "devices": judge_devices,
    },
}
