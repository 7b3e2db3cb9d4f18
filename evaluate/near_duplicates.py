"""Detects examples that nearly repeat one measured before: measuring them would be a second random draw.

An example is characterized by what it asks and what it rewards: its question and its positive criteria. Texts
are compared by the containment of their sets of character 5-shingles, c(A, B) = |S(A) ∩ S(B)| / |S(A)|
(Broder, "On the resemblance and containment of documents", 1997; character shingles as in Leskovec, Rajaraman
and Ullman, "Mining of Massive Datasets", section 3.2), in whichever direction is larger. Containment is used
instead of resemblance, because appended noise lowers resemblance arbitrarily; shingles leave out spaces and
punctuation, so that hyphens, spaces and word order within a line matter little.

Two examples are near duplicates when one of these holds:

- the questions are alike (QUESTION), and in each rubric a share RUBRIC of the positive weight is on criteria
  that also occur in the other (CRITERION). Weights, order, negative criteria, context and reference answer do
  not matter: the solver is asked and rewarded for the same thing, and a padded context looks like real work;
- the question is reworded (REWORDED), and all criteria occur again (WHOLE);
- the criteria are copied verbatim (VERBATIM) in the same context (CONTEXT), whatever the question.

A different question in the same context, or a truly rewritten rubric for the same question, is a new example.

Measured with the testbed on 24 real papers (benchmarks/defences.py prints the table; see
docs/decisions/009-near-duplicates.md). Limit: does not detect an example paraphrased word by word throughout.
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
    """Similarity of two examples, in [0, 1]; `shared` and `verbatim` are weighted by the positive weights."""

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
    """The number of the first earlier round whose example this one nearly duplicates."""
    return next((number for number, known in earlier if compare(example, known).is_near), None)


def shingles(text: str) -> Shingles:
    """Runs of SHINGLE letters and digits, or of any characters if there are no letters or digits."""
    read = skeleton(text)
    letters = "".join(filter(str.isalnum, read)) or "".join(read.split())
    return frozenset(letters[start : start + SHINGLE] for start in range(max(1, len(letters) - SHINGLE + 1)))


def overlap(one: Shingles, other: Shingles) -> float:
    """The larger of the two containments: the share of the smaller set that is also in the other."""
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
