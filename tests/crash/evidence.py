"""What a run folder holds, read without its writers, so that two runs, or two moments, can be compared."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studbook.experiments.verifying import verify_run
from studbook.populations.journal import JournalReader
from studbook.populations.storage import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that two runs of one spec must have in common, by name; for a message that says what differs."""

    journal: tuple[str, ...]
    refs: dict[str, str]
    verdicts: tuple[str, ...]
    champion: str
    trajectories: dict[str, str]

    def differences(self, other: "Outcome") -> list[str]:
        found = []
        if self.journal != other.journal:
            pairs = enumerate(zip(self.journal, other.journal, strict=False), start=1)
            at = next((number for number, (one, two) in pairs if one != two), None)
            where = f"line {at}" if at else f"{len(self.journal)} and {len(other.journal)} lines"
            found.append(f"journal hashes: {where}")
        if self.refs != other.refs:
            found.append("refs of lineage.git")
        if self.verdicts != other.verdicts:
            found.append(f"verdicts: {self.verdicts} and {other.verdicts}")
        if self.champion != other.champion:
            found.append(f"champion: {self.champion} and {other.champion}")
        # papers finished beyond the one that decided a race may be kept or not; what both kept is the same
        common = self.trajectories.keys() & other.trajectories.keys()
        if any(self.trajectories[name] != other.trajectories[name] for name in common):
            found.append("trajectories")
        return found


def journal_lines(folder: RunFolder) -> list[dict[str, Any]]:
    """The whole lines."""
    try:
        data = folder.journal.read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def appended(folder: RunFolder) -> tuple[str, ...]:
    """The hashes of all whole appends: one that was cut short has whole lines too, which do not count."""
    return tuple(entry.hash for entry in JournalReader(folder.journal)) if folder.exists else ()


def outcome(folder: RunFolder) -> Outcome:
    lines = journal_lines(folder)
    decisions = [line["data"]["decision"] for line in lines if line["kind"] == "decision_made"]
    champions = [json.dumps(line["data"]) for line in lines if line["kind"] == "champion_chosen"]
    return Outcome(
        journal=tuple(line["hash"] for line in lines),
        refs=refs(folder),
        verdicts=tuple(decision["verdict"] for decision in decisions),
        champion=champions[-1] if champions else "",
        trajectories={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in finished_papers(folder)
        },
    )


def refs(folder: RunFolder) -> dict[str, str]:
    root = folder.lineage / "refs"
    return {
        path.relative_to(root).as_posix(): path.read_text().strip()
        for path in root.rglob("*")
        if path.is_file()
    }


def finished_papers(folder: RunFolder) -> list[Path]:
    """A trajectory gets its name when it is whole."""
    return sorted(folder.trajectories.glob("??/*.json.zst"))


def recorded_keys(folder: RunFolder) -> set[str]:
    """As another process sees them, which is what survived."""
    if not folder.calls.exists():
        return set()
    connection = sqlite3.connect(folder.calls, timeout=30)
    try:
        return {key.hex() for (key,) in connection.execute("SELECT key FROM calls")}
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return set()
        raise
    finally:
        connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What was finished at one moment and must never be lost or made again."""

    papers: dict[str, tuple[int, int]]
    """By path, inode and time: a file that was written again has others."""
    calls: frozenset[str]
    journal: tuple[str, ...]

    @staticmethod
    def of(folder: RunFolder) -> "Finished":
        return Finished(
            papers={str(path): _identity(path) for path in finished_papers(folder)},
            calls=frozenset(recorded_keys(folder)),
            journal=appended(folder),
        )

    def lost(self, later: "Finished") -> list[str]:
        """What was there before and is not any more, or was made again."""
        papers = [path for path, identity in self.papers.items() if later.papers.get(path) != identity]
        calls = sorted(self.calls - later.calls)
        kept = self.journal == later.journal[: len(self.journal)]
        return [*papers, *calls, *([] if kept else ["lines of the journal"])]


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


def verification(folder: RunFolder) -> list[str]:
    """Faults that `studbook verify` finds; [] for a clean run."""
    return [str(fault) for fault in verify_run(folder).findings.faults]
