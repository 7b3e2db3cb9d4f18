"""A job as the frames that tell a box about it."""

import base64
from dataclasses import dataclass, field

from evaluate.sandbox.bundle import kit_source
from evaluate.sandbox.contract import BoxStatus, Frame, Job
from evaluate.sandbox.ending import Ended
from evaluate.sandbox.frames import encode_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a box keeps its files, and what the shim must do there because no engine did it.

    `rlimits` are (number of `resource`, value); `user` is an id to become, when the shim is root. `niceness`
    puts the harness behind the shim, where both share a slice of the machine that nobody else is in.
    """

    folder: str
    environment: dict[str, str] = field(default_factory=dict)
    rlimits: tuple[tuple[int, int], ...] = ()
    user: int | None = None
    niceness: int = 0


def job_lines(job: Job, place: Place) -> list[bytes]:
    """The job as frames; raises Ended when a frame would be larger than the limits allow."""
    frames: list[Frame] = [{"folder": place.folder}]
    for path, data in sorted(job.files.items()):
        frames.append({"file": path, "data": base64.b64encode(data).decode("ascii")})
    start: Frame = {
        "entry": job.entry,
        "payload": job.payload,
        "kit": kit_source(),
        "environment": {"LANG": "C.UTF-8", "TMPDIR": place.folder, **place.environment},
        "rlimits": [list(limit) for limit in place.rlimits],
        "user": place.user,
        "niceness": place.niceness,
        "frame_bytes": job.limits.frame_bytes,
        "output_bytes": job.limits.output_bytes,
    }
    lines = [encode_frame(frame) for frame in [*frames, {"start": start}]]
    longest = max(map(len, lines))
    if longest > job.limits.frame_bytes:
        raise Ended(BoxStatus.OUT_OF_LIMITS, f"a file or the paper needs a frame of {longest} bytes")
    return lines
