"""Ways to change a run folder as somebody would who wants another result, or as a bad disk would.

Each works on the files alone, with tools anybody has; where it says so, it mends what would give it away.
"""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from studbook.compression import compress, decompress
from studbook.identity import canonical_json, hash_bytes
from studbook.llm.records import pack, unpack
from studbook.populations.journal import GENESIS, format_line
from studbook.populations.storage import RunFolder

Json = dict[str, Any]


def journal_lines(run: RunFolder) -> list[bytes]:
    return run.journal.read_bytes().splitlines(keepends=True)


def edit_lines(run: RunFolder, edit: Callable[[list[bytes]], None]) -> None:
    """Bytes only: no hash is mended."""
    lines = journal_lines(run)
    edit(lines)
    run.journal.write_bytes(b"".join(lines))


def rewrite_events(run: RunFolder, edit: Callable[[list[Json]], None]) -> None:
    """Each event is {"kind", "data", "left", "time"}; afterwards every hash and checksum is right again."""
    events = [json.loads(line) for line in journal_lines(run)]
    edit(events)
    prev, lines = GENESIS, []
    for seq, event in enumerate(events):
        line, prev = format_line(
            kind=event["kind"],
            data=event["data"],
            seq=seq,
            prev=prev,
            left=event["left"],
            time=event["time"],
        )
        lines.append(line)
    run.journal.write_bytes(b"".join(lines))


def numbered(run: RunFolder, kind: str) -> list[int]:
    """The line numbers of one kind of event."""
    return [n for n, line in enumerate(journal_lines(run), 1) if json.loads(line)["kind"] == kind]


def results_of(run: RunFolder, purpose: str, verdict: str) -> list[tuple[int, Json]]:
    """Line number and result, where an evaluation of that purpose has results of that verdict."""
    found = []
    for number, line in enumerate(journal_lines(run), 1):
        event = json.loads(line)
        if event["kind"] == "evaluation_done" and event["data"]["purpose"] == purpose:
            for result in event["data"]["evaluation"]["results"]:
                found += [(number, result)] if result["verdict"] == verdict else []
    return found


def trajectory_path(run: RunFolder, key: str) -> Path:
    return run.trajectories / key[:2] / f"{key}.json.zst"


def read_trajectory_file(run: RunFolder, key: str) -> Json:
    return json.loads(decompress(trajectory_path(run, key).read_bytes()))


def write_trajectory_file(run: RunFolder, key: str, value: Json) -> str:
    """Compressed as Studbook does it; the hash of its content."""
    body = canonical_json(value)
    path = trajectory_path(run, key)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(compress(body))
    return hash_bytes(body)


def follow_up(run: RunFolder, key: str, change: Callable[[Json], None]) -> None:
    """Change one trajectory, and let the journal say the same of it, with all hashes right again."""
    value = read_trajectory_file(run, key)
    change(value)
    digest = write_trajectory_file(run, key, value)

    def edit(events: list[Json]) -> None:
        for event in events:
            if event["kind"] == "evaluation_done":
                results = event["data"]["evaluation"]["results"]
                for number, result in enumerate(results):
                    if result["key"] == key:
                        results[number] = {**value["result"], "trajectory_hash": digest}

    rewrite_events(run, edit)


def execute(run: RunFolder, statement: str, *values: object) -> None:
    connection = sqlite3.connect(run.calls)
    try:
        connection.execute(statement, values)
        connection.commit()
    finally:
        connection.close()


def record_keys(run: RunFolder, role: str) -> list[str]:
    connection = sqlite3.connect(run.calls)
    try:
        rows = connection.execute("SELECT key FROM calls WHERE role = ? ORDER BY key", (role,)).fetchall()
    finally:
        connection.close()
    return [key.hex() for (key,) in rows]


def change_reply(run: RunFolder, key: str, text: str) -> None:
    """The row is consistent in itself afterwards."""
    connection = sqlite3.connect(run.calls)
    row = connection.execute("SELECT reply FROM calls WHERE key = ?", (bytes.fromhex(key),)).fetchone()
    connection.close()
    call = unpack(key, row[0], "row")
    changed = pack(replace(call, reply=replace(call.reply, text=text)))
    execute(run, "UPDATE calls SET reply = ? WHERE key = ?", changed, bytes.fromhex(key))


def write_object(run: RunFolder, kind: str, data: bytes) -> str:
    """A loose object under its right name."""
    content = b"%s %d\0" % (kind.encode(), len(data)) + data
    sha = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    path = run.lineage / "objects" / sha[:2] / sha[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(content))
    return sha


def object_path(run: RunFolder, sha: str) -> Path:
    return run.lineage / "objects" / sha[:2] / sha[2:]


def object_data(run: RunFolder, sha: str) -> bytes:
    return zlib.decompress(object_path(run, sha).read_bytes()).partition(b"\0")[2]


def replace_object(run: RunFolder, sha: str, data: bytes, kind: str) -> None:
    """Other content under an old name."""
    path = object_path(run, sha)
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"%s %d\0" % (kind.encode(), len(data)) + data))


def commit_of(run: RunFolder, harness_id: str) -> str:
    return (run.lineage / "refs/mutants" / harness_id).read_text().strip()


def tree_of(run: RunFolder, harness_id: str) -> str:
    return object_data(run, commit_of(run, harness_id)).split(b"\n")[0].split()[1].decode()
