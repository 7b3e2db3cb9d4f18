"""The loop's observer: passes the events of a run to the display.

Called from several threads; a lock serializes calls to the display. Counts papers for the status line,
measures time, reads costs from the records, and says what the run is expected to cost in all.
"""

from collections.abc import Callable
from threading import RLock

from studbook.evolve.champion import pooled
from studbook.evolve.contracts import GateFailure
from studbook.experiments.run.bench import Bench
from studbook.experiments.run.expected import Forecast, forecast, forecast_words
from studbook.experiments.run.ledger import Ledger
from studbook.experiments.views.display import Display
from studbook.experiments.views.views import ProgressView, iteration_view
from studbook.llm.meter import Totals, sum_totals
from studbook.populations.events import Purpose
from studbook.populations.population import Population
from studbook.populations.records import Decision, Evaluation, FailureCategory, PaperResult, PaperVerdict

WORDS = {
    Purpose.SEED: "on validation papers",
    Purpose.TRAINING: "on training papers",
    Purpose.VALIDATION: "on validation papers",
    Purpose.CONFIRMATION: "on fresh replicates of the validation papers",
    Purpose.TEST: "on the sealed test papers",
}
STAGES = {Purpose.CONFIRMATION: "confirm", Purpose.TEST: "test"}


class Watcher:
    """Implements `studbook.evolve.contracts.Observer`."""

    def __init__(
        self,
        display: Display,
        bench: Bench,
        ledger: Ledger,
        clock: Callable[[], float],
        *,
        is_replay: bool = False,
    ) -> None:
        self._display = display
        self._bench = bench
        self._ledger = ledger
        self._clock = clock
        self._is_replay = is_replay
        self._lock = RLock()
        self._began = clock()
        self._done_before = ledger.population.iterations_done
        self._is_resumed = bool(ledger.population.evaluations)
        self._papers: dict[tuple[int, Purpose, str], int] = {}

    def over(self, ledger: Ledger) -> "Watcher":
        """The same watcher for the ledger of a replay, whose recorded calls were paid earlier."""
        return Watcher(self._display, self._bench, ledger, self._clock, is_replay=True)

    def iteration_started(self, iteration: int, parent_id: str) -> None:
        self._work(f"iteration {iteration}: from {parent_id}")

    def diagnosed(self, iteration: int, text: str) -> None:
        self._work(f"iteration {iteration}: implementing a change")

    def proposed(self, iteration: int, hypothesis: str) -> None:
        self._work(f"iteration {iteration}: {hypothesis}")

    def paper_finished(self, iteration: int, purpose: Purpose, harness_id: str, result: PaperResult) -> None:
        with self._lock:
            key = (iteration, purpose, harness_id)
            self._papers[key] = self._papers.get(key, 0) + 1
            where = f"iteration {iteration}: " if purpose in {Purpose.TRAINING, Purpose.VALIDATION} else ""
            self._display.working(f"{where}{harness_id} {WORDS[purpose]}, {self._papers[key]} done")

    def gate_failed(self, iteration: int, failure: GateFailure) -> None:
        self._work(f"iteration {iteration}: {failure.reason}")

    def evaluated(self, iteration: int, purpose: Purpose, evaluation: Evaluation) -> None:
        with self._lock:
            self._papers.pop((iteration, purpose, evaluation.harness_id), None)
            if purpose is Purpose.SEED:
                self._display.seed_measured(evaluation.rate)
                if warning := seed_warning(evaluation):
                    self._display.notice(warning)
                if (found := self._forecast(self._ledger.population)) is not None:
                    self._display.notice(forecast_words(found, self._paid().dollars))
            if purpose in STAGES:
                before = pooled(self._ledger.population, purpose, evaluation.harness_id)
                so_far = before + evaluation.rate
                self._display.promoted(STAGES[purpose], evaluation.harness_id, so_far)

    def decided(self, decision: Decision, hypothesis: str) -> None:
        population = self._ledger.population
        view = iteration_view(population, decision, self._bench.spec.search.iterations)
        with self._lock:
            self._display.iteration_ended(view, self.progress(population))

    def progress(self, population: Population) -> ProgressView:
        """The current progress of the run."""
        paid, expected = self._paid(), self._forecast(population)
        seconds = self._clock() - self._began
        total = self._bench.spec.search.iterations
        done_now = population.iterations_done - self._done_before
        eta = seconds / done_now * (total - population.iterations_done) if done_now > 0 else None
        best = population.tally(population.best_id)
        return ProgressView(
            done=population.iterations_done,
            iterations=total,
            best_id=population.best_id,
            best_rate=best.observed,
            best_is_stopped=best.is_stopped,
            calls=paid.calls,
            recorded_calls=sum_totals(self._bench.client.meter.snapshot()).recorded_calls,
            tokens=paid.tokens,
            cost_dollars=paid.dollars,
            seconds=seconds,
            eta_seconds=eta,
            is_resumed=self._is_resumed,
            expected_dollars=None if expected is None else expected.dollars,
        )

    def _paid(self) -> Totals:
        """Of the whole run; nothing in a replay."""
        return sum_totals({} if self._is_replay else self._bench.records.totals())

    def _forecast(self, population: Population) -> Forecast | None:
        """None if nothing is paid for."""
        if self._paid().dollars == 0:
            return None
        spent, papers = self._bench.records.totals(), self._bench.store.count()
        return forecast(self._bench.spec, population, spent, papers)

    def _work(self, words: str) -> None:
        with self._lock:
            self._display.working(words)


FEW = 10
"""One unreadable round in so many is worth no warning."""


def seed_warning(evaluation: Evaluation) -> str:
    """Reports what a search cannot fix: a seed that fails everywhere, unreadable model output; else ""."""
    results = evaluation.results
    judged = {PaperVerdict.ACCEPTED, PaperVerdict.NOT_ACCEPTED}
    if results and not any(result.verdict in judged for result in results):
        return f"the seed failed on every paper: {results[0].reason}"
    rounds = [each for result in results for each in result.rounds]
    if rounds and all(each.category is FailureCategory.MALFORMED for each in rounds):
        return f"none of the seed's examples could be read: {rounds[0].reason}"
    unreadable = [each for each in rounds if each.category is FailureCategory.UNREADABLE]
    if len(unreadable) * FEW > len(rounds):
        share = f"{len(unreadable)} of the seed's {len(rounds)} rounds"
        return f"{share} could not be judged: {unreadable[0].reason}"
    return ""
