"""One JSON object on stdout when the run ends, notices on stderr before that. docs/cli.md lists the keys."""

from typing import TextIO

from studbook.experiments.views.printing import Lines, print_lines, write_plain
from studbook.experiments.views.views import EndView, IterationView, ProgressView, StartView, json_text
from studbook.rate import Rate

SCHEMA_VERSION = 1


class JsonDisplay:
    def __init__(self, progress: TextIO, results: TextIO) -> None:
        self._results = results
        self._progress = progress
        self._start: StartView | None = None
        self._seed: Rate | None = None
        self._iterations: list[IterationView] = []

    def started(self, view: StartView) -> None:
        self._start = view

    def seed_measured(self, rate: Rate) -> None:
        self._seed = rate

    def promoted(self, stage: str, harness_id: str, so_far: Rate) -> None:
        """Nothing: the final object has it, with all replicates."""

    def working(self, what: str) -> None:
        """Nothing: there is one object, at the end."""

    def iteration_ended(self, view: IterationView, progress: ProgressView) -> None:
        self._iterations.append(view)

    def notice(self, text: str) -> None:
        """On stderr, so that stdout holds only the object."""
        print_lines(Lines(self._progress), [text])

    def finished(self, view: EndView) -> None:
        whole = {
            "schema": SCHEMA_VERSION,
            "start": self._start,
            "seed_validation": self._seed,
            "iterations": self._iterations,
            "end": view,
        }
        write_plain(self._results, json_text(whole).splitlines())

    def close(self) -> None:
        """Nothing to restore."""


plugin = JsonDisplay
