"""How a box's session ended, before anybody asked the engine what it knows."""

import signal
from dataclasses import dataclass

from evaluate.sandbox.contract import BoxStatus, Limits
from evaluate.sandbox.frames import End


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """`was_killed`: the harness, by SIGKILL. `went_silent`: the channel ended without a word."""

    status: BoxStatus
    detail: str
    output: str
    warnings: tuple[str, ...]
    was_killed: bool = False
    went_silent: bool = False


class Ended(Exception):
    """Raised inside the pump to leave it: status and detail."""


def describe_end(end: End, limits: Limits) -> tuple[BoxStatus, str, str]:
    """(status, detail, flag) of what the shim says of the harness's end."""
    match end.how, end.type, end.message:
        case "returned", _, _:
            return BoxStatus.FINISHED, "returned", ""
        case "raised", "MemoryError", _:
            return BoxStatus.OUT_OF_LIMITS, f"over {limits.memory_bytes} bytes of memory", ""
        case "raised", name, message:
            return BoxStatus.CRASHED, f"{name}: {message}" if message else name, ""
        case "exited", _, "0":
            return BoxStatus.FINISHED, "exited with status 0", ""
        case "exited", _, status:
            return BoxStatus.CRASHED, f"exited with status {status}", ""
        case "flooded", _, _:
            return BoxStatus.OUT_OF_LIMITS, f"over {limits.output_bytes} bytes of output", ""
        case _, _, number:
            flag = "killed" if number == str(signal.SIGKILL.value) else ""
            return BoxStatus.CRASHED, f"killed by signal {number}", flag
