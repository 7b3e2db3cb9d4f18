"""Numeric knobs as a kind of mutation of their own, proposed by an Optuna sampler (the one door to optuna).

A study is the population in Optuna's words, so a proposal depends on the snapshot and the
seed alone. It proposes values; writing them into a manifest is `harnesses/`, deciding is the loop's. optuna
takes more than a second to import, hence the imports inside functions: listing a run should not wait for it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import TYPE_CHECKING

from harnesses.manifest import Knob
from populations.population import Population
from populations.tally import EvaluationSummary, split_size

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

STARTUP_TRIALS = 10
"""Below this many evaluations the sampler draws at random."""

MAX_TURNED = 2
"""How many knobs a proposal turns at most: small steps, so that it shows which of them helped."""

ASKS = 8
REDRAWS = 100
"""How often the sampler is asked for something new; then how often one knob of the parent is redrawn."""

DIGITS = 4

MEMORY = 400


IsNew = Callable[[Mapping[str, float]], bool]
"""Would the parent with these values be a harness that was not seen before?"""


Space = tuple[tuple[str, float, float, bool], ...]


@dataclass(slots=True)
class _Fed:
    """A study of the evaluations from number `first` on, and how many of the run there were then."""

    study: "Study"
    first: int
    evaluations: int


class KnobSampler:
    """Proposes values, and keeps its studies: a proposal costs what is new, not what is known. Thread-safe.

    A proposal depends on the population and the seed alone: the sampler is seeded anew for each, and a
    population older than what a study was fed gets a study of its own.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._fed: dict[Space, _Fed] = {}

    def propose(
        self, knobs: Sequence[Knob], population: Population, seed: int, is_new: IsNew
    ) -> dict[str, float]:
        """Values for all knobs, one or two turned, that make a new harness; {} when none are found."""
        free = [knob for knob in knobs if knob.low < knob.high]
        if not free:
            return {}
        current = {knob.name: _typed(knob, knob.value) for knob in knobs}
        refused = [current]
        random = Random(seed)
        with self._lock:
            study = self._feed(knobs, population)
            study.sampler = _sampler(seed)
            for attempt in range(ASKS + REDRAWS):
                turned = random.sample(free, min(len(free), random.randint(1, MAX_TURNED)))
                changes = _ask(study, turned) if attempt < ASKS else _redraw(free, random)
                proposed = {**current, **changes}
                if proposed not in refused and is_new(proposed):
                    return proposed
                refused.append(proposed)
        return {}

    def _feed(self, knobs: Sequence[Knob], population: Population) -> "Study":
        space = tuple((knob.name, knob.low, knob.high, knob.is_integer) for knob in knobs)
        fed = self._fed.get(space)
        first, count = first_remembered(population), len(population.evaluations)
        if fed is None or fed.evaluations > count or fed.first != first:
            fresh = _Fed(study=as_study(population, knobs, first=first), first=first, evaluations=count)
            if fed is None or fed.evaluations <= count:
                self._fed[space] = fresh
            return fresh.study
        fed.study.add_trials(list(_trials(population, knobs, fed.evaluations)))
        fed.evaluations = count
        return fed.study


def first_remembered(population: Population) -> int:
    """Before this evaluation the sampler forgets: the cost of a proposal grows with all that it knows.

    It knows MEMORY to 2 × MEMORY of them, by the population alone: a resumed run proposes the same.
    """
    return max(0, len(population.evaluations) // MEMORY - 1) * MEMORY


def as_study(
    population: Population,
    knobs: Sequence[Knob],
    *,
    first: int = 0,
    seed: int = 0,
    name: str = "studbook",
    storage: str | None = None,
) -> "Study":
    """The run as an Optuna study: one trial per validation evaluation, parameters its knobs, value its rate.

    Papers that racing left out count as not passed, so a stopped evaluation never looks better than it was.
    """
    import optuna

    logging.getLogger("optuna").setLevel(logging.WARNING)  # a new study is not news
    study = optuna.create_study(
        direction="maximize", sampler=_sampler(seed), study_name=name, storage=storage
    )
    study.add_trials(list(_trials(population, knobs, first)))
    return study


def _sampler(seed: int) -> "BaseSampler":
    """A density per knob: of a joint one, at four times the cost, a proposal would keep two values."""
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=False)


def _trials(population: Population, knobs: Sequence[Knob], first: int = 0) -> "Sequence[FrozenTrial]":
    """One for each evaluation from number `first` on that says something about these knobs."""
    import optuna

    distributions = _distributions(knobs)
    trials = []
    for summary in population.evaluations[first:]:
        params = _params(population, summary, knobs)
        if params is None:
            continue
        attributes = {
            "harness": summary.harness_id,
            "iteration": summary.iteration,
            "passed": summary.rate.passed,
            "n": summary.rate.n,
            "complete": summary.is_complete,
        }
        value = _value(population, summary)
        trial = optuna.trial.create_trial(
            params=params, distributions=distributions, value=value, user_attrs=attributes
        )
        trials.append(trial)
    return trials


def _params(
    population: Population, summary: EvaluationSummary, knobs: Sequence[Knob]
) -> dict[str, int | float] | None:
    """The knobs of the harness that was evaluated; None when it says nothing about them."""
    values = population.mutants[summary.harness_id].knobs
    if not summary.is_scored or summary.rate.n == 0 or any(knob.name not in values for knob in knobs):
        return None
    if any(not knob.low <= values[knob.name] <= knob.high for knob in knobs):
        return None
    return {knob.name: _typed(knob, values[knob.name]) for knob in knobs}


def _value(population: Population, summary: EvaluationSummary) -> float:
    papers = split_size(population.start, summary.split)
    n = summary.rate.n if summary.is_complete else max(papers, summary.rate.n)
    return summary.rate.passed / n


def _distributions(knobs: Sequence[Knob]) -> "dict[str, BaseDistribution]":
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        knob.name: IntDistribution(int(knob.low), int(knob.high))
        if knob.is_integer
        else FloatDistribution(knob.low, knob.high)
        for knob in knobs
    }


def _ask(study: "Study", knobs: Sequence[Knob]) -> dict[str, float]:
    """The trial is closed as failed, which samplers leave out: what comes of it is fed as an evaluation."""
    from optuna.trial import TrialState

    trial = study.ask(_distributions(knobs))
    params: Mapping[str, float] = trial.params
    study.tell(trial, state=TrialState.FAIL)
    return {knob.name: _typed(knob, params[knob.name]) for knob in knobs}


def _redraw(knobs: Sequence[Knob], random: Random) -> dict[str, float]:
    """One knob with another value than it has."""
    knob = knobs[random.randrange(len(knobs))]
    if knob.is_integer:
        drawn = int(knob.low) + random.randrange(int(knob.high) - int(knob.low))
        return {knob.name: drawn + (drawn >= knob.value)}  # every value but its own
    middle = (knob.low + knob.high) / 2
    low, high = (knob.low, middle) if knob.value > middle else (middle, knob.high)
    return {knob.name: _typed(knob, low + (high - low) * (0.25 + 0.75 * random.random()))}


def _typed(knob: Knob, value: float) -> int | float:
    """As a manifest writes it: whole, or with few digits, and within the range."""
    if knob.is_integer:
        return int(value)
    return min(knob.high, max(knob.low, round(value, DIGITS)))
