"""One line of the journal as bytes: what is hashed, what is not, and the proof that nothing was changed.

    {"data":{…},"kind":"…","prev":"…","seq":n,"v":1,"hash":"…","left":k,"time":"…","check":"…"}

`hash` is the SHA-256 of the canonical JSON of data, kind, prev, seq and v, which is the text before `,"hash"`
with its brace closed: verifying needs no parsing, so a long journal opens fast. `prev` is the hash of the
line before. `left` says how many lines of the same append follow: an append counts whole or not at all.
`check` is the CRC-32 of all that stands before it: a flipped bit in the unhashed fields is found as well.
Opens no file and knows no event.
"""

import hashlib
import json
import re
import zlib
from dataclasses import dataclass, field

from populations.events import SCHEMA_VERSION, Event, from_json
from studbook.errors import IntegrityError
from studbook.identity import Json, canonical_json, hash_bytes

GENESIS = "0" * 64
"""`prev` of the first line."""

_TAIL_BYTES = 400
_TAIL = re.compile(
    rb',"kind":"(?P<kind>[a-z_]{1,40})","prev":"(?P<prev>[0-9a-f]{64})","seq":(?P<seq>[0-9]{1,15}),'
    rb'"v":(?P<v>[0-9]{1,9})(?P<end>,"hash":"(?P<hash>[0-9a-f]{64})","left":(?P<left>[0-9]{1,9}),'
    rb'"time":"(?P<time>[0-9T:.+Z-]{1,40})"(?P<unchecked>,"check":"(?P<check>[0-9a-f]{8})"\}))\Z'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A verified line. `event` decodes it; whoever needs only kinds or hashes does not pay for that."""

    seq: int
    kind: str
    hash: str
    prev: str
    left: int
    time: str
    body: bytes

    @property
    def data(self) -> Json:
        """The event's JSON."""
        data: Json = json.loads(self.body)["data"]
        return data

    @property
    def event(self) -> Event:
        """Raises IntegrityError when a line that hashes does not describe an event."""
        try:
            return from_json(self.kind, self.data)
        except IntegrityError as error:
            raise IntegrityError(f"journal entry {self.seq}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Behind a whole append: so many bytes and lines, the last of which has this hash.

    `digest`: the SHA-256 of these bytes, open for more; to be copied before it is updated.
    """

    size: int
    lines: int
    head: str
    digest: "hashlib._Hash | None" = field(default=None, compare=False, repr=False)


def last_line(seq: int, digest: str) -> Entry:
    """What is known of the line before a place: enough for the next one to follow it."""
    return Entry(seq=seq, kind="", hash=digest, prev="", left=0, time="", body=b"")


def format_line(*, kind: str, data: Json, seq: int, prev: str, left: int, time: str) -> tuple[bytes, str]:
    """The line with its newline, and its hash."""
    body = canonical_json({"data": data, "kind": kind, "prev": prev, "seq": seq, "v": SCHEMA_VERSION})
    digest = hash_bytes(body)
    line = b'%s,"hash":"%s","left":%d,"time":"%s"' % (body[:-1], digest.encode(), left, time.encode())
    return b'%s,"check":"%08x"}\n' % (line, zlib.crc32(line)), digest


def parse_line(line: bytes) -> Entry:
    """The entry of a line without its newline; raises IntegrityError saying what is wrong with it."""
    found = _TAIL.search(line, max(0, len(line) - _TAIL_BYTES))
    if found is None or not line.startswith(b'{"data":'):
        raise IntegrityError("it is not a journal line (cut, joined or edited)")
    if zlib.crc32(line[: found.start("unchecked")]) != int(found["check"], 16):
        raise IntegrityError("its checksum does not match: a byte was changed")
    if int(found["v"]) != SCHEMA_VERSION:
        raise IntegrityError(f"it has schema version {int(found['v'])}; this Studbook reads {SCHEMA_VERSION}")
    body = line[: found.start("end")] + b"}"
    if hash_bytes(body) != found["hash"].decode():
        raise IntegrityError("its hash does not match what it says: it was edited")
    return Entry(
        seq=int(found["seq"]),
        kind=found["kind"].decode(),
        hash=found["hash"].decode(),
        prev=found["prev"].decode(),
        left=int(found["left"]),
        time=found["time"].decode(),
        body=body,
    )


def check_follows(entry: Entry, before: Entry | None) -> None:
    """Raises IntegrityError unless `entry` continues the chain after `before` (None: it is the first)."""
    seq, prev = (before.seq + 1, before.hash) if before else (0, GENESIS)
    if entry.seq != seq:
        raise IntegrityError(f"it has number {entry.seq} where {seq} is due: lines are missing or were moved")
    if entry.prev != prev:
        raise IntegrityError("it does not continue the line before it")
    if before and before.left and entry.left != before.left - 1:
        raise IntegrityError(f"it says {entry.left} more lines of its append, {before.left - 1} are due")
