"""Represents the population as Optuna studies, to inspect and to draw values from; all use of optuna is here.

optuna takes more than a second to import: code that may not need it imports this module inside a function.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from studbook.harnesses.tree import Knob
from studbook.populations.population import EvaluationSummary, Population, split_size

STARTUP_TRIALS = 10
"""Below this many evaluations the sampler draws at random."""

_NAME = "studbook"
_NO_TIME = datetime(2020, 1, 1)  # a trial needs a time, which is not used


class KnobStudy:
    """The evaluations of a run from number `first` on that are informative about `knobs`."""

    def __init__(self, knobs: Sequence[Knob], first: int) -> None:
        self._knobs = tuple(knobs)
        self._storage = InMemoryStorage()
        self._distributions = distributions_of(knobs)
        self._study = _create(self._storage, _NAME)
        self.first = first
        self.read = first

    def feed(self, population: Population) -> None:
        """Add the evaluations made since the last call; `read` is the number of evaluations read so far."""
        for summary in population.evaluations[self.read :]:
            measured = _measured(population, summary, self._knobs)
            if measured is not None:
                params, value = measured
                self._study.add_trial(
                    _SharedTrial(
                        number=-1,
                        trial_id=-1,
                        state=TrialState.COMPLETE,
                        value=value,
                        datetime_start=_NO_TIME,
                        datetime_complete=_NO_TIME,
                        params=params,
                        distributions=self._distributions,
                        user_attrs={},
                        system_attrs={},
                        intermediate_values={},
                    )
                )
        self.read = len(population.evaluations)

    def sampler(self, seed: int) -> "Draws":
        return Draws(optuna.load_study(study_name=_NAME, storage=self._storage, sampler=_sampler(seed)))


class Draws:
    """Draws values from a newly seeded sampler, one by one; leaves the study it learned from unchanged."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def draw(self, knobs: Sequence[Knob]) -> dict[str, float]:
        trial, distributions = create_trial(state=TrialState.RUNNING), distributions_of(knobs)
        draw = self._study.sampler.sample_independent
        return {
            knob.name: knob.fit(draw(self._study, trial, knob.name, distributions[knob.name]))
            for knob in knobs
        }


class _SharedTrial(FrozenTrial):
    """Avoids the storage's deep copies: our trials never change, and a run has many."""

    def __deepcopy__(self, memo: object) -> "_SharedTrial":
        return copy(self)


def as_study(
    population: Population, knobs: Sequence[Knob], *, name: str = _NAME, storage: str | None = None
) -> Study:
    """The run as an Optuna study: one trial per validation evaluation, with its knobs and its pass rate.

    Papers that racing left out count as not passed, so a stopped evaluation never looks better than it was.
    """
    study = _create(storage, name)
    study.add_trials(list(_trials(population, knobs)))
    return study


def _create(storage: str | BaseStorage | None, name: str) -> Study:
    logging.getLogger("optuna").setLevel(logging.WARNING)  # do not log new studies
    return optuna.create_study(direction="maximize", sampler=_sampler(0), study_name=name, storage=storage)


def _sampler(seed: int) -> BaseSampler:
    """One density per knob: a joint one costs four times as much, and a proposal keeps only two values."""
    return TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=False)


def _trials(population: Population, knobs: Sequence[Knob]) -> Iterator[FrozenTrial]:
    distributions = distributions_of(knobs)
    for summary in population.evaluations:
        measured = _measured(population, summary, knobs)
        if measured is None:
            continue
        attributes = {
            "harness": summary.harness_id,
            "iteration": summary.iteration,
            "passed": summary.rate.passed,
            "n": summary.rate.n,
            "complete": summary.is_complete,
        }
        params, value = measured
        yield create_trial(params=params, distributions=distributions, value=value, user_attrs=attributes)


def _measured(
    population: Population, summary: EvaluationSummary, knobs: Sequence[Knob]
) -> tuple[dict[str, float], float] | None:
    """The knobs of the evaluated harness, and its rate; None if it is not informative about `knobs`."""
    values = population.mutants[summary.harness_id].knobs
    if not summary.is_scored or not summary.verdicts or not _within(values, knobs):
        return None
    return {knob.name: knob.fit(values[knob.name]) for knob in knobs}, _value(population, summary)


def _within(values: Mapping[str, float], knobs: Sequence[Knob]) -> bool:
    return all(knob.name in values and knob.low <= values[knob.name] <= knob.high for knob in knobs)


def _value(population: Population, summary: EvaluationSummary) -> float:
    rate = summary.rate
    n = rate.n if summary.is_complete else max(split_size(population.start, summary.split), rate.n)
    return rate.passed / n


def distributions_of(knobs: Sequence[Knob]) -> dict[str, BaseDistribution]:
    return {
        knob.name: IntDistribution(int(knob.low), int(knob.high))
        if knob.is_integer
        else FloatDistribution(knob.low, knob.high)
        for knob in knobs
    }
