"""Content hashes and derived random seeds: the same inputs give the same hash and the same seed everywhere.

Does not read clocks or global randomness; every random seed of a run is derived here from named parts.
"""

import hashlib
import json
from typing import Any

Json = dict[str, Any] | list[Any] | str | int | float | bool | None


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Json) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces; raises ValueError on NaN and infinities."""
    return _ENCODER.encode(value).encode("utf-8")


def hash_bytes(data: bytes) -> str:
    """SHA-256, 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def hash_json(value: Json) -> str:
    """SHA-256 of the canonical JSON."""
    return hash_bytes(canonical_json(value))


def derive_seed(*parts: str | int) -> int:
    """A seed in [0, 2**31), the same for the same parts on any machine; fits every endpoint's `seed`."""
    return int(hash_json(list(parts))[:8], 16) & 0x7FFF_FFFF
