"""Is a run's expected cost right? Three different runs: expected before the first call, then measured.

    .venv/bin/python -m benchmarks.expected_cost [--papers FOLDER] [--runs 0 1 2]
    .venv/bin/python -m benchmarks.expected_cost --profile RUN...    figures for experiments/run/expected.toml

The testbed answers, at prices of a small hosted model; without --papers on generated papers. Prints for each
run what was expected before it, after the seed's evaluation and halfway, and what it cost. Exits with 1 if
the first expectation is off by more than a factor of 1.5. Says nothing about how much a language model
writes.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.iterations import say
from studbook.evaluate.trajectories import SUFFIX, TrajectoryStore
from studbook.experiments.library.working import run
from studbook.experiments.run.corpus import load_papers
from studbook.experiments.run.costs import paid_by_role
from studbook.experiments.run.expected import Forecast, expect
from studbook.experiments.run.opening import open_run
from studbook.experiments.spec.loading import harness_folder, load_spec
from studbook.experiments.views.displays.silent import SilentDisplay
from studbook.experiments.views.views import IterationView, ProgressView
from studbook.harnesses.folder import read_harness
from studbook.llm.meter import sum_totals

FACTOR = 1.5
"""An expectation is right if the cost is at most so many times higher or lower."""

PRICES = {"dollars_per_million_input": 0.3, "dollars_per_million_output": 1.2}
VARIED: tuple[Mapping[str, Any], ...] = (
    {
        "name": "quickstart-like",
        "corpus": {"splits": {"train": 6, "validation": 8, "test": 10}},
        "search": {"iterations": 15, "minibatch": 2, "knob_share": 0.15},
        "champion": {"candidates": 2, "confirm_replicates": 1, "test_replicates": 2},
    },
    {
        "name": "other-rollouts",
        "seed": 5,
        "corpus": {"splits": {"train": 6, "validation": 12, "test": 10}},
        "evaluator": {"max_rounds": 3, "weak_rollouts": 4, "strong_rollouts": 2},
        "search": {"iterations": 8, "minibatch": 5, "lag": 2},
        "champion": {"candidates": 3, "confirm_replicates": 2, "test_replicates": 2},
    },
    {
        "name": "many-short-iterations",
        "seed": 9,
        "corpus": {"splits": {"train": 8, "validation": 4, "test": 6}},
        "evaluator": {"strong_sees_paper": False, "confirm": False},
        "search": {"iterations": 24, "minibatch": 3, "knob_share": 0.5, "full_scores": False},
        "champion": {"candidates": 1, "confirm_replicates": 2, "test_replicates": 4},
    },
)


class Diary(SilentDisplay):
    """Keeps what a run says about its expected cost, in dollars; `noticed` is what the user reads."""

    def __init__(self) -> None:
        self.expected: list[float] = []
        self.noticed: list[str] = []

    def notice(self, text: str) -> None:
        self.noticed.append(text)

    def iteration_ended(self, view: IterationView, progress: ProgressView) -> None:
        self.expected.append(progress.expected_dollars or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One run: expected at first, after the seed (in the run's words) and halfway, and what it cost."""

    name: str
    first: Forecast
    after_seed: str
    halfway_dollars: float
    dollars: float
    calls: int
    tokens: int
    papers: int = field(default=0)

    @property
    def factor(self) -> float:
        """How many times the expectation the cost is."""
        return self.dollars / self.first.dollars

    @property
    def is_right(self) -> bool:
        return 1 / FACTOR <= self.factor <= FACTOR


