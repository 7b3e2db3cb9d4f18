"""`studbook doctor`: what this machine has and lacks, each with what to do. Repairs nothing.

Its sandboxes are looked at in `checkup_boxes.py`.
"""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from studbook.errors import SpecError
from studbook.experiments.run.environment import command_version
from studbook.experiments.run.models import open_endpoints, role_models
from studbook.experiments.spec.model import Spec
from studbook.llm.probe import probe

NEEDED_PYTHON = (3, 11)
NEEDED_BYTES = 1024**3
GIGABYTE = 1024**3


class State(StrEnum):
    FINE = "fine"
    WARNING = "warning"  # Studbook runs, but something is weaker than it could be
    MISSING = "missing"  # required, and not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`next_step` is empty when all is fine."""

    name: str
    state: State
    text: str
    next_step: str = ""


def check_machine(runs_dir: Path) -> Iterator[Finding]:
    yield check_python(sys.version_info[:3])
    yield check_git(command_version("git", "--version"))
    yield check_disk(runs_dir)


def check_python(version: tuple[int, ...]) -> Finding:
    text = ".".join(map(str, version)) + f" on {platform.system()}"
    if version >= NEEDED_PYTHON:
        return Finding(name="python", state=State.FINE, text=text)
    return Finding(name="python", state=State.MISSING, text=text, next_step="install Python 3.11 or newer")


def check_git(version: str) -> Finding:
    """Nothing of ours starts git; people want it to look at lineage.git."""
    if version != "missing":
        return Finding(name="git", state=State.FINE, text=version)
    step = "install git to look at lineage.git with git log and git diff; Studbook itself needs none"
    return Finding(name="git", state=State.WARNING, text="not found", next_step=step)


def check_disk(runs_dir: Path) -> Finding:
    place = next(folder for folder in (runs_dir, *runs_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / GIGABYTE:.1f} GiB free for {runs_dir}"
    if not _is_writable(place):
        step = "permit writing there, or choose another folder with --runs-dir"
        return Finding(name="disk", state=State.MISSING, text=f"{place} cannot be written", next_step=step)
    if free < NEEDED_BYTES:
        return Finding(
            name="disk", state=State.WARNING, text=text, next_step="a long run may need 1 GiB and more"
        )
    return Finding(name="disk", state=State.FINE, text=text)


def _is_writable(folder: Path) -> bool:
    probe_file = folder / ".studbook-doctor"
    try:
        probe_file.touch()
        probe_file.unlink()
    except OSError:
        return False
    return True


def check_endpoints(
    spec: Spec, variables: Mapping[str, str], tell: Callable[[str], None]
) -> Iterator[Finding]:
    """One tiny call for each (endpoint, model) that a role uses."""
    try:
        with open_endpoints(spec, variables, tell) as endpoints:
            asked: set[tuple[str, str]] = set()
            for role, model in role_models(spec).items():
                if (model.endpoint, model.model) in asked:
                    continue
                asked.add((model.endpoint, model.model))
                found = probe(role, model, endpoints[model.endpoint].backend)
                text, *rest = found.text.splitlines()
                state = State.FINE if found.is_healthy else State.MISSING
                yield Finding(name="models", state=state, text=f"{role}: {text}", next_step="; ".join(rest))
    except SpecError as error:
        text, *rest = str(error).splitlines()
        yield Finding(name="models", state=State.MISSING, text=text, next_step=" ".join(rest).strip())
