"""Plain lines: one per event and no escape codes, for pipes, logs, CI and small terminals."""

from typing import TextIO

from rich.text import Text

from studbook.experiments.views import lines as run_lines
from studbook.experiments.views.printing import write_plain
from studbook.experiments.views.views import EndView, IterationView, ProgressView, StartView
from studbook.rate import Rate


class PlainDisplay:
    def __init__(self, progress: TextIO, results: TextIO) -> None:
        self._progress = progress
        self._results = results

    def started(self, view: StartView) -> None:
        self._write(self._progress, run_lines.start_lines(view))

    def seed_measured(self, rate: Rate) -> None:
        self._write(self._progress, [run_lines.seed_line(rate)])

    def promoted(self, stage: str, harness_id: str, so_far: Rate) -> None:
        self._write(self._progress, [run_lines.promotion_line(stage, harness_id, so_far)])

    def working(self, what: str) -> None:
        """Nothing: a log records what has happened."""

    def iteration_ended(self, view: IterationView, progress: ProgressView) -> None:
        lines = [*run_lines.iteration_lines(view), run_lines.progress_line(progress)]
        self._write(self._progress, lines)

    def notice(self, text: str) -> None:
        self._write(self._progress, [run_lines.notice_line(text)])

    def finished(self, view: EndView) -> None:
        self._write(self._results, run_lines.end_lines(view))

    def close(self) -> None:
        """Nothing to restore."""

    @staticmethod
    def _write(stream: TextIO, lines: list[Text]) -> None:
        write_plain(stream, [line.plain.rstrip() for line in lines])


plugin = PlainDisplay
