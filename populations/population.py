"""All harnesses of a run, their results, and the decisions: an immutable value folded from events.

Pure: `Population.extend` computes the next value from the current one and some events, and `fold` starts from
nothing, so a live run and its journal cannot disagree. Results are kept as verdicts per paper; rounds,
reasons and diagnoses stay in the journal, so that a run of thousands of iterations stays small.

The score of a harness is the pooled rate of its *complete* validation evaluations. The rate of an evaluation
that racing stopped early is biased, because its results decided when it stopped; it is ignored as soon as
there is a complete one. A harness with only stopped evaluations is scored by them, counting papers that were
not run as failed: stopping early never makes a harness look better than it has been shown to be.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import takewhile
from sys import intern
from types import MappingProxyType
from typing import Any

from studbook.errors import IntegrityError
from studbook.populations.events import (
    ChampionChosen,
    DecisionMade,
    DiagnosisMade,
    EvaluationDone,
    EvaluationDoneOutline,
    Event,
    MutantMade,
    Purpose,
    RunFinished,
    RunStarted,
    SearchEnded,
)
from studbook.populations.journal import Entry
from studbook.populations.records import Decision, Mutant, MutationKind, PaperVerdict, Verdict
from studbook.rate import NO_RATE, Rate

SEED_ID = "seed"

SHRINKAGE = 25
"""Prior strength, in papers, with which `best_id` shrinks each rate toward the seed's. Fixed, as "best" is
only a name for display; the spec's `champion.shrinkage` decides finalists and champion."""

