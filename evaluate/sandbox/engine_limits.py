"""What an engine says of itself that it cannot limit. Cheap enough for every start of a run.

What an engine says is not what it does: `probes/` finds that out, which takes a while.
"""

from collections.abc import Mapping
from typing import Any

KINDS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "cpu", "SwapLimit": "swap"}
WALLS = ("memory", "processes")
"""Without these one box can take the whole machine, so it does not contain hostile code."""


def missing_limits(info: Mapping[str, Any]) -> tuple[str, ...]:
    """A limit that the engine says nothing about counts as missing."""
    return tuple(word for key, word in KINDS.items() if not info.get(key))


def missing_walls(info: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(word for word in missing_limits(info) if word in WALLS)


def acceptable(config: dict[str, Any], missing: tuple[str, ...]) -> dict[str, Any]:
    """Without the one limit that engines answer with a refusal of the whole box instead of a warning."""
    if "cpu" not in missing:
        return config
    host = {name: value for name, value in config["HostConfig"].items() if name != "NanoCpus"}
    return {**config, "HostConfig": host}
