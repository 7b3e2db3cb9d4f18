"""Commands that write a run, or part of one, to another place (export, report, pack, unpack), and adopt."""

import shlex
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from studbook.errors import UsageError
from studbook.experiments.cli.command import RUN, RUNS, TARGET, command, flag
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.outputs import opened_output
from studbook.experiments.pack.packing import SUFFIX, pack_run
from studbook.experiments.pack.secret_scan import SecretScan, known_secrets
from studbook.experiments.pack.unpacking import unpack_run
from studbook.experiments.run.environment import read_user_environment
from studbook.experiments.run.foreign import decisions_of
from studbook.experiments.run.opening import Target, find_run, open_run, open_target
from studbook.experiments.run.provenance import mark_as_own
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.views.lines import line
from studbook.experiments.views.report import BEGINNING, report_bytes
from studbook.experiments.views.text import clean_line, count
from studbook.harnesses.folder import check_is_unused, write_harness
from studbook.populations.lineage import Lineage, rebuild
from studbook.populations.storage import atomic_write


@command(
    "studbook export quickstart-1:best exported-harness",
    TARGET,
    flag("folder", metavar="DIR", help="a directory that does not exist yet, or is empty"),
    flag(
        "--git",
        action="store_true",
        help="write all harnesses of the run as a new Git repository: git obeys the configuration inside a "
        "repository, and the one in somebody else's run may be hostile",
    ),
    RUNS,
)
def export(options: Namespace, terminal: Terminal) -> int:
    target = open_target(options.target, Path(options.runs_dir))
    if options.git:
        return _export_repository(target, Path(options.folder), terminal)
    harness_id = target.get_harness()
    write_harness(target.run.read_tree(harness_id), Path(options.folder))
    if terminal.wants_json:
        terminal.json({"schema": 1, "harness": harness_id, "folder": options.folder})
    else:
        terminal.result([f"exported {target.run.folder.name}:{harness_id} to {options.folder}"])
        folder = shlex.quote(options.folder)
        contained = "" if target.run.provenance.is_own else " --sandbox docker"
        terminal.progress(f"evaluate it: studbook evaluate {folder} --papers PAPERS{contained}")
    _warn_of_foreign_code(target, terminal)
    return 0


def _warn_of_foreign_code(target: Target, terminal: Terminal) -> None:
    if not target.run.provenance.is_own:
        terminal.progress(
            "note: the run is not yours, so the exported folder holds somebody else's code; only the run "
            "says so, not the folder: always evaluate it with --sandbox docker, which contains it"
        )


def _export_repository(target: Target, folder: Path, terminal: Terminal) -> int:
    name = target.run.folder.name
    if target.harness_id is not None:
        raise UsageError(f"--git exports a whole run\n  studbook export {name} {folder} --git")
    check_is_unused(folder)
    with Lineage.existing(target.run.folder.lineage) as lineage:
        rebuild(lineage, target.run.population, folder)
    number = len(target.run.population.mutants)
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": name, "folder": folder.as_posix(), "harnesses": number})
    else:
        terminal.result([f"exported {count(number, 'harness', 'harnesses')} of {name} to {folder}"])
        terminal.progress(f"look at them: git -C {shlex.quote(str(folder))} log --graph --oneline --all")
    _warn_of_foreign_code(target, terminal)
    return 0


@command(
    "studbook report quickstart-1",
    RUN,
    flag("--out", metavar="FILE", help="where to write (default: report.html in the run folder)"),
    RUNS,
)
def report(options: Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, Path(options.runs_dir))
    path = Path(options.out) if options.out else run.folder.report
    if options.out:
        with opened_output(path, BEGINNING) as out:
            out.write(report_bytes(run))
        terminal = replace(terminal, has_no_stdout=out.is_stdout)
    else:
        atomic_write(path, report_bytes(run))
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": run.folder.name, "report": path.as_posix()})
    else:
        terminal.result([path.as_posix()])
    return 0


