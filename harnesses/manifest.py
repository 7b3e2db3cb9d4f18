"""`harness.yaml`: what a harness is called, where it starts, whom it talks to, what may be changed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A number that may be mutated: `low` <= `value` <= `high`; integers when `is_integer`."""

    name: str
    low: float
    high: float
    value: float
    is_integer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`entry` is "file.py:function"; the function takes one `harness_kit.Box`."""

    name: str
    entry: str
    roles: tuple[str, ...]
    editable: tuple[str, ...]
    knobs: tuple[Knob, ...]
    description: str = ""

    @property
    def knob_values(self) -> dict[str, float]:
        return {knob.name: knob.value for knob in self.knobs}


def read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """Parse and validate; raises ManifestError naming file and key."""
    raise NotImplementedError
