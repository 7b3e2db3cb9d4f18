"""One line of the table of attacks against the score: who is sent, against whom, and what must come of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from attacks.score.arena import World, cheating

from studbook.harnesses.tree import HarnessTree

Z = 1.959963984540054


class Expect(StrEnum):
    """What is asserted of every row."""

    NOT_ABOVE = "not above"  # the cheat passes no more papers than its honest twin
    REFUSED = "refused"  # that, and what it tried was refused and counted
    UNATTRACTIVE = "unattractive"  # it gains, or may: at most `bound`; `why` says what keeps it open


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`counted` names what shows that the attack was refused: a failure category, an event, a count."""

    name: str
    tried: str
    tree: HarnessTree
    world: World = World.SOBER
    expect: Expect = Expect.NOT_ABOVE
    counted: tuple[str, ...] = ()
    bound: float = 0.0
    why: str = ""


def cheat(name: str, source: str, tried: str, *, settings: dict[str, object], **more: object) -> Row:
    return Row(name=name, tried=tried, tree=cheating(source, **settings), **more)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The cheat's pass rate less its twin's, over the same papers and luck."""

    point: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.point:+.1f} % (95 % {100 * self.low:+.1f}…{100 * self.high:+.1f})"


def paired_gain(honest: Sequence[bool], cheat: Sequence[bool]) -> Gain:
    """Interval for a difference of paired shares, after Agresti and Min (2005): half a pair in each cell."""
    pairs = list(zip(honest, cheat, strict=True))
    won = sum(not before and after for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    n, up, down = len(pairs) + 2, won + 0.5, lost + 0.5
    centre = (up - down) / n
    half = Z * math.sqrt(up + down - (up - down) ** 2 / n) / n
    return Gain(point=(won - lost) / len(pairs), low=centre - half, high=centre + half)
