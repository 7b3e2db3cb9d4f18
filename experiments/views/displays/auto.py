"""The live view on a terminal, plain lines elsewhere."""

from typing import TextIO

from studbook.experiments.views.display import Display
from studbook.experiments.views.displays.live import LiveDisplay
from studbook.experiments.views.displays.plain import PlainDisplay
from studbook.experiments.views.printing import Lines


def plugin(progress: TextIO, results: TextIO) -> Display:
    console = Lines(progress)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(progress, results)
    return PlainDisplay(progress, results)