@command(
    "studbook pack quickstart-1",
    RUN,
    flag(
        "file",
        metavar="FILE",
        nargs="?",
        help="where to write (default: RUN.studbook.tar.gz, in this directory)",
    ),
    RUNS,
)
def pack(options: Namespace, terminal: Terminal) -> int:
    folder = find_run(options.run, Path(options.runs_dir))
    file = Path(options.file or f"{folder.root.resolve().name}{SUFFIX}")
    secrets = known_secrets(read_resolved(folder.spec), read_user_environment().variables)
    with opened_output(file, None, "FILE") as out:
        done = pack_run(folder, out, SecretScan(secrets))
    terminal = replace(terminal, has_no_stdout=out.is_stdout)
    if terminal.wants_json:
        terminal.json(
            {
                "schema": 1,
                "packed": {
                    **_plain(done.run, done.files, done.head),
                    "file": file.as_posix(),
                    "size_bytes": done.size_bytes,
                    "left_out": done.left_out,
                },
            }
        )
        return 0
    size = f"{done.size_bytes:,} bytes"
    terminal.result(
        [
            line(("✓ ", "green"), f"{done.run} packed into {file}: {count(done.files, 'file')}, {size}"),
            line(f"  journal head {done.head}"),
        ]
    )
    if done.left_out:
        terminal.progress(f"left out: {clean_line(', '.join(done.left_out), 300)}")
    terminal.progress(f"on the other machine: studbook unpack {file.name}")
    return 0


@command(
    "studbook unpack quickstart-1.studbook.tar.gz",
    flag("file", metavar="FILE", help="a file that studbook pack wrote"),
    flag("--name", help="name of the run here (default: the name it had)"),
    RUNS,
)
def unpack(options: Namespace, terminal: Terminal) -> int:
    done = unpack_run(Path(options.file), Path(options.runs_dir), options.name)
    if terminal.wants_json:
        told = {
            **_plain(done.run, done.files, done.head),
            "folder": done.folder.as_posix(),
            "notes": done.notes,
        }
        terminal.json({"schema": 1, "unpacked": told})
        return 0
    terminal.result(
        [
            line(
                ("✓ ", "green"),
                f"{done.run} unpacked into {done.folder}: {count(done.files, 'file')}, contents verified",
            ),
            line(f"  journal head {done.head}"),
            line(
                f"  not verified: report.html, notices.jsonl (studbook report {done.run} rewrites the report)"
            ),
        ]
    )
    for note in done.notes:
        terminal.progress(f"note: {clean_line(note, 300)}")
    terminal.progress(
        "it is not your run: its code runs in Docker unless you say otherwise, and no address, key or code "
        "that it names is used before you name it"
    )
    terminal.progress(
        f"re-run everything from recorded model calls: studbook replay {done.run} --level recorded"
    )
    return 0


@command("studbook adopt quickstart-1", RUN, RUNS)
def adopt(options: Namespace, terminal: Terminal) -> int:
    """Says first what the run may then do without being asked."""
    run = open_run(options.run, Path(options.runs_dir))
    spec = read_resolved(run.folder.spec)
    was_own = run.provenance.is_own
    if not was_own and not mark_as_own(run.folder, run.head):
        raise UsageError(
            "no state folder can be written, so nothing can be marked as yours\n"
            "  set XDG_STATE_HOME to a folder that only you can write"
        )
    wishes = dict(decisions_of(spec))
    if terminal.wants_json:
        terminal.json({"schema": 1, "run": run.folder.name, "was_own": was_own, "wishes": wishes})
        return 0
    known = "was yours already" if was_own else "is yours now: resume and replay open it as it was made"
    terminal.result([f"{run.folder.name} {known}"])
    for key, value in wishes.items():
        terminal.progress(f"  {clean_line(f'{key}: {value}', 200)}")
    return 0


def _plain(run: str, files: int, head: str) -> dict[str, object]:
    return {"run": run, "files": files, "head": head}
