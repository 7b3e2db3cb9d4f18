"""How a run is shown: the Protocol of displays and their door: plain lines, a live view, one JSON object.

A display decides and measures nothing, and nothing else prints during a run. Progress goes to stderr, the
result to stdout.
"""

from typing import Any, Protocol

from studbook.errors import PluginError
from studbook.experiments.views.views import EndView, IterationView, ProgressView, StartView
from studbook.rate import Rate
from studbook.registry import Door


class Display(Protocol):
    """Called from one thread at a time. Never raises because of what it is given to show."""

    def started(self, view: StartView) -> None: ...

    def seed_measured(self, rate: Rate) -> None: ...

    def promoted(self, stage: str, harness_id: str, so_far: Rate) -> None:
        """At the end of a run: a harness was evaluated again; `stage` says on which papers."""

    def working(self, what: str) -> None:
        """A transient state for a live view; other displays may ignore it."""

    def iteration_ended(self, view: IterationView, progress: ProgressView) -> None: ...

    def notice(self, text: str) -> None:
        """Something the user should know immediately: a retry, a slow endpoint, an interruption."""

    def finished(self, view: EndView) -> None: ...

    def close(self) -> None:
        """Restores the terminal; always called."""


DISPLAY = Door[Display](
    "display",
    [
        "started",
        "seed_measured",
        "promoted",
        "working",
        "iteration_ended",
        "notice",
        "finished",
        "close",
    ],
    ["studbook.experiments.views.displays"],
)
"""Plug-ins may take `progress` and `results`, the streams stderr and stdout. Named by the spec's key
`display`; not part of any hash, because no result depends on it."""


class FallingBack:
    """A user's display until it fails, then plain lines: no run ends because of its display."""

    def __init__(self, display: Display, plain: Display) -> None:
        self._shown = display
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        def show(*values: object) -> None:
            try:
                getattr(self._shown, name)(*values)
            except PluginError as error:
                self._shown = self._plain
                self._plain.notice(f"{str(error).splitlines()[0]}; continuing with plain lines")
                getattr(self._plain, name)(*values)

        return show