_SCORED = (Purpose.SEED, Purpose.VALIDATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSummary:
    """An evaluation without its rounds: the verdict of each paper, in the order in which they were run.

    `confirmed`: how many of the rechecked examples were accepted again.
    """

    harness_id: str
    iteration: int
    purpose: Purpose
    split: str
    replicate: int
    is_complete: bool
    verdicts: tuple[tuple[str, PaperVerdict], ...]
    confirmed: Rate = NO_RATE

    @property
    def rate(self) -> Rate:
        return Rate(sum(verdict is PaperVerdict.ACCEPTED for _, verdict in self.verdicts), len(self.verdicts))

    @property
    def is_scored(self) -> bool:
        """Whether it counts toward the score that selects parents."""
        return self.purpose in _SCORED


@cache
def _pair(paper_id: str, verdict: PaperVerdict) -> tuple[str, PaperVerdict]:
    """Shares one object among all evaluations: a long run has a hundred thousand pairs."""
    return intern(paper_id), verdict


def summarize(event: EvaluationDone | EvaluationDoneOutline) -> EvaluationSummary:
    evaluation = event.evaluation
    held = [each.confirmation.holds for each in evaluation.results if each.confirmation is not None]
    return EvaluationSummary(
        harness_id=evaluation.harness_id,
        iteration=event.iteration,
        purpose=event.purpose,
        split=evaluation.split,
        replicate=evaluation.replicate,
        is_complete=evaluation.complete,
        verdicts=tuple([_pair(result.paper_id, result.verdict) for result in evaluation.results]),
        confirmed=Rate(sum(held), len(held)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Totals over the scored evaluations of one harness: complete ones and those that racing stopped.

    `floor` is `stopped` with the papers that were not run counted as failed.
    """

    complete: Rate = NO_RATE
    stopped: Rate = NO_RATE
    floor: Rate = NO_RATE

    @property
    def score(self) -> Rate:
        """The score used for selection."""
        return self.complete if self.complete.n else self.floor

    @property
    def observed(self) -> Rate:
        """The observed rate, for display; biased if `is_stopped`."""
        return self.complete if self.complete.n else self.stopped

    @property
    def is_stopped(self) -> bool:
        """Whether there are results, but no complete evaluation."""
        return not self.complete.n and bool(self.stopped.n)

    def add(self, summary: EvaluationSummary, split_size: int) -> "Tally":
        """`split_size`: the number of papers in a complete evaluation of that split."""
        rate = summary.rate
        if summary.is_complete:
            return replace(self, complete=self.complete + rate)
        floor = _floor(rate, split_size)
        return replace(self, stopped=self.stopped + rate, floor=self.floor + floor)

    def without(self, summary: EvaluationSummary, split_size: int) -> "Tally":
        """Undoes `add`."""
        rate = summary.rate
        if summary.is_complete:
            return replace(self, complete=_less(self.complete, rate))
        floor = _floor(rate, split_size)
        return replace(self, stopped=_less(self.stopped, rate), floor=_less(self.floor, floor))


NO_TALLY = Tally()


def count_papers(papers: dict[str, Rate], summary: EvaluationSummary, *, undo: bool = False) -> None:
    """Adds the outcomes of a scored evaluation to the rate of each paper, or subtracts them."""
    for paper_id, verdict in summary.verdicts:
        outcome = Rate(int(verdict is PaperVerdict.ACCEPTED), 1)
        before = papers.get(paper_id, NO_RATE)
        after = _less(before, outcome) if undo else before + outcome
        if after.n:
            papers[paper_id] = after
        else:
            del papers[paper_id]


def split_size(start: RunStarted | None, split: str) -> int:
    """The number of papers in a split of the run; 0 if it is unknown."""
    return len(start.splits.get(split, ())) if start else 0


def _floor(rate: Rate, split_size: int) -> Rate:
    return Rate(rate.passed, max(split_size, rate.n))


def _less(total: Rate, part: Rate) -> Rate:
    return Rate(total.passed - part.passed, total.n - part.n)


def _nothing() -> MappingProxyType[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """`members` are the seed and the admitted mutants, in order; `decisions[k]` ended iteration k + 1.

    `refused_actions`: number of refused edits per decision. `papers`: pass rate of each paper in scored
    evaluations. `ended`, `champion` and `finish` belong to the search so far and are reset when it continues.
    """

    start: RunStarted | None = None
    mutants: MappingProxyType[str, Mutant] = field(default_factory=_nothing)
    members: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    refused_actions: tuple[int, ...] = ()
    evaluations: tuple[EvaluationSummary, ...] = ()
    tallies: MappingProxyType[str, Tally] = field(default_factory=_nothing)
    papers: MappingProxyType[str, Rate] = field(default_factory=_nothing)
    ended: SearchEnded | None = None
    champion: ChampionChosen | None = None
    finish: RunFinished | None = None

    @property
    def iterations_done(self) -> int:
        return len(self.decisions)

    @property
    def next_iteration(self) -> int:
        return len(self.decisions) + 1

    @property
    def is_concluding(self) -> bool:
        """The search has ended, but its champion is not tested yet."""
        return self.ended is not None and self.finish is None

    def score(self, harness_id: str) -> Rate:
        """Pooled validation rate so far (see the module docstring); n = 0 if there is none."""
        return self.tally(harness_id).score

    def tally(self, harness_id: str) -> Tally:
        """The parts of the score: complete, stopped, and the rate to show; empty if there is none."""
        return self.tallies.get(harness_id, NO_TALLY)

    @property
    def best_id(self) -> str:
        """The champion if one was chosen, else the earliest harness with the highest `shrunk_rate`."""
        if self.champion:
            return self.champion.harness_id
        return self._highest(self.members)

    def _highest(self, names: Iterable[str]) -> str:
        """The first with the highest `shrunk_rate`, in integer arithmetic, ten times as fast as fractions."""
        seed = self.score(SEED_ID)
        passed, n = (seed.passed, seed.n) if seed.n else (1, 2)
        best, best_above, best_below = SEED_ID, -1, 1
        for name in names:
            score = self.score(name)
            above, below = score.passed * n + SHRINKAGE * passed, score.n + SHRINKAGE
            if above * best_below > best_above * below:
                best, best_above, best_below = name, above, below
        return best

    def find_decision(self, harness_id: str) -> Decision | None:
        """The decision about a mutant; None for the seed."""
        mutant = self.mutants.get(harness_id)
        if mutant is None or not 1 <= mutant.iteration <= len(self.decisions):
            return None
        return self.decisions[mutant.iteration - 1]

    def evaluations_of(self, harness_id: str) -> tuple[EvaluationSummary, ...]:
        return tuple(each for each in self.evaluations if each.harness_id == harness_id)

    def apply(self, event: Event) -> "Population":
        return self.extend((event,))

    def extend(self, events: Iterable[Event]) -> "Population":
        """The population after `events`; raises IntegrityError for an impossible one.

        Copies its collections once per call (under 1 ms after 2,000 iterations), so pass all events of an
        iteration together.
        """
        builder = self.builder()
        for event in events:
            builder.apply(event)
        return builder.build()

    def builder(self) -> "PopulationBuilder":
        """A mutable copy."""
        return PopulationBuilder(
            start=self.start,
            mutants=self.mutants.copy(),
            members=list(self.members),
            decisions=list(self.decisions),
            refused_actions=list(self.refused_actions),
            evaluations=list(self.evaluations),
            tallies=self.tallies.copy(),
            papers=self.papers.copy(),
            ended=self.ended,
            champion=self.champion,
            finish=self.finish,
        )

    def as_of(self, iteration: int) -> "Population":
        """The population at the end of `iteration` (0: only the seed).

        Undoes later iterations from the end, so the cost is proportional to their number.
        """
        if iteration >= self.iterations_done:
            return self
        mutants, tallies, papers = self.mutants.copy(), self.tallies.copy(), self.papers.copy()
        evaluations, members = list(self.evaluations), list(self.members)
        while evaluations and evaluations[-1].iteration > iteration:
            self._take_back(evaluations.pop(), tallies, papers)
        while members and mutants[members[-1]].iteration > iteration:
            members.pop()
        for name in list(takewhile(lambda name: mutants[name].iteration > iteration, reversed(self.mutants))):
            del mutants[name]
        return Population(
            start=self.start,
            mutants=MappingProxyType(mutants),
            members=tuple(members),
            decisions=self.decisions[:iteration],
            refused_actions=self.refused_actions[:iteration],
            evaluations=tuple(evaluations),
            tallies=MappingProxyType(tallies),
            papers=MappingProxyType(papers),
        )

    def _take_back(
        self, summary: EvaluationSummary, tallies: dict[str, Tally], papers: dict[str, Rate]
    ) -> None:
        if not summary.is_scored:
            return
        count_papers(papers, summary, undo=True)
        tally = tallies[summary.harness_id].without(summary, split_size(self.start, summary.split))
        if tally == NO_TALLY:
            del tallies[summary.harness_id]
        else:
            tallies[summary.harness_id] = tally


EMPTY = Population()


def fold(events: Iterable[Event]) -> Population:
    """The population after a whole journal."""
    return EMPTY.extend(events)


@dataclass(slots=True, kw_only=True)
class PopulationBuilder:
    """The fields of a `Population`, mutable: the only place where events are applied.

    All rules about the order of events are here; breaking one raises IntegrityError. Results are committed in
    iteration order, so a mutant or a scored evaluation belongs to the open iteration.
    """

    start: RunStarted | None
    mutants: dict[str, Mutant]
    members: list[str]
    decisions: list[Decision]
    refused_actions: list[int]
    evaluations: list[EvaluationSummary]
    tallies: dict[str, Tally]
    papers: dict[str, Rate]
    ended: SearchEnded | None
    champion: ChampionChosen | None
    finish: RunFinished | None

    def apply(self, event: Event | EvaluationDoneOutline) -> None:
        _RULES[type(event)](self, event)

    def read(self, entry: Entry) -> None:
        """Applies the event of a journal entry; raises IntegrityError naming the entry."""
        event = entry.outline  # its own errors already name the entry
        try:
            self.apply(event)
        except IntegrityError as error:
            raise IntegrityError(f"journal entry {entry.seq}: {error}") from error

    def build(self) -> Population:
        """The population. It shares its collections with the builder, which must not be used afterwards."""
        return Population(
            start=self.start,
            mutants=MappingProxyType(self.mutants),
            members=tuple(self.members),
            decisions=tuple(self.decisions),
            refused_actions=tuple(self.refused_actions),
            evaluations=tuple(self.evaluations),
            tallies=MappingProxyType(self.tallies),
            papers=MappingProxyType(self.papers),
            ended=self.ended,
            champion=self.champion,
            finish=self.finish,
        )

    def run_started(self, event: RunStarted) -> None:
        if self.start is not None or self.mutants:
            raise IntegrityError("the run starts a second time, or after its first mutant")
        self.start = event

    def mutant_made(self, event: MutantMade) -> None:
        mutant = event.mutant
        if mutant.harness_id in self.mutants:
            raise IntegrityError(f"{mutant.harness_id} is made a second time")
        if mutant.kind is MutationKind.SEED:
            self._require(not self.mutants and not mutant.iteration, f"{mutant.harness_id} is no first seed")
            self.members.append(mutant.harness_id)
        else:
            self._require_open(mutant.iteration, f"{mutant.harness_id} was made")
            self._require(mutant.parent_id in self.mutants, f"{mutant.harness_id} has no known parent")
        self.mutants[mutant.harness_id] = mutant

    def evaluation_done(self, event: EvaluationDone | EvaluationDoneOutline) -> None:
        summary = summarize(event)
        earlier = self.evaluations[-1].iteration if self.evaluations else 0
        self._require(
            earlier <= summary.iteration, f"iteration {summary.iteration} was left before this evaluation"
        )
        self._require(summary.harness_id in self.mutants, f"{summary.harness_id} was evaluated, never made")
        if summary.is_scored:
            if summary.iteration:
                self._require_open(summary.iteration, f"{summary.harness_id} was evaluated")
            tally = self.tallies.get(summary.harness_id, NO_TALLY)
            size = split_size(self.start, summary.split)
            self.tallies[summary.harness_id] = tally.add(summary, size)
            count_papers(self.papers, summary)
        self.evaluations.append(summary)

    def diagnosis_made(self, event: DiagnosisMade) -> None:
        """Stays in the journal."""

    def decision_made(self, event: DecisionMade) -> None:
        decision = event.decision
        self._require_open(decision.iteration, "a decision was made")
        self._require(
            self.ended is None or self.finish is not None,
            "the search went on before its conclusion was complete",
        )
        self.ended = self.champion = self.finish = None  # the conclusion covered fewer iterations
        if decision.verdict is Verdict.ADMITTED:
            name = decision.mutant_id
            self._require(name in self.mutants, f"{name} was admitted, but never made")
            self._require(name not in self.members, f"{name} was admitted a second time")
            self.members.append(str(name))
        self.decisions.append(decision)
        self.refused_actions.append(event.refused_actions)

    def search_ended(self, event: SearchEnded) -> None:
        done = len(self.decisions)
        self._require(
            event.iterations == done, f"the search ended after {event.iterations} of {done} iterations"
        )
        self.ended, self.finish = event, None

    def champion_chosen(self, event: ChampionChosen) -> None:
        self._require(event.harness_id in self.members, f"{event.harness_id} is champion, but no member")
        self.champion = event

    def run_finished(self, event: RunFinished) -> None:
        self.finish = event

    def _require_open(self, iteration: int, what: str) -> None:
        due = len(self.decisions) + 1
        self._require(iteration == due, f"{what} in iteration {iteration} while iteration {due} is open")

    @staticmethod
    def _require(holds: bool, message: str) -> None:
        if not holds:
            raise IntegrityError(message)


_RULES: dict[type[Event | EvaluationDoneOutline], Callable[[PopulationBuilder, Any], None]] = {
    RunStarted: PopulationBuilder.run_started,
    MutantMade: PopulationBuilder.mutant_made,
    EvaluationDone: PopulationBuilder.evaluation_done,
    EvaluationDoneOutline: PopulationBuilder.evaluation_done,
    DiagnosisMade: PopulationBuilder.diagnosis_made,
    DecisionMade: PopulationBuilder.decision_made,
    SearchEnded: PopulationBuilder.search_ended,
    ChampionChosen: PopulationBuilder.champion_chosen,
    RunFinished: PopulationBuilder.run_finished,
}
