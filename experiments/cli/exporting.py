"""Commands that write down what is in a run somewhere else: export, report."""

from argparse import Namespace
from pathlib import Path

from studbook.errors import UsageError
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.run.opening import open_run, open_target
from studbook.experiments.views.report import write_report
from studbook.harnesses.folder import write_harness


def export(options: Namespace, terminal: Terminal) -> int:
    target = open_target(options.target, Path(options.runs_dir))
    harness_id = target.get_harness()
    write_harness(target.run.read_tree(harness_id), Path(options.folder))
    if terminal.wants_json:
        terminal.json({"schema": 1, "harness": harness_id, "folder": options.folder})
    else:
        terminal.result([f"{target.run.folder.name}:{harness_id} is in {options.folder}"])
        terminal.progress(f"measure it: studbook evaluate {options.folder} --papers PAPERS")
    return 0


def report(options: Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, Path(options.runs_dir))
    path = Path(options.out) if options.out else run.folder.report
    if not path.parent.is_dir():
        raise UsageError(
            f"--out {path}: the folder {path.parent} does not exist\n  create it, or choose another"
        )
    write_report(run, path)
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": run.folder.name, "report": path.as_posix()})
    else:
        terminal.result([path.as_posix()])
    return 0
