"""The live view on a terminal: finished lines scroll by, one status line stays at the bottom."""

from typing import TextIO

from rich.status import Status
from rich.text import Text

from studbook.experiments.views import lines as run_lines
from studbook.experiments.views.printing import Lines, print_lines, status_line
from studbook.experiments.views.views import EndView, IterationView, ProgressView, StartView
from studbook.rate import Rate

SPINNER_COLUMNS = 3
CTRL_C_COLUMNS = 3
"""Room for the ^C that the terminal echoes: a status line that wrapped could not be erased."""


class LiveDisplay:
    def __init__(self, progress: TextIO, results: TextIO) -> None:
        self._progress = Lines(progress)
        self._results = Lines(results)
        self._standing = ""
        self._status = Status(Text("starting"), console=self._progress, spinner="dots")

    def started(self, view: StartView) -> None:
        self._print(run_lines.start_lines(view))

    def seed_measured(self, rate: Rate) -> None:
        self._print([run_lines.seed_line(rate)])

    def promoted(self, stage: str, harness_id: str, so_far: Rate) -> None:
        self._print([run_lines.promotion_line(stage, harness_id, so_far)])

    def working(self, what: str) -> None:
        self._status.start()  # no effect if it is already running
        room = max(
            20, self._progress.width - SPINNER_COLUMNS - CTRL_C_COLUMNS
        )  # a single line: several would flicker
        self._status.update(status_line(f"{what}{self._standing}", room))

    def iteration_ended(self, view: IterationView, progress: ProgressView) -> None:
        self._print(run_lines.iteration_lines(view))
        self._standing = " · " + run_lines.progress_line(progress).plain.strip()
        self.working("next iteration")

    def notice(self, text: str) -> None:
        self._print([run_lines.notice_line(text)])

    def finished(self, view: EndView) -> None:
        self._status.stop()
        print_lines(self._results, run_lines.end_lines(view))

    def close(self) -> None:
        self._status.stop()

    def _print(self, lines: list[Text]) -> None:
        print_lines(self._progress, lines)


plugin = LiveDisplay
