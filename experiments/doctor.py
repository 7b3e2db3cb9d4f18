"""Checks this machine: Python, git, disk, engine and sandboxes. `model_checks.py` checks a spec's models.

Each check gives a result with a state and a next step. The deep check runs probes in real boxes and reports
which limits they enforce. Repairs nothing.
"""

import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from studbook.errors import StudbookError
from studbook.experiments.run.environment import command_version
from studbook.sandbox.contract import StatedSandbox
from studbook.sandbox.docker_box import DockerSandbox, missing_limits, missing_walls
from studbook.sandbox.probes.deep import look_around, probe_limits
from studbook.sandbox.probes.judges import LIMITS, Reading
from studbook.sandbox.probes.judges import State as Limit
from studbook.sandbox.process_box import ProcessSandbox

NO_ENGINE = "start Docker to isolate untrusted code; without it runs use the process sandbox, which does not"
NOT_CONTAINED = (
    "fix the engine as described, or use another one; until then run only harnesses whose code you wrote, "
    "with -s sandbox=process"
)
LESS = "untrusted code stays isolated, but the listed limits are not enforced"
AGAIN = "try again; if this persists, run only harnesses whose code you wrote"
OWN_CODE = "use it only for code you wrote; Docker isolates untrusted code"


class CheckState(StrEnum):
    FINE = "fine"
    WARNING = "warning"  # Studbook works, but with a weakness
    MISSING = "missing"  # required but missing


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """`next_step` is empty if there is nothing to do."""

    name: str
    state: CheckState
    text: str
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReading:
    """A reading, and the sandbox it was taken in."""

    sandbox: str
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxCheck:
    """How to check sandboxes. `told` is called for every limit as soon as it is known."""

    kind: str
    image: str | None
    runtime: str | None
    is_deep: bool
    environment: Mapping[str, str]
    told: Callable[[LimitReading], None]


def check_docker(check: BoxCheck) -> Iterator[CheckResult]:
    try:
        sandbox = DockerSandbox.connect(check.image, check.runtime)
    except StudbookError as error:
        state = CheckState.MISSING if check.kind == "docker" else CheckState.WARNING
        yield CheckResult(name="docker", state=state, text=_first(error), next_step=NO_ENGINE)
        return
    try:
        yield engine_result(sandbox.engine.info(), sandbox, check.kind)
        yield box_result(readings_of(sandbox, check), check)
    except StudbookError as error:
        yield CheckResult(
            name="box", state=CheckState.MISSING, text=_first(error), next_step="see the engine's log"
        )
    finally:
        sandbox.close()


def check_process(check: BoxCheck) -> CheckResult:
    sandbox = ProcessSandbox.open()
    try:
        readings = readings_of(sandbox, check)
    except StudbookError as error:
        step = "use Docker on this machine"
        return CheckResult(name="process", state=CheckState.WARNING, text=_first(error), next_step=step)
    finally:
        sandbox.close()
    missing = _names(readings, Limit.NOT_ENFORCED)
    if not check.is_deep or not missing:
        return CheckResult(name="process", state=CheckState.FINE, text=sandbox.statement)
    text = f"{sandbox.statement}; not enforced: {missing}"
    return CheckResult(name="process", state=CheckState.WARNING, text=text, next_step=OWN_CODE)


def readings_of(sandbox: StatedSandbox, check: BoxCheck) -> list[Reading]:
    probe = probe_limits if check.is_deep else look_around
    readings = []
    for reading in probe(sandbox, check.environment):
        readings.append(reading)
        check.told(LimitReading(sandbox=sandbox.name, reading=reading))
    return readings


