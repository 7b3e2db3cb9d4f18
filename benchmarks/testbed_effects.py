"""Checks that the testbed's effects depend on the text: evaluates the seed harness and edits on real papers.

    .venv/bin/python benchmarks/testbed_effects.py FOLDER [--papers 25] [--replicates 8] [--only seed,all]

Prints one line per variant: pass rate with interval, rounds, weak and strong averages. Everything is derived
from the random seed, so the table repeats exactly. It runs our own harness in this process, without a
sandbox, and measures only the testbed: it says nothing about language models.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

from studbook.evaluate.contracts import Paper
from studbook.evaluate.paper_evaluator import SandboxedEvaluator
from studbook.evaluate.papers import read_corpus
from studbook.evaluate.settings import EvaluatorSettings, Frozen
from studbook.evaluate.trajectories import TrajectoryStore
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree, set_knobs
from studbook.llm.contracts import ChatCall, ChatReply, RoleModel
from studbook.populations.records import PaperResult
from studbook.rate import NO_RATE, Rate
from studbook.testbed.inline_sandbox import InlineSandbox
from studbook.testbed.models.backend import PREFIX, TestbedBackend

SEED_HARNESS = Path(__file__).parents[1] / "harnesses" / "agentic_self_instruct"

SPECIFIC = (
    "Every question must need facts that only this paper holds: if a solver could answer it "
    "without reading the paper, it is too easy."
)
NO_LEAK = "The context gives the domain and the set-up only, never the solution or its findings."
POSITIVE = "Use only positive criteria with integer weights from 1 to 7; never write negative criteria."
NO_NEGATIVES = "There must be no negative criteria in the rubric."
JSON = (
    "Reply with strict JSON and nothing else: no prose around it, no fences. Weights are plain "
    'integers such as 5, never strings such as "+8".'
)
UNRELATED = (
    "The reading room on the second floor of the town library stays open until nine in the "
    "evening on weekdays, and visitors may leave their coats at the door."
)

Texts = Mapping[str, str]
"""The text appended to each prompt."""

FINDINGS: Mapping[str, Texts] = {
    "paper-specific": {"challenger_task": SPECIFIC},
    "no leak": {"challenger_task": NO_LEAK},
    "positive only": {"rubric_guide": POSITIVE, "verifier": NO_NEGATIVES},
    "strict JSON": {"output_format": JSON},
}
ALL: Texts = {
    "challenger_task": f"{SPECIFIC}\n\n{NO_LEAK}",
    "rubric_guide": POSITIVE,
    "verifier": NO_NEGATIVES,
    "output_format": JSON,
}
PARAPHRASED: Texts = {
    "challenger_task": (
        "Ask about something that hinges on details found nowhere but in this document; reject "
        "anything that a reader could answer from textbook knowledge."
        "\n\n"
        "In the background, describe just the field and the starting situation. Keep the "
        "findings, and how the problem was solved, out of it."
    ),
    "rubric_guide": (
        "The marking scheme must contain rewards alone: do not penalise mistakes. No weight may exceed seven."
    ),
    "verifier": ("Penalties are not allowed in the rubric."),
    "output_format": (
        "Output a single valid JSON object only, without commentary or Markdown around it, and "
        "give every weight as a whole number without a plus sign."
    ),
}
PARAPHRASED_AGAIN: Texts = {
    "challenger_task": (
        "Make the question depend on an insight that is unique to this work. Somebody who has not"
        " read the paper must not be able to answer it."
        "\n\n"
        "Do not reveal the answer in the context: it introduces the problem setting and stops "
        "there."
    ),
    "rubric_guide": (
        "All criteria should carry positive weights, at most 7 each, and negative criteria are forbidden."
    ),
    "verifier": ("Reject any rubric that contains a negative criterion."),
    "output_format": (
        "Return nothing but well-formed JSON. Every weight is an integer, not a quoted string."
    ),
}
REVIEWED: Texts = {
    "challenger_task": (
        "The question must be impossible to answer for someone who has not read this particular paper."
        "\n\n"
        "The context may describe the domain and the set-up, but it must never reveal the solution."
    ),
    "rubric_guide": "Use only positive integer weights, none above 7.",
    "verifier": "Fail the example if any criterion has a negative weight.",
    "output_format": (
        'Return strictly valid JSON in which every weight is a bare integer (write 5, not "+5").'
    ),
}
REVIEWED_AGAIN: Texts = {
    "challenger_task": (
        "An expert who knows the field but has not seen this paper should fail to answer the question."
        "\n\n"
        "Do not disclose in the context what the question asks for."
    ),
    "rubric_guide": "Rubric weights must be strictly positive and capped at 7.",
    "verifier": "A rubric with negative weights fails.",
    "output_format": (
        "The reply must parse with a standard JSON parser, and each weight has to be an integer, since "
        'strings such as "+8" break the evaluation.'
    ),
}
"""Two sets that a reviewer wrote before reading the testbed's lexicon."""

NEGATED: Texts = {
    "challenger_task": (
        "Questions need not depend on facts from this paper; it does not matter if a solver could"
        " answer without reading it."
        "\n\n"
        "The context may well contain the solution; there is no need to keep the findings out."
    ),
    "rubric_guide": ("There is no need to use only positive criteria, and weights above 7 are fine."),
    "output_format": (
        "The reply does not have to be strict JSON; prose around it is fine, and weights may be strings."
    ),
}
MOVED: Texts = {
    "challenger_system": f"{JSON}\n\n{POSITIVE}",
    "output_format": f"{NO_LEAK}\n\n{SPECIFIC}",
    "verifier": NO_NEGATIVES,
}

