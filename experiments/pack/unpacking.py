"""`studbook unpack`: verifies a packed run and adds it to the runs, or refuses it and leaves nothing behind.

The file is untrusted: names, sizes, types and contents. It is unpacked into a hidden draft beside the runs,
verified there as by `studbook verify`, and renamed only if there are no faults.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import IntegrityError, UsageError
from studbook.experiments.pack.archive import Member, read_members, refused
from studbook.experiments.pack.packing import is_packed
from studbook.experiments.run.opening import RUN_NAME, create_run
from studbook.experiments.verifying import verify_run
from studbook.populations.storage import RunFolder, storage_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    run: str
    folder: Path
    files: int
    head: str
    notes: tuple[str, ...]


def unpack_run(file: Path, runs_dir: Path, wanted: str | None = None) -> Unpacked:
    """Raises IntegrityError for an incomplete run, UsageError for a name that is taken."""
    if not file.is_file():
        raise UsageError(f"no file at {file}\n  give a file written by `studbook pack`")
    name = wanted or read_name(file)
    told: list[Unpacked] = []

    def write(draft: RunFolder) -> None:
        files = _extract(file, draft)
        done = verify_run(draft)
        if done.findings.faults:
            first = done.findings.faults[0]
            raise IntegrityError(
                f"{file.name} is refused: {first.place}: {first.problem} "
                f"({len(done.findings.faults)} faults in total)\n  nothing was kept; ask for the file again"
            )
        told.append(
            Unpacked(
                run=name,
                folder=runs_dir / name,
                files=files,
                head=done.head,
                notes=tuple(done.findings.notes),
            )
        )

    create_run(runs_dir, name, name, write)
    return told[0]


def read_name(file: Path) -> str:
    """The run's name in the file, from its first entry."""
    for member in _checked(file):
        return member.name.partition("/")[0]
    raise IntegrityError(f"{file.name} is empty")


def _extract(file: Path, draft: RunFolder) -> int:
    seen: set[str] = set()
    for member in _checked(file):
        name = member.name.partition("/")[2]
        if name in seen:
            raise refused(file, member.name, "it appears twice")
        seen.add(name)
        path = draft.root / name
        with storage_errors(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                for data in member.chunks:
                    out.write(data)
    for needed in ("refs", "objects"):  # git requires them, even if empty
        (draft.lineage / needed).mkdir(parents=True, exist_ok=True)
    if "journal.jsonl" not in seen:
        raise IntegrityError(f"{file.name} contains no journal: it is not a packed run")
    return len(seen)


def _checked(file: Path) -> Iterator[Member]:
    """Every member with a name that a run's file has, before its content is read."""
    run = ""
    for member in read_members(file):
        top, _, name = member.name.partition("/")
        run = run or top
        if top != run or not RUN_NAME.fullmatch(top) or not is_packed(name):
            raise refused(file, member.name, "no file of a run has this name")
        yield member
