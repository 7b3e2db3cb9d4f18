"""Packs, as `git gc` writes them: objects in one file, many of them as differences from another.

Read here and not by git, which obeys the repository around a pack, and not by a library: those we tried
trust sizes and chains, so that a small pack takes all memory (docs/decisions/014-git-plumbing.md). Every
object is proved by its id. Index version 2 and SHA-1 only; writes nothing.
"""

import hashlib
import mmap
import os
import re
import struct
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import IntegrityError
from studbook.populations.git_objects import MAX_OBJECT_BYTES, GitObject
from studbook.populations.storage import open_plain

MAX_PACKS = 64
"""`git gc` joins packs before there are so many."""
MAX_PACK_BYTES = 2**31 - 1
MAX_OBJECTS = 1_000_000
MAX_CHAIN = 4095
"""The longest chain of differences that git writes."""
MAX_EFFORT = 128 * 1024 * 1024
"""Bytes read and made for one object; a chain of 50 versions of the largest harness file takes a fifth."""
OBJECT_EFFORT, INSTRUCTION_EFFORT = 4096, 256
"""An object, and an instruction of a difference, take about as long as so many bytes."""
CACHED_BYTES = 16 * 1024 * 1024

_NAME = re.compile(r"pack-[0-9a-f]{40}\.pack\Z")
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFFSET_DELTA, _ID_DELTA = 6, 7
_FAN, _IDS = 8, 8 + 256 * 4
_SHA_BYTES = 20