NO_FEEDBACK = b"\n\nAttempts.as_feedback = lambda self, limit: ''\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    name: str
    tree: HarnessTree


def variants(seed: HarnessTree) -> list[Variant]:
    everything = with_texts(seed, ALL)
    made: list[tuple[str, HarnessTree]] = [("seed", seed)]
    made += [(name, with_texts(seed, texts)) for name, texts in FINDINGS.items()]
    made += [
        ("all", everything),
        ("all but the own verifier", with_texts(seed, {k: v for k, v in ALL.items() if k != "verifier"})),
        ("all paraphrased", with_texts(seed, PARAPHRASED)),
        ("all paraphrased again", with_texts(seed, PARAPHRASED_AGAIN)),
        ("all as a reviewer put it", with_texts(seed, REVIEWED)),
        ("all as a reviewer put it again", with_texts(seed, REVIEWED_AGAIN)),
        ("all moved within the prompt", with_texts(seed, MOVED)),
        ("all negated", with_texts(seed, NEGATED)),
        ("all in a file nobody reads", with_texts(seed, {"notes": "\n\n".join(ALL.values())})),
        ("unrelated sentence", with_texts(seed, {"challenger_task": UNRELATED})),
        ("one round", set_knobs(seed, {"max_rounds": 1})),
        ("eight rounds", set_knobs(seed, {"max_rounds": 8})),
        ("feedback emptied", without_feedback(seed)),
        ("all with one round", set_knobs(everything, {"max_rounds": 1})),
        ("all with feedback emptied", without_feedback(everything)),
    ]
    return [Variant(name=name, tree=tree) for name, tree in made]


def with_texts(tree: HarnessTree, texts: Texts) -> HarnessTree:
    paths = {f"prompts/{name}.md": text for name, text in texts.items()}
    return tree.replace(
        {path: tree.files.get(path, b"") + f"\n{text}\n".encode() for path, text in paths.items()}
    )


def without_feedback(tree: HarnessTree) -> HarnessTree:
    return tree.replace({"attempts.py": tree.files["attempts.py"] + NO_FEEDBACK})


class TestbedChat:
    """`studbook.llm.contracts.Chat` without records, limits or retries: nothing can fail or cost money."""

    __test__ = False  # not a test class, despite its name

    def __init__(self) -> None:
        self._backend = TestbedBackend()

    def chat(self, call: ChatCall) -> ChatReply:
        model = RoleModel(endpoint="testbed", model=PREFIX + call.role.replace("_", "-"))
        return self._backend.complete(model.resolve(call))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    rate: Rate
    rounds: Fraction  # per paper
    weak: Fraction
    strong: Fraction
    results: tuple[PaperResult, ...]

    def __str__(self) -> str:
        averages = (
            f"rounds {float(self.rounds):.2f}  weak {float(self.weak):.2f}  strong {float(self.strong):.2f}"
        )
        return f"{self.rate!s:<38} {averages}"


def measure(tree: HarnessTree, papers: Sequence[Paper], replicates: Iterable[int], run_seed: int) -> Measured:
    """Evaluates every paper with every replicate number, sequentially, in this process."""
    with tempfile.TemporaryDirectory(prefix="testbed-effects-") as folder:
        evaluator = SandboxedEvaluator(
            chat=TestbedChat(),
            sandbox=InlineSandbox(),
            store=TrajectoryStore(Path(folder)),
            frozen=Frozen(settings=EvaluatorSettings(), run_seed=run_seed, models={}),
        )
        numbers = list(replicates)
        return summarise([evaluator.evaluate_paper(tree, paper, n) for paper in papers for n in numbers])


def summarise(results: Sequence[PaperResult]) -> Measured:
    rounds = [item for result in results for item in result.rounds]
    return Measured(
        rate=sum((Rate(int(result.passed), 1) for result in results), NO_RATE),
        rounds=Fraction(len(rounds), max(1, len(results))),
        weak=_mean(item.weak_average for item in rounds),
        strong=_mean(item.strong_average for item in rounds),
        results=tuple(results),
    )


def _mean(values: Iterable[str | None]) -> Fraction:
    known = [Fraction(value) for value in values if value is not None]
    return sum(known, Fraction(0)) / max(1, len(known))


def choose_papers(folder: Path, count: int, seed: int) -> list[Paper]:
    papers = sorted(read_corpus(folder).papers, key=lambda paper: paper.paper_id)
    Random(seed).shuffle(papers)
    return papers[:count]


def main(arguments: Sequence[str], show: Callable[[str], object]) -> int:
    options = _parse(arguments)
    papers = choose_papers(options.folder, options.papers, options.seed)
    wanted = set(options.only.split(",")) if options.only else None
    chosen = [item for item in variants(read_harness(SEED_HARNESS)) if wanted is None or item.name in wanted]
    show(f"{len(papers)} papers × {options.replicates} replicates, seed {options.seed}; testbed, not models")
    with ProcessPoolExecutor(max_workers=options.jobs) as pool:
        waiting = [
            pool.submit(_measure_files, dict(item.tree.files), papers, options.replicates, options.seed)
            for item in chosen
        ]
        for item, future in zip(chosen, waiting, strict=True):
            show(f"{item.name:<40} {future.result()}")
    return 0


def _measure_files(files: Mapping[str, bytes], papers: Sequence[Paper], replicates: int, seed: int) -> str:
    """Runs in a worker process; a HarnessTree's read-only mapping cannot be pickled, its files can."""
    return str(measure(HarnessTree.of(files), papers, range(replicates), seed))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of papers")
    parser.add_argument("--papers", type=int, default=25)
    parser.add_argument("--replicates", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="variant names, separated by commas")
    return parser.parse_args(arguments)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _print))
