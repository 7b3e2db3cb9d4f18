"""How a run is watched: one Protocol, and the door that plain lines, a live view or one JSON object stand in.

A display decides and measures nothing, and nothing else prints while a run is going on. Progress goes to
stderr, the result to stdout.
"""

from typing import Protocol

from studbook.experiments.views.views import EndView, IterationView, ProgressView, StartView
from studbook.rate import Rate
from studbook.registry import Door


class Display(Protocol):
    """Called from one thread at a time. Never raises because of what it is given to show."""

    def started(self, view: StartView) -> None: ...

    def seed_measured(self, rate: Rate) -> None: ...

    def promoted(self, stage: str, harness_id: str, so_far: Rate) -> None:
        """At the end of a run: a harness was measured again, `stage` saying on what."""

    def working(self, what: str) -> None:
        """A passing state, for a live view; others may keep it to themselves."""

    def iteration_ended(self, view: IterationView, progress: ProgressView) -> None: ...

    def notice(self, text: str) -> None:
        """Something the user should know now: a retry, a slow endpoint, an interruption."""

    def finished(self, view: EndView) -> None: ...

    def close(self) -> None:
        """Leaves the terminal as it was; called whatever happened."""


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
"""Its plug-ins may ask for `progress` and `results`, the streams stderr and stdout. Named by the spec's key
`display`; no hash covers it, because nothing in a result depends on it."""
