"""The ancestry of harnesses, and the names that users give them.

The chain from the seed to a harness, all harnesses as rows of a tree, and git-like names: `seed`, `best`,
`m0031`, `m0031^`, `m0031~2`, `RUN:m0031`. An unknown name is a RevisionError with the nearest known one.
Pure: `experiments/` finds, opens and displays runs.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from studbook.errors import RevisionError
from studbook.populations.population import SEED_ID, Population
from studbook.populations.records import Mutant, Verdict
from studbook.rate import Rate

BEST = "best"
MAX_DEPTH = 60
"""A tree is not drawn deeper: no screen shows it, and its lines would grow with every generation."""

_REVISION = re.compile(r"(?P<base>[^~^]+)(?P<steps>(?:\^|~[0-9]{0,6})*)\Z")
_STEP = re.compile(r"\^|~([0-9]*)")


def lineage_chain(population: Population, harness_id: str) -> tuple[Mutant, ...]:
    """seed → … → the harness; raises RevisionError for an id that was never made."""
    chain: list[Mutant] = []
    following: str | None = harness_id
    while following is not None:
        if following not in population.mutants:
            raise RevisionError(f"there is no harness {following[:80]!r} in this run")
        chain.append(population.mutants[following])
        following = chain[-1].parent_id
    return tuple(reversed(chain))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """One harness in a tree drawn downward, parents before children, children by age.

    `last_flags` has one flag per level below the root, for the nearest MAX_DEPTH levels: whether that
    ancestor (finally the harness itself) is the last child of its parent. `verdict` is None for the seed and
    for a mutant without a decision. `rate` is the observed rate; `is_stopped` means that racing stopped it,
    so it is biased.
    """

    mutant: Mutant
    last_flags: tuple[bool, ...]
    verdict: Verdict | None
    rate: Rate
    is_stopped: bool
    is_best: bool

    @property
    def depth(self) -> int:
        return len(self.last_flags)


def tree_rows(population: Population) -> tuple[TreeRow, ...]:
    """All harnesses. Iterative, because a lineage may be thousands of generations deep."""
    if SEED_ID not in population.mutants:
        return ()
    children: dict[str, list[str]] = defaultdict(list)
    for mutant in population.mutants.values():
        if mutant.parent_id is not None:
            children[mutant.parent_id].append(mutant.harness_id)
    verdicts = {each.mutant_id: each.verdict for each in population.decisions if each.mutant_id is not None}
    best_id = population.best_id
    rows: list[TreeRow] = []
    waiting: list[tuple[str, tuple[bool, ...]]] = [(SEED_ID, ())]
    while waiting:
        name, flags = waiting.pop()
        row = TreeRow(
            mutant=population.mutants[name],
            last_flags=flags,
            verdict=verdicts.get(name),
            rate=population.tally(name).observed,
            is_stopped=population.tally(name).is_stopped,
            is_best=name == best_id,
        )
        rows.append(row)
        below = children[name]
        waiting += [(child, (*flags, child == below[-1])[-MAX_DEPTH:]) for child in reversed(below)]
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionName:
    """The parts of `RUN:m0031`; either may be missing."""

    run: str | None
    revision: str | None


def split_revision(text: str) -> RevisionName:
    """`RUN:REV`, `RUN:` (its best) or `REV`; split at the last colon, because RUN may be a path."""
    run, colon, revision = text.rpartition(":")
    if not colon:
        return RevisionName(run=None, revision=text)
    return RevisionName(run=run or None, revision=revision or None)


def resolve(revision: str, population: Population) -> str:
    """The harness id that a revision (without its run) names; raises RevisionError."""
    match = _REVISION.match(revision)
    if match is None:
        raise RevisionError(
            f"{revision[:80]!r} is not a revision; examples: seed, best, m0031, m0031^, m0031~2"
        )
    harness_id = _resolve_base(match["base"], population)
    for step in _STEP.finditer(match["steps"]):
        count = 1 if step[0] == "^" or not step[1] else int(step[1])
        harness_id = _ancestor(harness_id, count, population, revision)
    return harness_id


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence naming the nearest of `known`, or a few of them if none is near; "" if none is known."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}." if names else ""


def _resolve_base(base: str, population: Population) -> str:
    if base == BEST:
        base = population.best_id
    if base in population.mutants:
        return base
    if not population.mutants:
        raise RevisionError(
            "nothing has been evaluated in this run yet: it ended while its seed was being evaluated\n"
            "  pick it up where it left off: studbook resume RUN"
        )
    raise RevisionError(f"there is no harness {base[:80]!r} in this run. {_hint(base, population)}".rstrip())


def _hint(base: str, population: Population) -> str:
    """Recognizes `m31` and `31` as m0031, which difflib does not."""
    number = re.match(r"[mM]?0*([0-9]{1,6})\Z", base)
    padded = f"m{int(number[1]):04d}" if number else ""
    if padded in population.mutants:
        return f"Did you mean {padded!r}?"
    return did_you_mean(base, [SEED_ID, BEST, *(name for name in population.mutants if name != SEED_ID)])


def _ancestor(harness_id: str, steps: int, population: Population, revision: str) -> str:
    for _ in range(steps):
        parent = population.mutants[harness_id].parent_id
        if parent is None:
            raise RevisionError(f"{revision[:80]!r} goes beyond the seed, which has no parent")
        harness_id = parent
    return harness_id
