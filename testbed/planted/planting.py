"""Every case that a set of papers gives: seeded, in a fixed order, the same on every machine."""

from collections.abc import Iterator, Sequence
from random import Random

from studbook.evaluate.contracts import Paper
from studbook.identity import derive_seed
from studbook.testbed.planted.answers import answers_for
from studbook.testbed.planted.cases import GOOD, PlantedAnswer, PlantedExample, Submission
from studbook.testbed.planted.from_papers import Made, Material, make_good
from studbook.testbed.planted.spoiling import SPOILS


def plant(
    papers: Sequence[Paper], seed: int, source: str
) -> tuple[list[PlantedExample], list[PlantedAnswer]]:
    """One good example a paper, one bad one of every kind, one answer of every kind."""
    made = [item for paper in papers if (item := make_good(paper, _random(seed, paper.paper_id, GOOD)))]
    if len(made) < 2:
        return [], []
    pairs = list(zip(made, [*made[1:], made[0]], strict=True))
    examples = [case for one, other in pairs for case in _examples(one, other, seed, source)]
    answers = [
        case
        for one, other in pairs
        for case in answers_for(
            Material(made=one, other=other, random=_random(seed, one.paper_id, "answers")), source
        )
    ]
    return examples, answers


def _examples(one: Made, other: Made, seed: int, source: str) -> Iterator[PlantedExample]:
    changes: dict[str, Submission] = {GOOD: {}}
    for kind, spoil in SPOILS.items():
        changes[kind] = spoil(Material(made=one, other=other, random=_random(seed, one.paper_id, kind)))
    for kind, change in changes.items():
        yield PlantedExample(
            source=source,
            origin=one.paper_id,
            kind=kind,
            submission={**one.submission, **change},
            document=one.document,
        )


def _random(seed: int, paper_id: str, purpose: str) -> Random:
    return Random(derive_seed("planted", seed, paper_id, purpose))
