"""What synthetic papers are made of: fields of research and kinds of parts, read from two TOML files."""

from dataclasses import dataclass
from functools import cache

from pydantic import with_config

from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.papers"
DATA_FILES = ("domains.toml", "parts.toml")


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure that papers of a field report; a plain baseline stands between `low` and `high`."""

    name: str
    unit: str
    low: float
    high: float
    higher_is_better: bool


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """`earlier`: approaches that were tried before, and where each fails."""

    field: str
    system: str
    items: str
    source: str
    troubles: tuple[str, ...]
    earlier: tuple[tuple[str, str], ...]
    main: Measure
    cost: Measure
    places: tuple[str, ...]
    hardware: tuple[str, ...]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartKind:
    """Sentences with slots (`parts.toml` names them) about one kind of part, and the range of its setting."""

    noun: str
    deeds: tuple[str, ...]
    reasons: tuple[str, ...]
    losses: tuple[str, ...]
    link: str
    knob: str
    unit: str
    low: float
    high: float


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Domains:
    domain: tuple[Domain, ...]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    part: tuple[PartKind, ...]


@cache
def domains() -> tuple[Domain, ...]:
    return read_table(PACKAGE, DATA_FILES[0], _Domains).domain


@cache
def part_kinds() -> tuple[PartKind, ...]:
    return read_table(PACKAGE, DATA_FILES[1], _Parts).part
