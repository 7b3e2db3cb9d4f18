"""Which runs this user made: the file `provenance` of a run, which only its maker can write.

A run folder may come from anywhere, and what is in it decides what is run, where, and which key is sent to
whom. So each append to the journal, and each spec, is signed with a secret of this user before it is
written. A run is the user's own if its journal ends in a signed append and its spec is signed. The journal's
hash chain covers every harness, so a run that somebody else extended or changed is no longer the user's. A
run may be renamed, moved or restored from a backup; a packed run carries no signatures.

The secret is a file of the user's state folder, readable by nobody else; it is never taken from a `.env`, a
spec or a run. Without such a folder a run cannot be signed, and is later treated like somebody else's.

Says only who made a run. `experiments/run/foreign.py` says what follows from it; whether the records agree is
left to `studbook verify`.
"""

import hmac
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import IntegrityError
from studbook.identity import hash_bytes
from studbook.populations.journal import GENESIS
from studbook.populations.storage import (
    RunFolder,
    atomic_write,
    open_plain,
    read_plain,
    storage_errors,
    write_all,
)

SECRET = "provenance.key"
SECRET_TEXT = re.compile(r"[0-9a-f]{64}")
HEADING = re.compile(r"studbook provenance 1 ([0-9a-f]{32})")
MOST_BYTES = 8 * 1024 * 1024
"""Signatures of more than 100,000 appends: a longer file is not read."""
MOST_SPEC_BYTES = 1024 * 1024
UNSIGNED = (
    "this run cannot be marked as yours, because no state folder can be written: `resume` and `replay` will "
    "treat it like somebody else's run. Set XDG_STATE_HOME to a folder that only you can read"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """`reason`, for a run that is not the user's own: a clause about it."""

    is_own: bool
    reason: str = ""


OWN = Provenance(is_own=True)
UNMARKED = "it has no mark of yours (it was unpacked, or made by an earlier version of Studbook)"
UNREADABLE = "its mark cannot be read"
OF_OTHERS = (
    "the secret that its mark was made with is not on this machine: it is somebody else's, or it was removed"
)
CHANGED = "its journal or its spec was changed since you made it"


def state_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the secret may be, best first. The last one serves users without a writable home."""
    named = Path(environment.get("XDG_STATE_HOME", ""))
    found = [named / "studbook"] if named.is_absolute() else []
    with suppress(RuntimeError):  # neither HOME nor an entry in the user database
        home = Path.home()
        # a home that does not exist is not made
        found += [home / ".local" / "state" / "studbook"] if home.is_absolute() and home.is_dir() else []
    return (*found, Path(f"/var/tmp/studbook-{os.geteuid()}"))


def provenance_of(folder: RunFolder, head: str) -> Provenance:
    """`head`: the hash of the journal's last complete line, "" or GENESIS for an empty one.

    Compares only: reading the whole journal is what shows that `head` is really its hash.
    """
    signer, reason = _find_signer(folder, head)
    return OWN if signer is not None else Provenance(is_own=False, reason=reason)


def _find_signer(folder: RunFolder, head: str) -> tuple["Signer | None", str]:
    """Who signed the run as it is, or None and the reason why it is not the user's own."""
    try:
        text = _read(folder.provenance, MOST_BYTES)
    except FileNotFoundError:
        return None, UNMARKED
    except (OSError, IntegrityError):
        return None, UNREADABLE
    heading, *lines = text.splitlines() or [""]
    match = HEADING.fullmatch(heading)
    if match is None:
        return None, UNREADABLE
    signed, is_known = set(lines), False
    for secret in _secrets(os.environ):
        signer = Signer(secret=secret, nonce=match[1])
        is_known = is_known or signer.sign("made", "") in signed
        if signer.sign("spec", _spec_hash(folder)) in signed and signer.sign("journal", head) in signed:
            return signer, ""
    return None, CHANGED if is_known else OF_OTHERS


def mark_as_own(folder: RunFolder, head: str = GENESIS) -> bool:
    """Signs the run as it is, whoever made it. False if this user has no secret and none can be written."""
    folder_of_state = private_folder()
    secret = None if folder_of_state is None else _read_secret(folder_of_state)
    if secret is None:
        return False
    signer = Signer(secret=secret, nonce=secrets.token_hex(16))
    signed = (signer.sign("made", ""), signer.sign("spec", _spec_hash(folder)), signer.sign("journal", head))
    text = "\n".join([f"studbook provenance 1 {signer.nonce}", *signed])
    atomic_write(folder.provenance, text.encode())
    return True


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Signer:
    """The user's secret for one run: signatures of other runs have no meaning here."""

    secret: bytes
    nonce: str

    def sign(self, kind: str, text: str) -> str:
        text = text or GENESIS
        return hmac.new(self.secret, f"{self.nonce} {kind} {text}".encode(), "sha256").hexdigest()


class Witness:
    """Signs what is about to be written to a run, if the run is this user's; else does nothing."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._signer: Signer | None = None

    @property
    def is_signing(self) -> bool:
        return self._signer is not None

    def recognize(self, head: str) -> None:
        """Begins to sign if the run, with its journal ending in `head`, is the user's own."""
        self._signer, _ = _find_signer(self._folder, head)

    def spec(self, text: bytes) -> None:
        self._append("spec", hash_bytes(text))

    def journal(self, head: str) -> None:
        self._append("journal", head)

    def _append(self, kind: str, text: str) -> None:
        """Durable before what it signs is written, so that a crash leaves no unsigned append."""
        if self._signer is None:
            return
        path = self._folder.provenance
        with storage_errors(path, "append to"):
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                # the line break comes first: a line that a crash cut short is then a line of its own
                write_all(handle, f"\n{self._signer.sign(kind, text)}".encode())
                os.fsync(handle)
            finally:
                os.close(handle)


def _spec_hash(folder: RunFolder) -> str:
    """Of the spec's bytes; the spec of no run if it cannot be read."""
    try:
        text = read_plain(folder.spec, MOST_SPEC_BYTES)
    except (OSError, IntegrityError):
        text = None
    return "unreadable" if text is None else hash_bytes(text)


def _secrets(environment: Mapping[str, str]) -> Iterator[bytes]:
    for folder in state_folders(environment):
        secret = _read_secret(folder)
        if secret is not None:
            yield secret


def private_folder() -> Path | None:
    """The state folder in which this user's secret is; made if there is none and one can be made."""
    return next((each for each in state_folders(os.environ) if _read_or_make_secret(each)), None)


def read_private(folder: Path, name: str, most_bytes: int) -> str | None:
    """The text of a file in a state folder; None unless only this user can have written it, and read it."""
    try:
        place = folder.lstat()
        is_ours = stat.S_ISDIR(place.st_mode) and place.st_uid == os.geteuid() and not place.st_mode & 0o022
        return _read(folder / name, most_bytes, is_private=True) if is_ours else None
    except (OSError, IntegrityError):
        return None


def _read_secret(folder: Path) -> bytes | None:
    text = read_private(folder, SECRET, 128)
    return bytes.fromhex(text) if text is not None and SECRET_TEXT.fullmatch(text) else None


def _read_or_make_secret(folder: Path) -> bytes | None:
    found = _read_secret(folder)
    if found is not None:
        return found
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-") as file:  # mode 0600
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was faster: its secret is used
                os.link(file.name, folder / SECRET)
    return _read_secret(folder)


def _read(path: Path, most_bytes: int, *, is_private: bool = False) -> str:
    """Raises what `open_plain` raises, and PermissionError for a file that is to be private and is not."""
    with open_plain(path, most_bytes) as file:
        found = os.fstat(file.fileno())
        if is_private and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
            raise PermissionError(f"{path} is not private")
        return file.read(found.st_size).decode("ascii", "replace")
