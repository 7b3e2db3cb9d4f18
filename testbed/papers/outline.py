"""The outline of one synthetic paper, drawn before its text is written: names, parts and numbers.

Research fields and kinds of parts are read from two tables. The numbers are consistent: the ablations lie
between the baseline and the full method. Writes no prose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TypeVar

from pydantic import with_config

from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.papers"
DATA_FILES = ("domains.toml", "parts.toml")


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A metric that papers of a field report; a plain baseline lies between `low` and `high`."""

    name: str
    unit: str
    low: float
    high: float
    higher_is_better: bool


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """`earlier`: earlier approaches, and where each fails."""

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


T = TypeVar("T")
_ONSETS = (
    *("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z"),
    *("br", "dr", "gr", "kl", "pr", "sk", "st", "th", "tr"),
)
_VOWELS = ("a", "e", "i", "o", "u", "ae", "ia", "ei", "ou", "ue")
_CODAS = ("l", "m", "n", "r", "s", "x", "nd", "rk", "lt", "th", "sk", "mb", "rn", "v")
_SUFFIXES = ("Net", "", "", "Flow", "Map", "-2", "", "Line", "Works", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismPart:
    """A part of the mechanism, with its setting and the cost of removing it (in the main metric)."""

    name: str
    kind: PartKind
    value: str
    trouble: str
    ablated: float
    cost_change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """An earlier approach with an invented name, and its result."""

    name: str
    approach: str
    failing: str
    score: float


@dataclass(slots=True, kw_only=True)
class Outline:
    """`random` continues to be used while the prose is written."""

    random: Random
    domain: Domain
    method: str
    title: str
    dataset: str
    parts: tuple[MechanismPart, ...]
    rivals: tuple[Rival, ...]
    baseline: float
    score: float
    cost_before: float
    cost: float
    size: int
    runs: int

    def pick(self, options: Sequence[T]) -> T:
        return self.random.choice(options)

    def other(self, part: MechanismPart) -> MechanismPart:
        return self.pick([each for each in self.parts if each is not part])

    def fill(self, template: str, part: MechanismPart) -> str:
        """Fill the slots of a part's sentence and capitalize its first letter."""
        text = template.format(
            name=part.name,
            items=self.domain.items,
            system=self.domain.system,
            trouble=part.trouble,
            value=part.value,
            other=self.other(part).name,
        )
        return text[0].upper() + text[1:]


def draw_outline(random: Random) -> Outline:
    domain = random.choice(domains())
    main = domain.main
    baseline = round(random.uniform(main.low, main.high), 1)
    gain = round((main.high - main.low) * random.uniform(0.55, 1.1), 1)
    score = round(baseline + gain if main.higher_is_better else max(baseline * 0.2, baseline - gain), 1)
    parts = _draw_parts(random, domain, baseline, score)
    cost_before = round(random.uniform(domain.cost.low, domain.cost.high), 1)
    method = _invent_name(random) + random.choice(_SUFFIXES)
    return Outline(
        random=random,
        domain=domain,
        method=method,
        title=_title(random, domain, method, parts),
        dataset=f"{_invent_name(random)}-{random.randint(11, 98)}",
        parts=parts,
        rivals=_draw_rivals(random, domain, baseline, score),
        baseline=baseline,
        score=score,
        cost_before=cost_before,
        cost=round(cost_before * random.uniform(0.58, 1.27), 1),
        size=random.randint(2, 96) * 1000 + random.randint(1, 999),
        runs=random.randint(5, 24),
    )


def _draw_parts(random: Random, domain: Domain, baseline: float, score: float) -> tuple[MechanismPart, ...]:
    kinds = random.sample(part_kinds(), random.randint(4, 6))
    troubles = random.sample(domain.troubles, len(domain.troubles)) * 2
    return tuple(
        MechanismPart(
            name=f"the {_invent_name(random)} {kind.noun}",
            kind=kind,
            value=_setting(random, kind),
            trouble=trouble,
            ablated=round(score - (score - baseline) * random.uniform(0.12, 0.85), 1),
            cost_change=round(random.uniform(-9, 14), 1),
        )
        for kind, trouble in zip(kinds, troubles, strict=False)
    )


def _setting(random: Random, kind: PartKind) -> str:
    value = random.uniform(kind.low, kind.high)
    whole = kind.high - kind.low > 20 or kind.unit in {"resolutions", "strands"}
    number = f"{round(value)}" if whole else f"{value:.2f}" if kind.high < 1 else f"{value:.1f}"
    return f"{number} {kind.unit}"


def _draw_rivals(random: Random, domain: Domain, baseline: float, score: float) -> tuple[Rival, ...]:
    """The first one is the strongest: its result is the baseline."""
    chosen = random.sample(domain.earlier, random.randint(3, 4))
    behind = [0.0, *(random.uniform(0.08, 0.9) for _ in chosen[1:])]
    return tuple(
        Rival(
            name=f"{_invent_name(random)}{random.randint(2, 9)}",
            approach=approach,
            failing=failing,
            score=round(baseline - (score - baseline) * share, 1),
        )
        for (approach, failing), share in zip(chosen, behind, strict=True)
    )


def _invent_name(random: Random) -> str:
    syllables = [
        random.choice(_ONSETS) + random.choice(_VOWELS) + random.choice(["", "", random.choice(_CODAS)])
        for _ in range(random.randint(2, 3))
    ]
    return "".join(syllables).capitalize()


def _title(random: Random, domain: Domain, method: str, parts: tuple[MechanismPart, ...]) -> str:
    first, second = parts[0], parts[1]
    return random.choice(
        (
            f"{method}: {first.kind.noun}s and {second.kind.noun}s for {domain.field}",
            f"Coping with {first.trouble} in {domain.field}: the {method} {domain.system}",
            f"{method}, a {domain.system} that tolerates {first.trouble} and {second.trouble}",
            f"What {first.trouble} does to a {domain.system}, and what {method} does about it",
        )
    )


def better_by(measure: Measure, new: float, old: float) -> float:
    """The improvement from `old` to `new`, positive if `new` is better."""
    return round(new - old if measure.higher_is_better else old - new, 1)
