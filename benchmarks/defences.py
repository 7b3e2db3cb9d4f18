"""Measures false alarms of the evaluator's defenses on the examples of honest harnesses on real papers.

    .venv/bin/python benchmarks/defences.py FOLDER [--papers 24]

Prints (1) how many rounds of three honest harnesses, and how many altered copies of their first examples, are
flagged as near-duplicates; (2) in how many of their examples, and of the windows of the papers, screening
finds something, and how long it takes; (3) the notes on their rubrics. The testbed writes the examples, so
this only says how similar *its* questions are: the questions of language models asked for an entirely new
question differ more. Everything is derived from random seeds and repeats exactly.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from testbed_effects import SEED_HARNESS, TestbedChat, choose_papers, variants

from studbook.evaluate.contracts import Criterion, Example, Paper
from studbook.evaluate.examples import example_from_json
from studbook.evaluate.near_duplicates import find_near, fingerprint
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.papers import read_corpus
from studbook.evaluate.rubric import note_rubric
from studbook.evaluate.screening import screen
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree
from studbook.testbed.inline_sandbox import InlineSandbox

NEW_HARNESS = SEED_HARNESS.parent / "new_harness"
WINDOW = 3_000

Change = Callable[[Example, Random], Example]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The examples of one harness on one paper, in order, and the category of each."""

    examples: tuple[Example, ...]
    categories: tuple[str | None, ...]


def harnesses() -> dict[str, HarnessTree]:
    made = {variant.name: variant.tree for variant in variants(read_harness(SEED_HARNESS))}
    return {"seed": made["seed"], "all findings": made["all"], "new harness": read_harness(NEW_HARNESS)}


def play(tree: HarnessTree, paper: Paper) -> Rounds:
    with tempfile.TemporaryDirectory(prefix="defences-") as folder:
        evaluator = SandboxedEvaluator(
            chat=TestbedChat(),
            sandbox=InlineSandbox(),
            store=TrajectoryStore(Path(folder)),
            frozen=Frozen(settings=EvaluatorSettings(confirm=False), run_seed=5, models={}),
        )
        result = evaluator.evaluate_paper(tree, paper, 0)
        events = evaluator.store.get(result.key).events
    reports = [event for event in events if event["kind"] == "report" and not event["completes"]]
    return Rounds(
        examples=tuple(example_from_json(event["example"]) for event in reports),
        categories=tuple(event["category"] for event in reports),
    )


def other_words(share: float) -> Change:
    """Replaces that fraction of the longer words by other long words of the example."""

    def change(example: Example, random: Random) -> Example:
        known = [word for word in example.context.split() if len(word) > 3] or ["indeed"]

        def reworded(text: str) -> str:
            words = text.split()
            return " ".join(
                random.choice(known) if len(word) > 3 and random.random() < share else word for word in words
            )

        return with_texts(example, reworded)

    return change


def with_texts(example: Example, change: Callable[[str], str]) -> Example:
    return replace(
        example,
        context=change(example.context),
        question=change(example.question),
        reference_answer=change(example.reference_answer),
        rubric=tuple(replace(item, criterion=change(item.criterion)) for item in example.rubric),
    )


def other_weights(example: Example, random: Random) -> Example:
    rubric = [
        replace(item, weight=random.randint(1, 9) * (-1 if item.weight < 0 else 1)) for item in example.rubric
    ]
    return replace(example, rubric=tuple(random.sample(rubric, len(rubric))))


def noise(example: Example, random: Random) -> Example:
    words = " ".join(random.choices(example.context.split(), k=40))
    return with_texts(example, lambda text: f"{text} {words}")


def one_criterion_less(example: Example, random: Random) -> Example:
    rewarded = [item for item in example.rubric if item.weight > 0]
    gone = random.choice(rewarded)
    return replace(example, rubric=tuple(item for item in example.rubric if item is not gone))


def one_criterion_more(example: Example, random: Random) -> Example:
    words = " ".join(random.choices(example.context.split(), k=12))
    more = Criterion(criterion=f"Says {words}", weight=2, category="")
    return replace(example, rubric=(*example.rubric, more))


CHANGES: Mapping[str, Change] = {
    "other weights and order": other_weights,
    "noise after every text": noise,
    "one criterion less": one_criterion_less,
    "one criterion more": one_criterion_more,
    "1 word in 10 replaced": other_words(0.1),
    "2 words in 10 replaced": other_words(0.2),
    "3 words in 10 replaced": other_words(0.3),
}


