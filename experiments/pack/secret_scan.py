"""Scans a run for keys before it leaves this machine: in every layer, in all the spellings that are masked.

It knows the keys of the spec's endpoints, other secrets sent to endpoints, and every variable whose name says
that it is a secret. A key unknown to this machine is not found here; replies of endpoints are masked before
they are written (`studbook/llm/secrets.py`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from studbook.compression import decompress
from studbook.errors import IntegrityError
from studbook.evaluate.trajectories import SUFFIX
from studbook.experiments.run.models import other_secrets
from studbook.experiments.spec.model import Spec
from studbook.findings import Findings
from studbook.llm.call_database import CallDatabase
from studbook.llm.secrets import SHORTEST_SECRET, forms_of
from studbook.populations.lineage_audit import LineageFiles
from studbook.populations.storage import RunFolder

NAMES = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:$|_)", re.IGNORECASE)
BLANKS = b" \t\r\n\v\f"
ZSTD = b"\x28\xb5\x2f\xfd"


class SecretScan:
    """`secrets`: name of a variable → its value. Values never appear in a message."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._needles = {
            name: tuple({form.encode("utf-8", "surrogatepass").lower() for form in forms_of(value)})
            for name, value in secrets.items()
            if len(value) >= SHORTEST_SECRET
        }

    def find(self, data: bytes) -> str | None:
        """The name of a key contained in `data`, regardless of spacing and case."""
        hay = data.lower().translate(None, BLANKS)
        for escaped in (b"\\n", b"\\r", b"\\t"):
            hay = hay.replace(escaped, b"")
        return next(
            (name for name, forms in self._needles.items() if any(form in hay for form in forms)), None
        )

    def check(self, folder: RunFolder, sources: Mapping[str, Path]) -> None:
        """`sources`: name in the run → file to pack. Raises IntegrityError naming file and variable."""
        if not self._needles:
            return
        for place, data in _layers(folder, sources):
            name = self.find(data)
            if name is not None:
                raise IntegrityError(
                    f"run {folder.name} is not packed: {place} contains the key in {name}\n"
                    "  masking it would break the run's hashes: revoke that key, or do not share the run"
                )


def known_secrets(spec: Spec, variables: Mapping[str, str]) -> dict[str, str]:
    """Secrets by the variable that holds them."""
    named = {each.api_key_env for each in spec.models.endpoints.values() if each.api_key_env}
    found = {name: value.strip() for name, value in variables.items() if name in named or NAMES.search(name)}
    sent = [secret.reveal() for secret in other_secrets(variables)]
    return found | {f"a header or proxy variable ({number})": each for number, each in enumerate(sent, 1)}


def _layers(folder: RunFolder, sources: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Every file as stored, and its decoded content. The files have been verified before."""
    for name, path in sources.items():
        data = path.read_bytes()
        yield name, data
        if name.endswith(SUFFIX):
            yield name, decompress(data, place=name)
        elif name == folder.calls.name:
            yield from _rows(name, path)
    yield from _objects(folder.lineage)


def _rows(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    """`path` has no write-ahead log: `packing` has merged it, and so has the writer of a closed database."""
    database = CallDatabase(f"{path.resolve().as_uri()}?mode=ro&immutable=1", name, path)
    try:
        with database.errors():
            database.check_schema()
            tables = database.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                for row in database.rows(f'SELECT * FROM "{table}"'):
                    yield from ((f"{name} ({table})", data) for data in _values(row))
    finally:
        database.connection.close()


def _values(row: Iterable[object]) -> Iterator[bytes]:
    for value in row:
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        yield decompress(data) if data.startswith(ZSTD) else data


def _objects(lineage: Path) -> Iterator[tuple[str, bytes]]:
    """All git objects, loose or packed."""
    for sha, (_, data) in LineageFiles(lineage, Findings()).objects.items():
        yield f"lineage.git, object {sha}", data
