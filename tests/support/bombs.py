"""Changes to a run that would keep its reader busy, fill its memory, or lead it out of the folder."""

import json
import os
import shutil
import socket
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard
from support import tampering as t

from studbook.compression import compress
from studbook.populations.storage import RunFolder

Bomb = Callable[[RunFolder], object]

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
OLD = "old.key, old.role, old.model, old.prompt_tokens, old.completion_tokens, old.dollars, old.reply"


def script(*statements: str) -> Bomb:
    """Statements in calls.sqlite, with the schema itself writable."""

    def change(run: RunFolder) -> None:
        connection = sqlite3.connect(run.calls, isolation_level=None)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return change


def in_place_of(table: str, definition: str) -> Bomb:
    return script(f"ALTER TABLE {table} RENAME TO old", definition)


def shared_pages(run: RunFolder) -> None:
    """Every inner page of the table `calls` points to one page below it: a tiny file with endless rows."""
    connection = sqlite3.connect(run.calls, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls'").fetchone()
    size, pages = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count"))
    connection.close()
    data = bytearray(run.calls.read_bytes())
    levels = 12
    data += bytes(size * levels)
    below = _leaf_of(data, root, size)
    for level in range(levels):
        number = pages + level + 1 if level < levels - 1 else root
        data[(number - 1) * size : number * size] = _inner_page(size, below)
        below = number
    struct.pack_into(">I", data, 28, pages + levels)
    struct.pack_into(">I", data, 92, struct.unpack_from(">I", data, 24)[0])
    run.calls.write_bytes(data)


def _leaf_of(data: bytearray, page: int, size: int) -> int:
    while data[(page - 1) * size] == 5:
        (cell,) = struct.unpack_from(">H", data, (page - 1) * size + 12)
        (page,) = struct.unpack_from(">I", data, (page - 1) * size + cell)
    return page


def _inner_page(size: int, child: int, cells: int = 200) -> bytes:
    """An interior page of a table whose every cell points to `child`."""
    page = bytearray(size)
    start = size - 6 * cells
    struct.pack_into(">BHHHBI", page, 0, 5, 0, cells, start, 0, child)
    for number in range(cells):
        at = start + 6 * number
        struct.pack_into(">H", page, 12 + 2 * number, at)
        struct.pack_into(">IBB", page, at, child, 0x81, number % 128)
    return bytes(page)


def holes(name: str, size: int = 1 << 40) -> Bomb:
    """A terabyte that takes nothing on the disk, behind what is there."""

    def change(run: RunFolder) -> None:
        with (run.root / name).open("ab") as file:
            file.write(b"x")
            file.truncate(size)

    return change


def endless_pages_and_holes(run: RunFolder) -> None:
    """Limits that follow from the size of the file are never reached."""
    shared_pages(run)
    holes("calls.sqlite")(run)


def huge_row(run: RunFolder) -> None:
    t.execute(run, "UPDATE calls SET reply = zeroblob(200000000) WHERE rowid = 1")


def frames_in(run: RunFolder, size: int, number: int) -> Iterator[tuple[str, bytes]]:
    """Compressed texts of that size, which take a thousandth of it."""
    frame = compress(b'{"v":2,"result":"' + b"a" * size + b'"}')
    for each in range(number):
        yield f"{each:064x}", frame


def many_frames(size: int, number: int) -> Bomb:
    def change(run: RunFolder) -> None:
        for key, frame in frames_in(run, size, number):
            path = t.trajectory_path(run, key)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(frame)

    return change


def many_rows(run: RunFolder) -> None:
    connection = sqlite3.connect(run.calls)
    for key, frame in frames_in(run, 48 * 1024 * 1024, 200):
        row = (bytes.fromhex(key), "judge", "m", 1, 1, 0.0, frame)
        connection.execute("INSERT INTO calls VALUES (?,?,?,?,?,?,?)", row)
    connection.commit()
    connection.close()


def one_trajectory(data: bytes) -> Bomb:
    """In the place of one that the journal names."""

    def change(run: RunFolder) -> None:
        sorted(run.trajectories.rglob("*.zst"))[0].write_bytes(data)

    return change


def without_size(run: RunFolder) -> None:
    """A frame that does not say how large it is, and never ends."""
    made = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(300 * 1024 * 1024))
    one_trajectory(made)(run)


