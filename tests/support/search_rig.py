"""A whole search on shipped doubles, in memory: what the loop, resume and champion tests drive."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from studbook.evolve.champion import Promotion, conclude
from studbook.evolve.contracts import (
    Analyzer,
    Implementer,
    Observer,
    PromotionSettings,
    SearchSettings,
    Silent,
)
from studbook.evolve.gates import SeenTrees
from studbook.evolve.iteration import Workshop
from studbook.evolve.loop import PAUSE_AFTER, Ending, evolve
from studbook.evolve.measuring import TEST, TRAIN, VALIDATION, Measuring, StopToken, found
from studbook.evolve.policies.admission.strict import Strict
from studbook.evolve.policies.knob_proposers.optuna import KnobSampler
from studbook.evolve.policies.selection.boltzmann import Boltzmann
from studbook.identity import Json
from studbook.populations.events import Event, RunStarted, to_json
from studbook.populations.population import EMPTY, Population, fold
from studbook.testbed.fakes import (
    FakeAnalyzer,
    FakeEvaluator,
    FakeImplementer,
    MemoryTrees,
    fake_harness,
    fake_papers,
)

PAPERS = {TRAIN: fake_papers("a", 10), VALIDATION: fake_papers("b", 12), TEST: fake_papers("c", 6)}

STARTED = RunStarted(
    run_name="rig",
    spec_hash="spec",
    evaluator_hash="fake",
    seed_tree_hash=fake_harness().tree_hash,
    splits={split: tuple(paper.paper_id for paper in papers) for split, papers in PAPERS.items()},
    sandbox="none",
    isolates_untrusted_code=False,
)


class PowerCut(Exception):
    """Stands for kill -9 in the moment before an append."""


@dataclass(slots=True, kw_only=True)
class Rig:
    """`journal` holds each append as a tuple of events; after `cut_after` appends, PowerCut.

    `at_once`: papers that run at the same time.
    """

    settings: SearchSettings
    evaluator: FakeEvaluator = field(default_factory=FakeEvaluator)
    trees: MemoryTrees = field(default_factory=MemoryTrees)
    journal: list[tuple[Event, ...]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    observer: Observer = field(default_factory=Silent)
    analyzer: Analyzer = field(default_factory=FakeAnalyzer)
    implementer: Implementer = field(default_factory=FakeImplementer)
    cut_after: int | None = None
    at_once: int = 4
    speculation: float = 0.0

    @property
    def population(self) -> Population:
        return fold(event for events in self.journal for event in events)

    @property
    def lines(self) -> list[tuple[str, Json]]:
        return [to_json(event) for events in self.journal for event in events]

    def commit(self, events: Sequence[Event]) -> Population:
        if self.cut_after is not None and len(self.journal) >= self.cut_after:
            raise PowerCut
        self.journal.append(tuple(events))
        return self.population

    @contextmanager
    def measuring(self) -> Iterator[Measuring]:
        with ThreadPoolExecutor(max_workers=self.at_once) as pool:
            yield Measuring(
                evaluator=self.evaluator,
                pool=pool,
                workers=self.at_once,
                observer=self.observer,
                stop_token=StopToken(self.stop),
                speculation_share=self.speculation,
            )

    def search(self, *, workers: int | None = None, pause_after: int | None = PAUSE_AFTER) -> Ending:
        """Begin, or go on where the journal ends."""
        with self.measuring() as measuring:
            population = self.population
            if population == EMPTY:
                founding = found(fake_harness(), self.trees, measuring, PAPERS[VALIDATION])
                population = self.commit((STARTED, *founding))
            shop = Workshop(
                settings=self.settings,
                papers=PAPERS,
                selection=Boltzmann(),
                trees=self.trees,
                seen=SeenTrees(self.trees),
                measuring=measuring,
                analyzer=self.analyzer,
                implementer=self.implementer,
                admission=Strict(),
                knobs=KnobSampler(),
                observer=self.observer,
            )
            return evolve(shop, population, self.commit, workers=workers, pause_after=pause_after)

    def promote(self, settings: PromotionSettings) -> Population:
        with self.measuring() as measuring:
            promotion = Promotion(
                settings=settings, papers=PAPERS, trees=self.trees, measuring=measuring, commit=self.commit
            )
            return conclude(promotion, self.population, "iterations")
