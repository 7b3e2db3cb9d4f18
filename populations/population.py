"""Who has lived, how they did, and what was decided: an immutable value folded from events.

Pure: `Population.extend` makes the next value from the one before and some events, and `fold` is the same
from nothing, so a live run and its journal cannot disagree. Results are kept as verdicts per paper; rounds,
reasons and diagnoses stay in the journal, so that a run of thousands of iterations stays small. What a score
counts is said in `populations/tally.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from populations.draft import Draft
from populations.events import ChampionChosen, Event, RunFinished, RunStarted, SearchEnded
from populations.records import Decision, Mutant
from populations.tally import NO_TALLY, EvaluationSummary, Tally, count_papers, split_size
from studbook.rate import Rate

SEED_ID = "seed"

SHRINKAGE = 25
"""How many papers' worth of the seed's rate is mixed into each rate when `best_id` ranks the members."""


def _nothing() -> MappingProxyType[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """`members` are the seed and the admitted, in order; decision k of `decisions` ended iteration k + 1.

    `refused_actions` holds, per decision, how many edits were refused; `papers`, per paper, how often it was
    passed in scored evaluations. `ended`, `champion` and `finish` tell of the search so far: they are gone
    when it goes on.
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
        """The search has ended, and its champion is not tested yet."""
        return self.ended is not None and self.finish is None

    def score(self, harness_id: str) -> Rate:
        """Pooled validation rate so far (see the module's docstring); n = 0 when there is none."""
        return self.tally(harness_id).score

    def tally(self, harness_id: str) -> Tally:
        """The score taken apart: complete, stopped, what to show; empty when there is none."""
        return self.tallies.get(harness_id, NO_TALLY)

    @property
    def best_id(self) -> str:
        """The champion once one was chosen, else the earliest with the highest `shrunk_rate`."""
        if self.champion:
            return self.champion.harness_id
        return self._highest(self.members)

    def _highest(self, names: Iterable[str]) -> str:
        """Of the highest `shrunk_rate` the first; in whole numbers, which cost a tenth of fractions."""
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
        """The population after `events`; raises IntegrityError for one that cannot have happened then.

        Copies its collections once per call (under 1 ms after 2,000 iterations): give it an iteration's
        events together.
        """
        draft = self.draft()
        for event in events:
            draft.apply(event)
        return Population.of(draft)

    def draft(self) -> Draft:
        """A copy that can be changed, for `extend` and `populations/replay.py`."""
        return Draft(
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

    @staticmethod
    def of(draft: Draft) -> "Population":
        """The value of a draft, which is not to be changed afterwards."""
        return Population(
            start=draft.start,
            mutants=MappingProxyType(draft.mutants),
            members=tuple(draft.members),
            decisions=tuple(draft.decisions),
            refused_actions=tuple(draft.refused_actions),
            evaluations=tuple(draft.evaluations),
            tallies=MappingProxyType(draft.tallies),
            papers=MappingProxyType(draft.papers),
            ended=draft.ended,
            champion=draft.champion,
            finish=draft.finish,
        )

    def as_of(self, iteration: int) -> "Population":
        """The population as it stood when `iteration` had ended (0: the seed alone).

        Undoes from the end, which the order of results allows: it costs what the iterations since then cost.
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
