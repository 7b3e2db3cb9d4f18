"""Jobs for boxes, and handlers that remember what they were asked."""

import textwrap
import threading
from collections.abc import Callable

from studbook.sandbox.contract import Frame, Job, Limits

PAYLOAD: Frame = {
    "paper": {"id": "p1", "title": "On gears", "text": "Gears turn – slowly. 𝔘"},
    "knobs": {"max_rounds": 5, "temperature": 0.7},
    "max_rounds": 5,
}


def job_of(source: str, files: dict[str, bytes] | None = None, **limits: float) -> Job:
    """A harness whose agent.py is `source` (dedented), with some limits changed."""
    agent = {"agent.py": textwrap.dedent(source).encode()}
    return Job(
        files={**(files or {}), **agent},
        entry="agent.py:main",
        payload=PAYLOAD,
        limits=Limits(**{"wall_seconds": 20.0, **limits}),  # type: ignore[arg-type]  # ints and floats as named
    )


class Recorder:
    """Answers every request with `reply` (or what it returns) and keeps what was asked."""

    def __init__(self, reply: Frame | Callable[[str, Frame], Frame] | None = None) -> None:
        self.requests: list[tuple[str, Frame]] = []
        self._reply = reply
        self._lock = threading.Lock()

    def __call__(self, kind: str, body: Frame) -> Frame:
        with self._lock:
            self.requests.append((kind, body))
        if callable(self._reply):
            return self._reply(kind, body)
        return self._reply if self._reply is not None else {"text": "yes", "usage": {"prompt_tokens": 1}}

    @property
    def logged(self) -> list[str]:
        return [body["text"] for kind, body in self.requests if kind == "log"]