def engine_result(info: Mapping[str, object], sandbox: DockerSandbox, kind: str) -> CheckResult:
    """What the engine reports about itself."""
    options = info.get("SecurityOptions")
    rootless = "rootless, " if isinstance(options, list) and "name=rootless" in options else ""
    version, cgroup = info.get("ServerVersion"), info.get("CgroupVersion", "1")
    image = f"image {sandbox.image.reference} ({sandbox.image.way})"
    text = f"engine {version}, {rootless}cgroup v{cgroup}, {image}"
    missing, walls = missing_limits(info), missing_walls(info)
    if not missing:
        return CheckResult(name="docker", state=CheckState.FINE, text=text)
    is_refused = bool(walls) and kind != "process"
    return CheckResult(
        name="docker",
        state=CheckState.MISSING if is_refused else CheckState.WARNING,
        text=f"{text}; it reports no limits on {', '.join(missing)}",
        next_step=NOT_CONTAINED if walls else "enable these controllers in its cgroups",
    )


def box_result(readings: Iterable[Reading], check: BoxCheck) -> CheckResult:
    """One line for a whole sandbox: does it isolate untrusted code?"""
    known = list(readings)
    holes = [each.limit for each in known if each.is_hole]
    if holes:
        state = CheckState.WARNING if check.kind == "process" else CheckState.MISSING
        text = f"this engine does not isolate untrusted code; not enforced: {', '.join(holes)}"
        return CheckResult(name="box", state=state, text=text, next_step=NOT_CONTAINED)
    doubts = [each.limit for each in known if each.state is Limit.UNTRIED and LIMITS[each.limit].is_wall]
    missing, untried = _names(known, Limit.NOT_ENFORCED), _names(known, Limit.UNTRIED)
    text = _verdict(known, check.is_deep) if not doubts else "not shown to isolate untrusted code"
    text += f"; could not be tested: {untried}" if untried else ""
    text += f"; not enforced: {missing}" if missing else ""
    if not doubts and not missing:
        return CheckResult(name="box", state=CheckState.FINE, text=text)
    return CheckResult(name="box", state=CheckState.WARNING, text=text, next_step=LESS if missing else AGAIN)


def _verdict(known: list[Reading], is_deep: bool) -> str:
    number = sum(each.state is Limit.ENFORCED for each in known)
    if not is_deep:
        return f"one box enforces {number} limits; --deep tests all limits"
    return f"isolates untrusted code: {number} of {len(known)} limits tested and enforced"


def _names(readings: Iterable[Reading], state: Limit) -> str:
    return ", ".join(each.limit for each in readings if each.state is state)


def _first(error: StudbookError) -> str:
    return str(error).splitlines()[0]


NEEDED_PYTHON = (3, 11)
NEEDED_BYTES = 1024**3
GIGABYTE = 1024**3


def check_machine(runs_dir: Path) -> Iterator[CheckResult]:
    yield check_python(sys.version_info[:3])
    yield check_git(command_version("git", "--version"))
    yield check_disk(runs_dir)


def check_python(version: tuple[int, ...]) -> CheckResult:
    text = ".".join(map(str, version)) + f" on {platform.system()}"
    if version >= NEEDED_PYTHON:
        return CheckResult(name="python", state=CheckState.FINE, text=text)
    return CheckResult(
        name="python", state=CheckState.MISSING, text=text, next_step="install Python 3.11 or newer"
    )


def check_git(version: str) -> CheckResult:
    """Nothing needs git; users want it to look at an exported lineage."""
    if version != "missing":
        return CheckResult(name="git", state=CheckState.FINE, text=version)
    step = "install git to look at exported runs with git log and git diff; runs do not need it"
    return CheckResult(name="git", state=CheckState.WARNING, text="not found", next_step=step)


def check_disk(runs_dir: Path) -> CheckResult:
    place = next(folder for folder in (runs_dir, *runs_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / GIGABYTE:.1f} GiB free for {runs_dir}"
    if not _is_writable(place):
        step = "make it writable, or choose another folder with --runs-dir"
        return CheckResult(
            name="disk", state=CheckState.MISSING, text=f"{place} is not writable", next_step=step
        )
    if free < NEEDED_BYTES:
        return CheckResult(
            name="disk", state=CheckState.WARNING, text=text, next_step="a long run may need 1 GiB or more"
        )
    return CheckResult(name="disk", state=CheckState.FINE, text=text)


def _is_writable(folder: Path) -> bool:
    probe_file = folder / ".studbook-doctor"
    try:
        probe_file.touch()
        probe_file.unlink()
    except OSError:
        return False
    return True