class Packs:
    """All packs of an `objects` folder, those too that appear later. Not thread-safe. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pack"
        self._packs: dict[str, _Pack] = {}
        self.effort = 0
        """Of all that was read so far, in bytes."""

    def find(self, sha: str) -> GitObject | None:
        """The object with this id, None if no pack has it. Raises IntegrityError for a damaged pack."""
        wanted = bytes.fromhex(sha)
        pack = next((each for each in self._packs.values() if each.find_offset(wanted)), None)
        if pack is None:
            self._look()
            pack = next((each for each in self._packs.values() if each.find_offset(wanted)), None)
        return None if pack is None else self._read(pack, pack.find_offset(wanted) or 0, sha)

    def read_all(self) -> Iterator[tuple[str, GitObject | IntegrityError]]:
        """Every object by its id, or why it cannot be read; the damage of a whole pack comes without id."""
        self._look()
        for pack in self._packs.values():
            if (problem := pack.find_damage()) is not None:
                yield "", IntegrityError(f"{pack.path} is damaged: {problem}")
            for offset, sha in sorted((offset, sha) for sha, offset in pack.entries()):
                try:
                    yield sha, self._read(pack, offset, sha)
                except IntegrityError as error:
                    yield sha, error

    def _read(self, pack: "_Pack", offset: int, sha: str) -> GitObject:
        budget = _Budget()
        try:
            kind, data = pack.read(offset, budget)
        except (_Damage, IndexError, struct.error, zlib.error) as error:
            raise IntegrityError(f"{pack.path} is damaged: object {sha}: {error}") from error
        finally:
            self.effort += budget.spent
        found = GitObject.of(kind, data)
        if found.sha != sha:
            raise IntegrityError(f"{pack.path} is damaged: object {sha} is not what its name says")
        return found

    def _look(self) -> None:
        """Opens packs that are new. Raises IntegrityError for one that cannot be read as a pack."""
        names = sorted(path.name for path in self._folder.glob("*.pack") if _NAME.match(path.name))
        if len(names) > MAX_PACKS:
            raise IntegrityError(
                f"{self._folder} has more than {MAX_PACKS} packs\n"
                "  if the run is yours, join them with `git gc`"
            )
        for name in names:
            if name not in self._packs:
                self._packs[name] = _Pack(self._folder / name)

    def close(self) -> None:
        for pack in self._packs.values():
            pack.close()
        self._packs.clear()


class _Damage(Exception):
    """What is wrong with an object."""


class _Budget:
    """What reading one object may take."""

    def __init__(self) -> None:
        self.spent = 0

    def spend(self, count: int) -> None:
        self.spent += count
        if self.spent > MAX_EFFORT:
            raise _Damage("reading it takes more effort than any file of a harness")


@dataclass(frozen=True, slots=True)
class _Header:
    """An object in a pack: whole if `base` is None, else as a difference from the object at `base`."""

    kind: int
    size: int
    base: int | None
    start: int


class _Pack:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._cache: OrderedDict[int, tuple[str, bytes]] = OrderedDict()
        self._cached = 0
        with ExitStack() as opened:
            self._data = opened.enter_context(_mapped(path))
            try:
                self._index = opened.enter_context(_mapped(path.with_suffix(".idx")))
            except FileNotFoundError as error:
                raise IntegrityError(f"{path} has no index") from error
            self._count = self._read_count()
            self._opened = opened.pop_all()

    def _read_count(self) -> int:
        """Raises IntegrityError unless the index has all the bytes that its count needs."""
        path = self.path.with_suffix(".idx")
        if self._index[:_FAN] != b"\xfftOc" + struct.pack(">I", 2):
            raise IntegrityError(f"{path} is not an index of version 2")
        if len(self._index) < _IDS + 2 * _SHA_BYTES:
            raise IntegrityError(f"{path} is damaged: it is cut short")
        fan = struct.unpack_from(">256I", self._index, _FAN)
        if len(self._index) < _IDS + fan[-1] * 28 + 2 * _SHA_BYTES or list(fan) != sorted(fan):
            raise IntegrityError(f"{path} is damaged: it is cut short, or counts wrong")
        if fan[-1] > MAX_OBJECTS:
            raise IntegrityError(f"{self.path} has more than {MAX_OBJECTS:,} objects")
        return int(fan[-1])

    def find_damage(self) -> str | None:
        """Compares the checksums and counts at the ends of pack and index."""
        head = b"PACK" + struct.pack(">II", 2, self._count)
        if self._data[:12] != head:
            return "it does not begin as a pack with as many objects as its index"
        if hashlib.sha1(self._data[:-_SHA_BYTES], usedforsecurity=False).digest() != self._data[-_SHA_BYTES:]:
            return "its checksum does not match"
        if self._index[-2 * _SHA_BYTES : -_SHA_BYTES] != self._data[-_SHA_BYTES:]:
            return "its index belongs to another pack"
        return None

    def entries(self) -> Iterator[tuple[str, int]]:
        """Ids and offsets."""
        return ((self._id(row).hex(), self._offset(row)) for row in range(self._count))

    def find_offset(self, wanted: bytes) -> int | None:
        """Where an object begins, never 0."""
        first = struct.unpack_from(">I", self._index, _FAN + 4 * wanted[0] - 4)[0] if wanted[0] else 0
        last = struct.unpack_from(">I", self._index, _FAN + 4 * wanted[0])[0]
        row = first + bisect_left(range(first, last), wanted, key=self._id)
        return self._offset(row) if row < last and self._id(row) == wanted else None

    def _id(self, row: int) -> bytes:
        return self._index[_IDS + row * _SHA_BYTES : _IDS + (row + 1) * _SHA_BYTES]

    def _offset(self, row: int) -> int:
        offset: int = struct.unpack_from(">I", self._index, _IDS + self._count * 24 + row * 4)[0]
        return offset

    def read(self, offset: int, budget: _Budget) -> tuple[str, bytes]:
        """The kind and the data of the object at `offset`, put together from its chain of differences."""
        chain: list[tuple[int, _Header]] = []
        while (found := self._find_cached(offset)) is None:
            budget.spend(OBJECT_EFFORT)
            header = self._header(offset)
            if header.base is None:
                found = self._keep(offset, (_KINDS[header.kind], self._inflate(header, budget)))
                break
            chain.append((offset, header))
            if len(chain) > MAX_CHAIN:
                raise _Damage("its chain of differences is too long, or a circle")
            offset = header.base
        kind, data = found
        for place, header in reversed(chain):
            data = apply_delta(data, self._inflate(header, budget), budget)
            self._keep(place, (kind, data))
        return kind, data

    def _header(self, offset: int) -> _Header:
        if not 12 <= offset < len(self._data) - _SHA_BYTES:
            raise _Damage("it lies outside the pack")
        byte = self._data[offset]
        kind, size, shift, at = byte >> 4 & 7, byte & 15, 4, offset + 1
        while byte & 0x80:
            byte = self._data[at]
            size |= (byte & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if size > MAX_OBJECT_BYTES or shift > 64:
                raise _Damage(f"it has more than {MAX_OBJECT_BYTES:,} bytes")
        if kind in _KINDS:
            return _Header(kind, size, None, at)
        if kind == _ID_DELTA:
            base = self.find_offset(self._data[at : at + _SHA_BYTES].ljust(_SHA_BYTES, b"\0"))
            if base is None:
                raise _Damage("it is a difference from an object outside the pack")
            return _Header(kind, size, base, at + _SHA_BYTES)
        if kind != _OFFSET_DELTA:
            raise _Damage("it is of no known kind")
        back, at = self._distance(at)
        return _Header(kind, size, offset - back, at)

    def _distance(self, at: int) -> tuple[int, int]:
        byte = self._data[at]
        back = byte & 0x7F
        while byte & 0x80:
            at += 1
            byte = self._data[at]
            back = (back + 1) << 7 | byte & 0x7F
            if back > MAX_PACK_BYTES:
                raise _Damage("it is a difference from an object outside the pack")
        return back, at + 1

    def _inflate(self, header: _Header, budget: _Budget) -> bytes:
        """Compressed data that is much longer than its content is refused: zlib writes none."""
        most = header.size + header.size // 8 + 1024
        budget.spend(header.size)
        inflater = zlib.decompressobj()
        data = inflater.decompress(self._data[header.start : header.start + most], header.size + 1)
        if len(data) != header.size or not inflater.eof:
            raise _Damage("it is cut short, or longer than it says")
        return data

    def _find_cached(self, offset: int) -> tuple[str, bytes] | None:
        found = self._cache.get(offset)
        if found is not None:
            self._cache.move_to_end(offset)
        return found

    def _keep(self, offset: int, found: tuple[str, bytes]) -> tuple[str, bytes]:
        """Neighbors in a pack are often differences from one another."""
        self._cache[offset] = found
        self._cached += len(found[1])
        while self._cached > CACHED_BYTES:
            self._cached -= len(self._cache.popitem(last=False)[1][1])
        return found

    def close(self) -> None:
        self._opened.close()


def _mapped(path: Path) -> mmap.mmap:
    with open_plain(path, MAX_PACK_BYTES) as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise IntegrityError(f"{path} is empty")
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)


def apply_delta(base: bytes, delta: bytes, budget: _Budget) -> bytes:
    """What `delta` makes of `base`: it copies parts of it and inserts bytes of its own."""
    base_size, at = _size(delta, 0)
    size, at = _size(delta, at)
    if base_size != len(base) or size > MAX_OBJECT_BYTES:
        raise _Damage("the difference belongs to another object")
    budget.spend(size)
    made = bytearray()
    while at < len(delta):
        budget.spend(INSTRUCTION_EFFORT)
        code = delta[at]
        at += 1
        if code & 0x80:
            start, at = _number(delta, at, code & 0xF)
            count, at = _number(delta, at, code >> 4 & 7)
            part = base[start : start + (count or 0x10000)]
            wanted = count or 0x10000
        else:
            part, wanted = delta[at : at + code], code
            at += code
        made += part
        if len(part) != wanted or not wanted or len(made) > size:
            raise _Damage("the difference copies what is not there")
    if len(made) != size:
        raise _Damage("the difference makes another size than it says")
    return bytes(made)


def _size(delta: bytes, at: int) -> tuple[int, int]:
    size = shift = 0
    byte = 0x80
    while byte & 0x80:
        byte = delta[at]
        size |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if shift > 64:
            raise _Damage("the difference belongs to another object")
    return size, at


def _number(delta: bytes, at: int, present: int) -> tuple[int, int]:
    """A little-endian number of which only the bytes in the bit mask `present` are written."""
    number = 0
    for place in range(4):
        if present & 1 << place:
            number |= delta[at] << 8 * place
            at += 1
    return number, at
