"""What a harness did on one paper: its trajectories, as `studbook show RUN:HARNESS PAPER` prints them."""

from studbook.evaluate.rendering import render_confirmation, render_for_analyzer
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.library.reading import results_on
from studbook.experiments.run.opening import OpenedRun, find_paper
from studbook.experiments.views.lines import line
from studbook.experiments.views.text import clean_block, clean_line


def show_paper(run: OpenedRun, harness_id: str, text: str, terminal: Terminal) -> int:
    """Every trajectory this harness left on the paper, in the order of the journal."""
    paper_id = find_paper(text, run)
    found = results_on(run, harness_id, paper_id)
    store = TrajectoryStore(run.folder.trajectories)
    if terminal.wants_json:
        trajectories = [store.get(result.key) for _, result in found]
        terminal.json({"schema": 1, "harness": harness_id, "paper": paper_id, "trajectories": trajectories})
        return 0
    for event, result in found:
        title = f"{event.purpose}, iteration {event.iteration}, replicate {result.replicate}: "
        terminal.result([line((title, "bold"), clean_line(f"{result.verdict.value}, {result.reason}", 300))])
        trajectory = store.get(result.key)
        terminal.verbatim(clean_block(render_for_analyzer(trajectory)).splitlines())
        terminal.verbatim([clean_block(each) for each in render_confirmation(trajectory)])
        terminal.result([""])
    return 0
