"""Looks for keys in everything a run leaves behind: every file, unpacked down to the last layer.

Knows nothing of how Studbook hides keys: the spellings are worked out here a second time. A key that was
folded over lines is found by looking a second time without blanks and box drawing.
"""

import base64
import json
import sqlite3
import subprocess
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import zstandard

ZSTD = b"\x28\xb5\x2f\xfd"
SQLITE = b"SQLite format 3\0"
FOLDS = bytes(range(0x21)) + b"|" + bytes(range(0x7F, 0x100))
"""What folding puts between the letters of a key: blanks, line breaks, drawing; and the zeros of UTF-16."""


class KeySearch:
    """`keys`: name → value. What is found is told as "name (spelling) in place", never with the value."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._needles = {
            f"{name} ({spelling})": squeezed(text.encode())
            for name, value in keys.items()
            for spelling, text in spellings(value).items()
        }

    def in_bytes(self, data: bytes, place: str) -> list[str]:
        hay = squeezed(data)
        return [f"{name} in {place}" for name, needle in self._needles.items() if needle in hay]

    def in_text(self, text: str, place: str) -> list[str]:
        return self.in_bytes(text.encode("utf-8", "surrogatepass"), place)

    def in_folder(self, folder: Path) -> list[str]:
        """Every file below `folder`, names included."""
        found = []
        for path in sorted(folder.rglob("*")):
            found += self.in_text(path.name, f"the name of {path.name}")
            if path.is_file():
                for place, data in layers(path):
                    found += self.in_bytes(data, place)
            elif path.name.endswith(".git"):
                for place, data in git_objects(path):
                    found += self.in_bytes(data, place)
        return found


def squeezed(data: bytes) -> bytes:
    """In small letters and without what folds; line breaks as JSON writes them are such, too."""
    small = data.translate(None, FOLDS).lower()
    for escaped in (b"\\n", b"\\r", b"\\t"):
        small = small.replace(escaped, b"")
    return small


def spellings(value: str) -> dict[str, str]:
    """How a key may be written; of base64 what it is at each of the three offsets."""
    data = value.encode()
    found = {
        "plain": value,
        "backwards": value[::-1],
        "json": json.dumps(value)[1:-1],
        "json twice": json.dumps(json.dumps(value)[1:-1])[1:-1],
        "python": repr(value)[1:-1],
        "url": quote(value, safe=""),
        "url form": quote_plus(value),
        "hex": data.hex(),
    }
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        inner = whole[2 * offset :][1:-1] if offset else whole[:-1]
        found[f"base64 at {offset}"] = inner
        found[f"base64 for URLs at {offset}"] = inner.replace("+", "-").replace("/", "_")
    return found


def layers(path: Path) -> Iterator[tuple[str, bytes]]:
    """A file as it lies there, and what it holds packed."""
    data = path.read_bytes()
    yield path.name, data
    if data.startswith(SQLITE):
        yield from rows(path)
    yield from unpacked(data, path.name)


def unpacked(data: bytes, place: str) -> Iterator[tuple[str, bytes]]:
    if data.startswith(ZSTD):
        yield f"{place} (unpacked)", zstandard.ZstdDecompressor().decompressobj().decompress(data)
    elif data[:1] == b"\x78":
        try:
            yield f"{place} (inflated)", zlib.decompress(data)
        except zlib.error:
            return


def rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table, those only in the write-ahead log included; the files stay as they are."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for name in names:
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    yield f"{path.name}: {name}", data
                    yield from unpacked(data, f"{path.name}: {name}")
    finally:
        connection.close()


def git_objects(repository: Path) -> Iterator[tuple[str, bytes]]:
    """Every object, loose or packed, reachable or not."""
    command = ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"]
    done = subprocess.run(command, capture_output=True, check=True)
    yield f"{repository.name} (objects)", done.stdout
