"""The same spec with other numbers of workers, other timing, interrupted or not: the same lineage.

The server answers each call after a delay that hangs on the call and on the run, so that no two runs see
their answers in the same order.
"""

import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from crash.counting_server import Counter
from crash.evidence import outcome
from crash.folders import MAY_DIFFER, differing_fields
from crash.process import Process, no_preparation
from crash.trial import Size, Tally, Trial, killed_until_done

LONGEST_SECONDS = 0.08


def same_lineage(
    folder: Path,
    size: Size,
    counter: Counter,
    tally: Tally,
    workers: Sequence[int],
    luck: random.Random,
    kills_each: Sequence[int] = (0, 2),
) -> None:
    """The first of `workers` is what the others must look like; each is run through, and run with kills."""
    first = Trial(folder / "first", replace(size, workers=workers[0]), counter, tally)
    process = first.start()
    code = process.wait()
    if code != 0:
        tally.differences.append(f"it ended with {code}:\n{process.text()[-1000:]}")
        return
    expected = outcome(first.run)
    for count in workers:
        for kills in kills_each:
            name = f"workers-{count}-kills-{kills}"
            trial = Trial(folder / name, replace(size, workers=count), counter, tally)
            with counter.delays(name, LONGEST_SECONDS):
                killed_until_done(
                    trial, expected, lambda number, most=kills: _killer(number < most, counter, luck), _plain
                )
            strange = differing_fields(first.run, trial.run) - MAY_DIFFER
            tally.differences += [f"{name}: {field} differs" for field in sorted(strange)]


def _plain(_: int) -> Callable[[], None]:
    return no_preparation


def _killer(kills: bool, counter: Counter, luck: random.Random) -> Callable[[Process], None]:
    """After so many more calls."""
    target = counter.size + luck.randrange(10, 150) * 65

    def attempt(process: Process) -> None:
        while kills and process.find_code() is None:
            if counter.size >= target:
                process.send(signal.SIGKILL)

    return attempt
