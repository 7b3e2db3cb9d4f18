"""Detects examples that nearly repeat one measured before: measuring them would be a second random draw.

An example is characterized by what it asks and what it rewards: its question and its positive criteria. Texts
are compared by the containment of their sets of character 5-shingles, c(A, B) = |S(A) ∩ S(B)| / |S(A)|
(Broder, "On the resemblance and containment of documents", 1997; character shingles as in Leskovec, Rajaraman
and Ullman, "Mining of Massive Datasets", section 3.2), in whichever direction is larger. Containment is used
instead of resemblance, because appended noise lowers resemblance arbitrarily; shingles leave out spaces and
punctuation, so that hyphens, spaces and word order within a line matter little. Noise of its own in each text
lowers containment too, so that a long common run of letters (QUESTION_RUN, CRITERION_RUN) counts as alike.
What many criteria of a rubric have in common ("The answer states that") says nothing about any of them and is
left out when criteria are looked for in another rubric.

Two examples are near duplicates when one of these holds:

- the questions are alike (QUESTION), and in each rubric a share RUBRIC of the positive weight is on criteria
  that also occur in the other (CRITERION);
- the question is reworded (REWORDED), and all criteria occur again (WHOLE);
- the criteria return to the letter: all of them on average (VERBATIM), or a share RUBRIC of the weight
  (COPIED), whatever the question.

Weights, order, negative criteria, context and reference answer do not matter: the solver is asked or rewarded
for the same thing, and a padded or exchanged context looks like real work. A different question with other
criteria in the same context, or a truly rewritten rubric for the same question, is a new example.

Measured with the testbed on 24 real papers (benchmarks/defences.py prints the table; see
docs/decisions/009-near-duplicates.md). Limits: does not detect an example paraphrased throughout, nor one of
which question and criteria are both reworded a little each time, nor one that exchanges more than a share
1 - RUBRIC of its weight.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from studbook.evaluate.contracts import Example
from studbook.evaluate.text import skeleton

SHINGLE = 5
QUESTION, RUBRIC = 0.8, 0.85
REWORDED, WHOLE = 0.6, 0.95
CRITERION = 0.5
VERBATIM, COPIED = 0.985, 0.995
QUESTION_RUN, CRITERION_RUN = 50, 40
"""In letters and digits."""
FRAMED, FEWEST_FRAMED = 0.5, 3
"""Share and least number of the criteria that a frame occurs in."""
LEAST_OWN = 15
"""Shingles; a criterion that has fewer beside the frame is compared with it."""

Shingles = frozenset[str]


@dataclass(frozen=True, slots=True)
class Print:
    """One text: its shingles, and its runs of the length that makes two texts alike (none if too short).

    `own` are the shingles, and `runs` those runs, that do not belong to the rubric's frame.
    """

    shingles: Shingles
    own: Shingles
    runs: Shingles


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """One example: its question, and the weights and texts of its positive criteria."""

    question: Print
    criteria: tuple[tuple[int, Print], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Similarity of two examples, in [0, 1]; all but `question` are weighted by the positive weights.

    `copied` is `verbatim` of the share RUBRIC of the weight that agrees best.
    """

    question: float
    shared: float
    verbatim: float
    copied: float

    @property
    def is_near(self) -> bool:
        return (
            (self.question >= QUESTION and self.shared >= RUBRIC)
            or (self.question >= REWORDED and self.shared >= WHOLE)
            or self.verbatim >= VERBATIM
            or self.copied >= COPIED
        )


def fingerprint(example: Example) -> Fingerprint:
    rewarded = [(item.weight, _letters(item.criterion)) for item in example.rubric if item.weight > 0]
    frame = _frame([letters for _, letters in rewarded])
    return Fingerprint(
        question=_print(_letters(example.question), QUESTION_RUN),
        criteria=tuple((weight, _print(letters, CRITERION_RUN, frame)) for weight, letters in rewarded),
    )


def _print(letters: str, run: int, frame: Shingles = frozenset()) -> Print:
    found = _windows(letters, SHINGLE)
    runs = _windows(letters, run) if len(letters) >= run else frozenset()
    own = found - frame
    return Print(shingles=found, own=own if len(own) >= LEAST_OWN else found, runs=runs - frame)


def _frame(criteria: Iterable[str]) -> Shingles:
    """What at least FRAMED of the distinct criteria of a rubric have in common, such as "It states that"."""
    texts = set(criteria)
    counts = Counter(
        window
        for letters in texts
        for length in (SHINGLE, CRITERION_RUN)
        for window in _windows(letters, length)
    )
    least = max(FEWEST_FRAMED, len(texts) * FRAMED)
    return frozenset(window for window, count in counts.items() if count >= least)


def compare(one: Fingerprint, other: Fingerprint) -> Likeness:
    """Symmetric."""
    there, back = _best_matches(one, other), _best_matches(other, one)
    has_run = not one.question.runs.isdisjoint(other.question.runs)
    return Likeness(
        question=1.0 if has_run else overlap(one.question.shingles, other.question.shingles),
        shared=min(_share(there), _share(back)),
        verbatim=min(_mean(there, 1.0), _mean(back, 1.0)),
        copied=min(_mean(there, RUBRIC), _mean(back, RUBRIC)),
    )


def find_near(example: Fingerprint, earlier: Iterable[tuple[int, Fingerprint]]) -> int | None:
    """The number of the first earlier round whose example this one nearly duplicates."""
    return next((number for number, known in earlier if compare(example, known).is_near), None)


def shingles(text: str) -> Shingles:
    """Runs of SHINGLE letters and digits, or of any characters if there are no letters or digits."""
    return _windows(_letters(text), SHINGLE)


def _letters(text: str) -> str:
    read = skeleton(text)
    return "".join(filter(str.isalnum, read)) or "".join(read.split())


def _windows(letters: str, length: int) -> Shingles:
    return frozenset(letters[start : start + length] for start in range(max(1, len(letters) - length + 1)))


def overlap(one: Shingles, other: Shingles) -> float:
    """The larger of the two containments: the share of the smaller set that is also in the other."""
    return len(one & other) / min(len(one), len(other))


@dataclass(frozen=True, slots=True)
class _Match:
    """A criterion of one rubric: its weight, how much of it returns in the other, and whether it is found."""

    weight: int
    likeness: float
    is_found: bool


def _best_matches(one: Fingerprint, other: Fingerprint) -> list[_Match]:
    return [_best_match(weight, text, other) for weight, text in one.criteria]


def _best_match(weight: int, text: Print, other: Fingerprint) -> _Match:
    texts = [known for _, known in other.criteria]
    return _Match(
        weight=weight,
        likeness=max((overlap(text.shingles, known.shingles) for known in texts), default=0.0),
        is_found=any(
            overlap(text.own, known.own) >= CRITERION or not text.runs.isdisjoint(known.runs)
            for known in texts
        ),
    )


def _share(matches: list[_Match]) -> float:
    total = sum(match.weight for match in matches)
    return sum(match.weight for match in matches if match.is_found) / total if total else 0.0


def _mean(matches: list[_Match], share: float) -> float:
    """The weighted mean of the likenesses, over the share of the weight that agrees best."""
    left = counted = share * sum(match.weight for match in matches)
    total = 0.0
    for match in sorted(matches, key=lambda match: -match.likeness):
        taken = min(left, match.weight)
        total += taken * match.likeness
        left -= taken
    return min(1.0, total / counted) if counted else 0.0
