"""Packs that git never writes, chosen to hang a reader or to fill its memory."""

import hashlib
import struct
import zlib
from pathlib import Path

from studbook.populations.git_objects import MAX_OBJECT_BYTES


def size_bytes(kind: int, size: int) -> bytes:
    first, rest = kind << 4 | size & 15, size >> 4
    out = []
    while rest:
        out.append(first | 0x80)
        first, rest = rest & 0x7F, rest >> 7
    return bytes([*out, first])


def number(value: int) -> bytes:
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delta(base_size: int, size: int, instructions: bytes) -> bytes:
    return number(base_size) + number(size) + instructions


def write_pack(objects: Path, entries: list[tuple[str, bytes]]) -> None:
    """`entries`: an id (which need not be true) and the bytes of an entry, with its header."""
    folder = objects / "pack"
    folder.mkdir(parents=True, exist_ok=True)
    body, rows = b"PACK" + struct.pack(">II", 2, len(entries)), []
    for sha, entry in entries:
        rows.append((bytes.fromhex(sha), len(body)))
        body += entry
    body += hashlib.sha1(body).digest()
    rows.sort()
    fan = [sum(row[0][0] <= first for row in rows) for first in range(256)]
    index = b"\xfftOc" + struct.pack(">I256I", 2, *fan) + b"".join(row[0] for row in rows)
    index += b"\0\0\0\0" * len(rows) + b"".join(struct.pack(">I", row[1]) for row in rows) + body[-20:]
    (folder / f"pack-{'a' * 40}.pack").write_bytes(body)
    (folder / f"pack-{'a' * 40}.idx").write_bytes(index + hashlib.sha1(index).digest())


ONE, TWO = "1" * 40, "2" * 40
ZEROS = zlib.compress(b"\0" * MAX_OBJECT_BYTES, 9)
BIG = size_bytes(3, MAX_OBJECT_BYTES) + ZEROS
COPY_ALL = b"\xff" + struct.pack("<I", 0) + MAX_OBJECT_BYTES.to_bytes(3, "little")
SMALL_DELTA = zlib.compress(delta(5, 5, b"\x05abcde"))


def by_id(sha: str, content: bytes) -> bytes:
    return size_bytes(7, len(content)) + bytes.fromhex(sha) + zlib.compress(content)


BOMBS = {
    "a size of a megabyte of digits": [(ONE, b"\xb0" + b"\xff" * 1_000_000 + b"\x01" + zlib.compress(b"x"))],
    "a distance of a megabyte of digits": [(ONE, b"\xe5" + b"\xff" * 1_000_000 + b"\x01" + SMALL_DELTA)],
    "an object of a terabyte": [(ONE, size_bytes(3, 2**40) + ZEROS)],
    "more content than the size says": [(ONE, size_bytes(3, 10) + ZEROS)],
    "less content than the size says": [(ONE, size_bytes(3, 4000) + zlib.compress(b"x"))],
    "a size beyond the end": [(ONE, b"\xb0")],
    "no kind": [(ONE, size_bytes(5, 1) + zlib.compress(b"x"))],
    "a circle": [(ONE, by_id(TWO, b"\5\5\x05abcde")), (TWO, by_id(ONE, b"\5\5\x05abcde"))],
    "a difference from itself": [(ONE, size_bytes(6, 8) + b"\0" + SMALL_DELTA)],
    "a difference from elsewhere": [(ONE, by_id("3" * 40, b"\5\5\x05abcde"))],
    "a difference before the beginning": [(ONE, size_bytes(6, 8) + b"\x7f" + SMALL_DELTA)],
    "a difference that copies a hundred times the object": [
        (TWO, BIG),
        (ONE, by_id(TWO, delta(MAX_OBJECT_BYTES, 100 * MAX_OBJECT_BYTES, COPY_ALL * 100))),
    ],
    "a difference that makes more than it says": [
        (TWO, BIG),
        (ONE, by_id(TWO, delta(MAX_OBJECT_BYTES, 10, COPY_ALL * 100))),
    ],
    "a difference of millions of instructions": [
        (TWO, size_bytes(3, 1) + zlib.compress(b"x")),
        (ONE, by_id(TWO, delta(1, 2_000_000, b"\x90\x01" * 2_000_000))),
    ],
    "a difference that ends within an instruction": [
        (TWO, size_bytes(3, 1) + zlib.compress(b"x")),
        (ONE, by_id(TWO, delta(1, 5, b"\xff\x01"))),
    ],
    "an instruction of zero": [
        (TWO, size_bytes(3, 1) + zlib.compress(b"x")),
        (ONE, by_id(TWO, delta(1, 0, b"\0\0"))),
    ],
    "another object than the name says": [(ONE, size_bytes(3, 1) + zlib.compress(b"x"))],
}
"""Entries of a pack by what is wrong with its object ONE."""
