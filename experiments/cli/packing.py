"""The commands pack and unpack: a run as one file, and back."""

from argparse import Namespace
from pathlib import Path

from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.pack.packing import SUFFIX, pack
from studbook.experiments.pack.secret_scan import SecretScan, known_secrets
from studbook.experiments.pack.unpacking import unpack
from studbook.experiments.run.environment import read_surroundings
from studbook.experiments.run.opening import find_run
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.views.lines import line
from studbook.experiments.views.text import clean_line, count


def pack_command(options: Namespace, terminal: Terminal) -> int:
    folder = find_run(options.run, Path(options.runs_dir))
    file = Path(options.file or f"{folder.root.resolve().name}{SUFFIX}")
    secrets = known_secrets(read_resolved(folder.spec), read_surroundings().variables)
    done = pack(folder, file, SecretScan(secrets))
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
            line(("✓ ", "green"), f"{done.run} is in {file}: {count(done.files, 'file')}, {size}"),
            line(f"  journal head {done.head}"),
        ]
    )
    if done.left_out:
        terminal.progress(f"left out: {clean_line(', '.join(done.left_out), 300)}")
    terminal.progress(f"on the other machine: studbook unpack {file.name}")
    return 0


def unpack_command(options: Namespace, terminal: Terminal) -> int:
    done = unpack(Path(options.file), Path(options.runs_dir), options.name)
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
                f"{done.run} is in {done.folder}: {count(done.files, 'file')}; what it rests on is checked",
            ),
            line(f"  journal head {done.head}"),
            line(
                f"  report.html and notices.jsonl are not: studbook report {done.run} makes the report anew"
            ),
        ]
    )
    for note in done.notes:
        terminal.progress(f"note: {clean_line(note, 300)}")
    terminal.progress(f"carry it out again: studbook replay {done.run} --level recorded")
    return 0


def _plain(run: str, files: int, head: str) -> dict[str, object]:
    return {"run": run, "files": files, "head": head}
