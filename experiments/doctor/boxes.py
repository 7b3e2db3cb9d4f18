"""The part of `studbook doctor` about sandboxes: which of a box's limits does this machine really enforce?

Without `--deep` one box looks around; with it every limit is tried. A missing wall is a refusal, because a
run would not be contained; any other missing limit is a warning.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from studbook.errors import StudbookError
from studbook.experiments.doctor.checkup import Finding, State
from studbook.sandbox.contract import StatedSandbox
from studbook.sandbox.docker_box import DockerSandbox, missing_limits, missing_walls
from studbook.sandbox.probes.deep import look_around, probe_limits
from studbook.sandbox.probes.readings import LIMITS, Reading
from studbook.sandbox.probes.readings import State as Limit
from studbook.sandbox.process_box import ProcessSandbox

NO_ENGINE = "start Docker to contain hostile code; without it runs use the process sandbox, which does not"
NOT_CONTAINED = (
    "mend the engine as told, or use another one; until then run only harnesses whose code is your own, "
    "with -s sandbox=process"
)
LESS = "hostile code stays contained; what is listed is not held to its limit"
AGAIN = "try again; if it stays so, run only harnesses whose code is your own"
OWN_CODE = "use it for code of your own only; Docker contains hostile code"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReading:
    """A reading and the sandbox it was taken in."""

    sandbox: str
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxCheck:
    """How to look at sandboxes. `told` hears of every limit as soon as it is known."""

    kind: str
    image: str | None
    is_deep: bool
    environment: Mapping[str, str]
    told: Callable[[LimitReading], None]


def check_docker(check: BoxCheck) -> Iterator[Finding]:
    try:
        sandbox = DockerSandbox.connect(check.image)
    except StudbookError as error:
        state = State.MISSING if check.kind == "docker" else State.WARNING
        yield Finding(name="docker", state=state, text=_first(error), next_step=NO_ENGINE)
        return
    try:
        yield engine_finding(sandbox.engine.info(), sandbox, check.kind)
        yield box_finding(readings_of(sandbox, check), check)
    except StudbookError as error:
        yield Finding(name="box", state=State.MISSING, text=_first(error), next_step="see the engine's log")
    finally:
        sandbox.close()


def check_process(check: BoxCheck) -> Finding:
    sandbox = ProcessSandbox.open()
    try:
        readings = readings_of(sandbox, check)
    except StudbookError as error:
        step = "use Docker on this machine"
        return Finding(name="process", state=State.WARNING, text=_first(error), next_step=step)
    finally:
        sandbox.close()
    missing = _names(readings, Limit.NOT_ENFORCED)
    if not check.is_deep or not missing:
        return Finding(name="process", state=State.FINE, text=sandbox.statement)
    text = f"{sandbox.statement}; not enforced: {missing}"
    return Finding(name="process", state=State.WARNING, text=text, next_step=OWN_CODE)


def readings_of(sandbox: StatedSandbox, check: BoxCheck) -> list[Reading]:
    probe = probe_limits if check.is_deep else look_around
    readings = []
    for reading in probe(sandbox, check.environment):
        readings.append(reading)
        check.told(LimitReading(sandbox=sandbox.name, reading=reading))
    return readings


def engine_finding(info: Mapping[str, object], sandbox: DockerSandbox, kind: str) -> Finding:
    """What the engine says of itself."""
    options = info.get("SecurityOptions")
    rootless = "rootless, " if isinstance(options, list) and "name=rootless" in options else ""
    version, cgroup = info.get("ServerVersion"), info.get("CgroupVersion", "1")
    image = f"image {sandbox.image.reference} ({sandbox.image.way})"
    text = f"engine {version}, {rootless}cgroup v{cgroup}, {image}"
    missing, walls = missing_limits(info), missing_walls(info)
    if not missing:
        return Finding(name="docker", state=State.FINE, text=text)
    is_refused = bool(walls) and kind != "process"
    return Finding(
        name="docker",
        state=State.MISSING if is_refused else State.WARNING,
        text=f"{text}; by its own account without limits on {', '.join(missing)}",
        next_step=NOT_CONTAINED if walls else "give its cgroups these controllers",
    )


def box_finding(readings: Iterable[Reading], check: BoxCheck) -> Finding:
    """One line for a whole sandbox: does it contain hostile code?"""
    known = list(readings)
    holes = [each.limit for each in known if each.is_hole]
    if holes:
        state = State.WARNING if check.kind == "process" else State.MISSING
        text = f"a run in this engine would not be contained; not enforced: {', '.join(holes)}"
        return Finding(name="box", state=state, text=text, next_step=NOT_CONTAINED)
    doubts = [each.limit for each in known if each.state is Limit.UNTRIED and LIMITS[each.limit].is_wall]
    missing, untried = _names(known, Limit.NOT_ENFORCED), _names(known, Limit.UNTRIED)
    text = _verdict(known, check.is_deep) if not doubts else "not shown to contain hostile code"
    text += f"; could not be tried: {untried}" if untried else ""
    text += f"; not enforced: {missing}" if missing else ""
    if not doubts and not missing:
        return Finding(name="box", state=State.FINE, text=text)
    return Finding(name="box", state=State.WARNING, text=text, next_step=LESS if missing else AGAIN)


def _verdict(known: list[Reading], is_deep: bool) -> str:
    number = sum(each.state is Limit.ENFORCED for each in known)
    if not is_deep:
        return f"{number} limits seen to be enforced by one box; --deep tries all of them"
    return f"contains hostile code: {number} of {len(known)} limits tried and enforced"


def _names(readings: Iterable[Reading], state: Limit) -> str:
    return ", ".join(each.limit for each in readings if each.state is state)


def _first(error: StudbookError) -> str:
    return str(error).splitlines()[0]
