"""Is an example nearly the same as one that was measured before? Then measuring it is drawing lots again.

An example is what it asks and what it pays for: its question and its positive criteria. Texts are compared by
the containment of their sets of character 5-shingles, c(A, B) = |S(A) ∩ S(B)| / |S(A)| (Broder, "On the
resemblance and containment of documents", 1997; shingles of characters as in Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", section 3.2), in whichever direction is larger. Containment instead of
resemblance, because noise that is appended lowers the latter at will; characters without spaces and signs,
because hyphens, spaces and word order within a line then count for little.

Near when one of these holds:

- the questions are alike (QUESTION), and RUBRIC of the positive weight of either rubric lies on criteria that
  are found in the other (CRITERION). Weights, order, negative criteria, context and reference answer do not
  matter: a solver is asked the same and paid for the same, and padding of a context cannot be told from work;
- the question is reworded (REWORDED), and all criteria are found again (WHOLE);
- the criteria are carried over to the letter (VERBATIM) in the same context (CONTEXT), whatever the question.

Another question in the same context, and a rubric really rewritten for the same question, are new examples.

Measured with the testbed on 24 real papers (benchmarks/defences.py prints the table; see
docs/decisions/009-near-duplicates.md). What this cannot see: an example paraphrased word by word throughout.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from studbook.evaluate.contracts import Example
from studbook.evaluate.text import skeleton

SHINGLE = 5
QUESTION, RUBRIC = 0.8, 0.85
REWORDED, WHOLE = 0.6, 0.95
CRITERION = 0.5
VERBATIM, CONTEXT = 0.985, 0.9

Shingles = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The shingles of one example. `criteria` holds (weight, shingles) of the positive ones."""

    question: Shingles
    criteria: tuple[tuple[int, Shingles], ...]
    context: Shingles


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How alike two examples are, in [0, 1]. `shared` is of the positive weight, `verbatim` of its text."""

    question: float
    shared: float
    verbatim: float
    context: float

    @property
    def is_near(self) -> bool:
        return (
            (self.question >= QUESTION and self.shared >= RUBRIC)
            or (self.question >= REWORDED and self.shared >= WHOLE)
            or (self.verbatim >= VERBATIM and self.context >= CONTEXT)
        )


def fingerprint(example: Example) -> Fingerprint:
    return Fingerprint(
        question=shingles(example.question),
        criteria=tuple((item.weight, shingles(item.criterion)) for item in example.rubric if item.weight > 0),
        context=shingles(example.context),
    )


def compare(one: Fingerprint, other: Fingerprint) -> Likeness:
    """Symmetric."""
    there, back = _best_matches(one, other), _best_matches(other, one)
    return Likeness(
        question=overlap(one.question, other.question),
        shared=min(_share(there), _share(back)),
        verbatim=min(_mean(there), _mean(back)),
        context=overlap(one.context, other.context),
    )


def find_near(example: Fingerprint, earlier: Iterable[tuple[int, Fingerprint]]) -> int | None:
    """The number of the first earlier round whose example this one nearly is."""
    return next((number for number, known in earlier if compare(example, known).is_near), None)


def shingles(text: str) -> Shingles:
    """Runs of SHINGLE letters and digits; of all characters where there are none."""
    read = skeleton(text)
    letters = "".join(filter(str.isalnum, read)) or "".join(read.split())
    return frozenset(letters[start : start + SHINGLE] for start in range(max(1, len(letters) - SHINGLE + 1)))


def overlap(one: Shingles, other: Shingles) -> float:
    """The larger containment: the share of the smaller set that the other holds too."""
    return len(one & other) / min(len(one), len(other))


def _best_matches(one: Fingerprint, other: Fingerprint) -> list[tuple[int, float]]:
    return [
        (weight, max((overlap(text, known) for _, known in other.criteria), default=0.0))
        for weight, text in one.criteria
    ]


def _share(matches: list[tuple[int, float]]) -> float:
    total = sum(weight for weight, _ in matches)
    return sum(weight for weight, match in matches if match >= CRITERION) / total if total else 0.0


def _mean(matches: list[tuple[int, float]]) -> float:
    total = sum(weight for weight, _ in matches)
    return sum(weight * match for weight, match in matches) / total if total else 0.0