def compare(folder: Path, values: Mapping[str, Any], papers: Path | None = None) -> Compared:
    """Executes one run in `folder`."""
    corpus = {**values["corpus"], **({} if papers is None else {"path": str(papers.resolve())})}
    raw = {
        "version": 1,
        "models": {"default": dict(PRICES)},
        "sandbox": "process",
        "workers": 2,
        **values,
        "corpus": corpus,
    }
    path = folder / f"{values['name']}.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    spec = load_spec(path)
    knobs = read_harness(harness_folder(spec.harness)).manifest.knob_values
    first = expect(spec, load_papers(spec.corpus, spec.seed).splits, knobs)
    diary = Diary()
    done = run(path, runs_dir=folder / "runs", display=diary)
    paid = sum_totals(paid_by_role(open_run(done.name, folder / "runs")))
    return Compared(
        name=str(values["name"]),
        first=first,
        after_seed=next((text for text in diary.noticed if text.startswith("spent")), ""),
        halfway_dollars=diary.expected[len(diary.expected) // 2] if diary.expected else 0.0,
        dollars=paid.dollars,
        calls=paid.calls,
        tokens=paid.tokens,
        papers=TrajectoryStore(folder / "runs" / done.name / "trajectories").count(),
    )


def told(found: Compared) -> str:
    first = found.first
    return (
        f"{found.name}: cost ${found.dollars:.2f} ({found.calls:,} calls, {found.tokens:,} tokens, "
        f"{found.papers:,} papers), expected ${first.dollars:.2f} (${first.low_dollars:.2f} to "
        f"${first.high_dollars:.2f}; {first.calls:,} calls, {first.tokens:,} tokens): "
        f"× {found.factor:.2f}{'' if found.is_right else ', WRONG'}\n"
        f"  after the seed: {found.after_seed}; halfway: expected ${found.halfway_dollars:.2f}"
    )


def profile(folders: Sequence[Path]) -> dict[str, float]:
    """The figures of finished runs that `expected.toml` holds, under the same names."""
    papers = rounds = iterations = edits = 0
    asked: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for folder in folders:
        opened = open_run(folder.as_posix(), folder.parent)
        store = TrajectoryStore(opened.folder.trajectories)
        for path in sorted(opened.folder.trajectories.glob(f"??/*{SUFFIX}")):
            trajectory = store.get(path.name.removesuffix(SUFFIX))
            papers += 1
            rounds += len(trajectory.result.rounds)
            asked.update(trajectory.calls_by_role)
            for event in trajectory.events:
                tried["weak"] += event["kind"] == "report" and bool(event["weak"])
                tried["strong"] += event["kind"] == "report" and bool(event["strong"])
                tried["accepted"] += event["kind"] == "confirmation"
        for role, totals in paid_by_role(opened).items():
            paid[role] += totals.calls
            said[role] += totals.usage.completion_tokens
        iterations += opened.population.iterations_done
    edits = paid["analyzer"]
    found = {
        "papers.accepted": tried["accepted"] / papers,
        "rounds per paper": rounds / papers,
        "iterations": float(iterations),
        "calls.implementer": paid["implementer"] / max(1, edits),
        "rounds.weak": tried["weak"] / rounds,
        "rounds.strong": tried["strong"] / rounds,
        "paid.calls": sum(paid[role] for role in asked) / sum(asked.values()),
    }
    for role in ("challenger", "verifier", "final_verifier"):
        found[f"rounds.{role}"] = asked[role] / rounds
    for role in sorted(paid):
        found[f"completion.{role}"] = said[role] / max(1, paid[role])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--papers", type=Path, help="a folder of papers; default: generated ones")
    parser.add_argument("--runs", type=int, nargs="*", default=range(len(VARIED)), help="which of the three")
    parser.add_argument("--profile", type=Path, nargs="+", metavar="RUN", help="print the figures of these")
    options = parser.parse_args()
    if options.profile:
        for name, value in profile(options.profile).items():
            say(f"{name:28} {value:.3g}")
        return 0
    found = []
    for number in options.runs:
        with tempfile.TemporaryDirectory() as folder:
            found.append(compare(Path(folder), VARIED[number], options.papers))
        say(told(found[-1]))
    return 0 if all(each.is_right for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