def padded(example: Example, random: Random) -> Example:
    """Both padded by more than their own length, with other words each time; the rubric to the letter."""

    def pad(text: str) -> str:
        count = 2 * len(text.split()) + 20
        return f"{' '.join(random.choices(example.context.split(), k=count))} {text}"

    return replace(example, question=pad(example.question), context=pad(example.context))


def padded_and_exchanged(example: Example, random: Random) -> Example:
    """The same, and the lightest criterion that is rewarded is another each time."""
    lightest = min((item for item in example.rubric if item.weight > 0), key=lambda item: item.weight)
    words = " ".join(random.choices(example.context.split(), k=12))
    other = replace(lightest, criterion=f"Says {words}")
    rubric = tuple(other if item is lightest else item for item in example.rubric)
    return replace(padded(example, random), rubric=rubric)


ANEW: Mapping[str, Change] = {
    "question and context padded": padded,
    "and a criterion exchanged": padded_and_exchanged,
}
"""Compared with another change of the same kind: what was added has nothing in common."""


def near_duplicates(played: Mapping[str, Sequence[Rounds]], show: Callable[[str], object]) -> None:
    show("\nnear-duplicates")
    for name, papers in played.items():
        rounds = [category for each in papers for category in each.categories]
        flagged = sum(category == "near_duplicate" for category in rounds)
        show(f"  honest rounds of {name:<14} {flagged:>3} of {len(rounds)}")
    first = [each.examples[0] for papers in played.values() for each in papers if each.examples]
    for name, change in CHANGES.items():
        _count(
            name, [(example, change(example, Random(number))) for number, example in enumerate(first)], show
        )
    for name, change in ANEW.items():
        drawn = [(Random(2 * number), Random(2 * number + 1)) for number in range(len(first))]
        pairs = [
            (change(example, one), change(example, two))
            for example, (one, two) in zip(first, drawn, strict=True)
        ]
        _count(name, pairs, show)


def _count(name: str, pairs: Sequence[tuple[Example, Example]], show: Callable[[str], object]) -> None:
    found = sum(find_near(fingerprint(new), [(1, fingerprint(old))]) is not None for old, new in pairs)
    show(f"  {name:<32} {found:>3} of {len(pairs)}")


def screening(
    played: Mapping[str, Sequence[Rounds]], papers: Sequence[Paper], show: Callable[[str], object]
) -> None:
    show("\nscreening: false alarms")
    for name, each in played.items():
        examples = [example for rounds in each for example in rounds.examples]
        started = time.process_time()
        flagged = sum(bool(screen(_fields(example))) for example in examples)
        took = 1000 * (time.process_time() - started) / max(1, len(examples))
        show(f"  examples of {name:<18} {flagged:>3} of {len(examples)}, {took:.0f} ms each")
        notes = Counter(note.kind for example in examples for note in note_rubric(example.rubric))
        show(f"    notes on their rubrics: {dict(notes.most_common()) or 'none'}")
    windows = [
        (paper, paper.text[at : at + WINDOW]) for paper in papers for at in range(0, len(paper.text), WINDOW)
    ]
    found = [(paper, finding) for paper, text in windows for finding in screen([("context", text)])]
    show(f"  windows of {WINDOW} characters of {len(papers)} papers: {len(found)} findings in {len(windows)}")
    for paper, finding in found:
        show(f"    {paper.source}: {finding.kind}: {finding.quote}")


def _fields(example: Example) -> Iterator[tuple[str, str]]:
    yield from (
        ("context", example.context),
        ("question", example.question),
        ("answer", example.reference_answer),
    )
    yield from ((f"rubric.{number}.criterion", item.criterion) for number, item in enumerate(example.rubric))


def main(arguments: Sequence[str], show: Callable[[str], object]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--papers", type=int, default=24)
    options = parser.parse_args(arguments)
    papers = choose_papers(options.folder, options.papers, 0)
    played = {name: [play(tree, paper) for paper in papers] for name, tree in harnesses().items()}
    show(f"{len(papers)} papers, one replicate, run seed 5; examples by the testbed, not by models")
    near_duplicates(played, show)
    screening(played, read_corpus(options.folder).papers, show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], print))