def journal_with(piece: bytes, times: int, *, at_end: bool = True) -> Bomb:
    """The piece so many times behind or before what is there."""

    def change(run: RunFolder) -> None:
        kept = run.journal.read_bytes()
        with run.journal.open("wb") as file:
            file.write(kept if at_end else b"")
            for _ in range(times):
                file.write(piece)
            file.write(b"" if at_end else kept)

    return change


def re_chained(size: int) -> Bomb:
    """A long text in an event, with every hash right again."""

    def change(run: RunFolder) -> None:
        def edit(events: list[t.Json]) -> None:
            next(e for e in events if e["kind"] == "decision_made")["data"]["decision"]["reason"] = "a" * size

        t.rewrite_events(run, edit)

    return change


def instead(name: str, make: Callable[[Path], object]) -> Bomb:
    """Something else in the place of a file or folder."""

    def change(run: RunFolder) -> None:
        path = run.root / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        make(path)

    return change


def a_socket(path: Path) -> None:
    short = f"/proc/self/fd/{os.open(path.parent, os.O_RDONLY)}/{path.name}"  # a path of at most 108 bytes
    with socket.socket(socket.AF_UNIX) as unnamed:
        unnamed.bind(short)


def nested_folders(top: Path) -> None:
    """Deeper than a path can be long."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("a" * 8, dir_fd=here)
        below = os.open("a" * 8, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def remove_nested(top: Path) -> None:
    """What `shutil.rmtree` cannot remove, because it calls itself once a level."""
    path, parking = top / ("a" * 8), top / "parking"
    while path.exists():
        inner = path / ("a" * 8)
        if inner.exists():
            inner.rename(parking)
            path.rmdir()
            parking.rename(path)
        else:
            path.rmdir()


DATABASES: dict[str, Bomb] = {
    "an endless view": in_place_of("calls", f"CREATE VIEW calls AS {ENDLESS} SELECT {OLD} FROM old, n"),
    "an endless view of totals": in_place_of(
        "wasted",
        f"CREATE VIEW wasted AS {ENDLESS} SELECT 'judge' role, x prompt_tokens, x completion_tokens,"
        " 0.0 dollars FROM n",
    ),
    "an endless view of what was cached": in_place_of(
        "cached", f"CREATE VIEW cached AS {ENDLESS} SELECT x role, x tokens FROM n"
    ),
    "a trigger": script(
        f"CREATE VIEW endless AS {ENDLESS} SELECT x FROM n",
        "CREATE TRIGGER busy AFTER INSERT ON calls BEGIN INSERT OR IGNORE INTO wasted"
        " SELECT 'judge', x, 1, 0.0 FROM endless; END",
    ),
    "a computed column": script(
        "CREATE TABLE more (a, b AS (length(zeroblob(500000000)) + length(hex(zeroblob(400000000)))))",
    ),
    "a check that takes forever": script(
        "CREATE TABLE more (a CHECK (length(replace(hex(zeroblob(9000000)), '0', hex(zeroblob(9000)))) > a))",
    ),
    "an index of expressions": script("CREATE INDEX slow ON calls (hex(zeroblob(1000)))"),
    "a virtual table": script("CREATE VIRTUAL TABLE more USING fts5(a)"),
    "a schema that is no SQL": script(
        "UPDATE sqlite_master SET sql = 'CREATE TABLE calls (x' WHERE name = 'calls'"
    ),
    "a schema of a megabyte": script(f"CREATE TABLE more ({', '.join(f'column_{n}' for n in range(1900))})"),
    "a thousand tables": script(*(f"CREATE TABLE more_{n} (a)" for n in range(1000))),
    "pages that share their children": shared_pages,
    "a row of 200 MB": huge_row,
    "200 records of 48 MB": many_rows,
    "a role that is a number": lambda run: t.execute(run, "UPDATE calls SET role = x'00ff'"),
    "tokens that are text": lambda run: t.execute(run, "UPDATE calls SET prompt_tokens = 'many'"),
    "endless tokens": lambda run: t.execute(run, "UPDATE calls SET prompt_tokens = 9223372036854775807"),
    "a text that is not UTF-8": lambda run: t.execute(run, "UPDATE calls SET role = CAST(x'ff' AS TEXT)"),
}

HOLES: dict[str, Bomb] = {
    "pages that share their children, and holes": endless_pages_and_holes,
    "a write-ahead log of holes": holes("calls.sqlite-wal"),
    "a report of holes": holes("report.html"),
}
"""Not to be packed as they are: that would take hours."""

DEEP = b'{"v":2,"result":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def wide(run: RunFolder) -> None:
    one_trajectory(compress(b'{"v":2,"result":[' + b"[]," * 8_000_000 + b"[]]}"))(run)


TRAJECTORIES: dict[str, Bomb] = {
    "100 frames of 200 MB": many_frames(200 * 1024 * 1024, 100),
    "100 frames of 90 MB": many_frames(90 * 1024 * 1024, 100),
    "3000 frames of 10 MB": many_frames(10 * 1024 * 1024, 3000),
    "a frame without its size": without_size,
    "a deep value": one_trajectory(compress(DEEP)),
    "a wide value": wide,
    "a number of a million digits": one_trajectory(compress(b'{"v":' + b"9" * 1_000_000 + b"}")),
    "no value at all": one_trajectory(b""),
    "a list": one_trajectory(compress(b"[]")),
}
JOURNALS: dict[str, Bomb] = {
    "a line of 300 MB": journal_with(b"x" * 1024, 300 * 1024),
    "a line of 300 MB before the first": journal_with(b"x" * 1024, 300 * 1024, at_end=False),
    "a line of zeros": journal_with(bytes(1024), 100 * 1024),
    "200,000 lines that are none": journal_with(b"{}\n", 200_000),
    "a deep line": journal_with(b'{"data":' + DEEP + b"\n", 1),
    "a reason of 40 MB": re_chained(40 * 1024 * 1024),
}
TEXTS: dict[str, Bomb] = {
    "a spec of 200 MB": lambda run: run.spec.write_bytes(b"# " + b"x" * (200 * 1024 * 1024)),
    "a spec of aliases": lambda run: run.spec.write_text(
        "a: &a [x, x]\n"
        + "".join(
            f"{n}: &{n} [*{p}, *{p}, *{p}, *{p}]\n" for p, n in zip("abcdefghij", "bcdefghijk", strict=True)
        )
    ),
    "a deep spec": lambda run: run.spec.write_text("a: " + "[" * 20_000 + "]" * 20_000),
    "a spec of a million entries": lambda run: run.spec.write_text("a: [" + "x, " * 300_000 + "x]"),
    "an environment of 200 MB": lambda run: run.environment.write_bytes(
        b'{"a": "' + b"x" * 200_000_000 + b'"}'
    ),
    "a deep environment": lambda run: run.environment.write_bytes(DEEP),
    "an environment that is a list": lambda run: run.environment.write_text(json.dumps([1])),
}
NAMES = (
    "journal.jsonl",
    "journal.jsonl.lock",
    "spec.resolved.yaml",
    "environment.json",
    "calls.sqlite",
    "calls.sqlite-wal",
    "notices.jsonl",
    "report.html",
    "trajectories",
    "STOP",
)
THINGS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "a folder": lambda path: (path.mkdir(), (path / "x").write_text("x")),
    "a socket": a_socket,
}
