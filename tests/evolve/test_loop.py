"""The loop as a whole: same lineage whatever the workers, resume after any cut, every way to end."""

from dataclasses import replace

import pytest
from support.search_rig import PowerCut, Rig

from studbook.errors import BudgetExceeded, RequestFailed, SandboxError
from studbook.evolve.contracts import SearchSettings, Unanswered
from studbook.evolve.loop import EndReason
from studbook.identity import canonical_json
from studbook.llm.contracts import Evidence
from studbook.populations.events import DecisionMade, DiagnosisMade, EvaluationDone, MutantMade, Purpose
from studbook.populations.records import MutationKind, Verdict
from studbook.testbed.fakes import FakeAnalyzer, FakeEvaluator

SETTINGS = SearchSettings(run_seed=7, iterations=24, minibatch=3, lag=4, knob_share=0.25)


@pytest.fixture(scope="module")
def reference() -> Rig:
    rig = Rig(settings=SETTINGS)
    assert rig.search(workers=1).reason is EndReason.ITERATIONS
    return rig


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_any_number_of_workers_and_any_delays_write_the_same_journal(reference, workers):
    rig = Rig(settings=SETTINGS, evaluator=FakeEvaluator(max_delay_seconds=0.004))
    rig.search(workers=workers)
    assert rig.lines == reference.lines


@pytest.mark.parametrize("lag", [1, 4])
@pytest.mark.parametrize("speculation", [0.1, 1.0])
def test_papers_started_early_leave_every_byte_of_the_journal_as_it_is(lag, speculation):
    settings = replace(SETTINGS, lag=lag)
    alone = Rig(settings=settings, at_once=1)
    alone.search(workers=1)
    slow = FakeEvaluator(max_delay_seconds=0.004)
    busy = Rig(settings=settings, evaluator=slow, at_once=64, speculation=speculation)
    busy.search(workers=64)
    assert [canonical_json(line) for line in busy.lines] == [canonical_json(line) for line in alone.lines]
    assert busy.evaluator.calls == len(busy.evaluator.seen)  # none was run twice
    assert busy.evaluator.seen.keys() > alone.evaluator.seen.keys()


@pytest.mark.parametrize("cut_after", [0, 1, 2, 7, 13, 24])
def test_a_cut_is_made_good_whatever_was_started_early(reference, cut_after):
    rig = Rig(settings=SETTINGS, cut_after=cut_after, at_once=64, speculation=1.0)
    with pytest.raises(PowerCut):
        rig.search()
    rig.cut_after = None
    rig.search()
    assert rig.lines == reference.lines


def test_a_failure_of_a_paper_that_nobody_needed_is_not_noticed():
    rig = Rig(settings=replace(SETTINGS, lag=1), evaluator=_Unneeded(), at_once=64, speculation=1.0)
    alone = Rig(settings=rig.settings)
    alone.search()
    rig.evaluator.needed = alone.evaluator.seen.keys()
    assert rig.search().reason is EndReason.ITERATIONS
    assert rig.lines == alone.lines
    assert rig.evaluator.failed > 0


class _Unneeded(FakeEvaluator):
    """Fails on every paper that a search without speculation does not run."""

    needed = frozenset()
    failed = 0

    def evaluate_paper(self, harness, paper, replicate):
        result = super().evaluate_paper(harness, paper, replicate)
        if result.key not in self.needed:
            self.failed += 1
            raise SandboxError("nobody needs this paper")
        return result


def test_another_lag_gives_another_lineage(reference):
    rig = Rig(settings=replace(SETTINGS, lag=1))
    rig.search()
    assert rig.lines != reference.lines


def test_another_seed_gives_another_lineage(reference):
    rig = Rig(settings=replace(SETTINGS, run_seed=8))
    rig.search()
    assert rig.lines != reference.lines


@pytest.mark.parametrize("cut_after", range(25))
def test_a_cut_before_any_append_is_made_good_by_resuming(reference, cut_after):
    rig = Rig(settings=SETTINGS, cut_after=cut_after)
    with pytest.raises(PowerCut):
        rig.search()
    rig.cut_after = None
    rig.search()
    assert rig.lines == reference.lines


def test_resuming_asks_for_the_same_papers_as_a_run_without_a_cut():
    settings = replace(SETTINGS, racing=False)  # a race may run a few papers beyond the deciding one
    whole, cut = Rig(settings=settings), Rig(settings=settings, cut_after=13)
    whole.search()
    with pytest.raises(PowerCut):
        cut.search()
    cut.cut_after = None
    cut.search()
    assert cut.evaluator.seen.keys() == whole.evaluator.seen.keys()


def test_every_verdict_and_every_kind_of_mutant_occurs(reference):
    population = reference.population
    assert {decision.verdict for decision in population.decisions} == set(Verdict) - {Verdict.UNANSWERED}
    assert {mutant.kind for mutant in population.mutants.values()} == set(MutationKind)


def test_an_iteration_is_one_append_that_ends_with_its_decision(reference):
    iterations = reference.journal[1:]
    assert [events[-1].decision.iteration for events in iterations] == list(range(1, 25))
    assert all(sum(isinstance(event, DecisionMade) for event in events) == 1 for events in iterations)


def test_the_first_append_measures_the_seed_on_all_validation_papers(reference):
    _, made, done = reference.journal[0]
    assert isinstance(made, MutantMade) and made.mutant.kind is MutationKind.SEED
    assert isinstance(done, EvaluationDone) and done.purpose is Purpose.SEED
    assert (done.evaluation.replicate, done.evaluation.rate.n, done.evaluation.complete) == (0, 12, True)


def test_only_strictly_better_mutants_are_admitted(reference):
    evaluated = [each for each in reference.population.decisions if each.mutant_rate.n]
    assert evaluated
    for decision in evaluated:
        beats = decision.mutant_rate.passed > decision.parent_rate.passed
        assert (decision.verdict is Verdict.ADMITTED) == beats


def test_what_fails_a_gate_costs_no_validation(reference):
    for events in reference.journal[1:]:
        decision = events[-1].decision
        purposes = [event.purpose for event in events if isinstance(event, EvaluationDone)]
        was_evaluated = decision.verdict in {Verdict.ADMITTED, Verdict.REJECTED}
        assert purposes.count(Purpose.VALIDATION) == (2 if was_evaluated else 0)


def test_parent_and_mutant_meet_the_same_luck(reference):
    for events in reference.journal[1:]:
        validations = [
            event.evaluation
            for event in events
            if isinstance(event, EvaluationDone) and event.purpose is Purpose.VALIDATION
        ]
        assert {each.replicate for each in validations} <= {events[-1].decision.iteration}


def test_a_knob_mutant_asks_neither_analyzer_nor_implementer(reference):
    knob_turns = [
        events
        for events in reference.journal[1:]
        if any(isinstance(e, MutantMade) and e.mutant.kind is MutationKind.KNOBS for e in events)
    ]
    assert knob_turns
    assert not any(isinstance(event, DiagnosisMade) for events in knob_turns for event in events)


def test_the_race_changes_no_decision(reference):
    rig = Rig(settings=replace(SETTINGS, racing=False))
    rig.search()
    assert [each.verdict for each in rig.population.decisions] == [
        each.verdict for each in reference.population.decisions
    ]
    assert rig.evaluator.calls > reference.evaluator.calls


def test_refused_actions_are_counted_in_the_journal(reference):
    assert sum(reference.population.refused_actions) > 0


def test_a_search_without_iterations_ends_with_the_seed_alone():
    rig = Rig(settings=replace(SETTINGS, iterations=0))
    assert rig.search().reason is EndReason.ITERATIONS
    assert rig.population.members == ("seed",)


def test_iterations_in_a_row_without_admission_end_the_search():
    rig = Rig(settings=replace(SETTINGS, iterations=500, patience=6, lag=1))
    ending = rig.search()
    assert ending.reason is EndReason.PATIENCE
    assert [each.verdict is Verdict.ADMITTED for each in rig.population.decisions[-6:]] == [False] * 6
    assert ending.population.iterations_done < 500


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (SandboxError("the engine is gone"), EndReason.INFRASTRUCTURE),
        (BudgetExceeded("the dollars are spent"), EndReason.BUDGET),
    ],
)
def test_a_failing_world_ends_the_search_in_order_and_is_never_a_verdict(reference, failure, reason):
    rig = Rig(settings=SETTINGS, evaluator=FakeEvaluator(fail_at=150, failure=failure))
    ending = rig.search()
    assert (ending.reason, ending.error) == (reason, failure)
    assert rig.lines == reference.lines[: len(rig.lines)]
    rig.evaluator.failure = None
    assert rig.search().reason is EndReason.ITERATIONS
    assert rig.lines == reference.lines


def test_a_stop_request_saves_what_is_committed_and_the_search_can_go_on(reference):
    rig = Rig(settings=SETTINGS)
    rig.stop.set()
    with pytest.raises(Exception, match="stopped on request"):
        rig.search()  # before the seed is measured there is nothing to end in order
    rig.stop.clear()
    stopper = _StopAt(rig, iteration=9)
    rig.observer = stopper
    ending = rig.search(workers=2)
    assert ending.reason is EndReason.STOPPED
    assert 9 <= ending.population.iterations_done < 24
    rig.stop.clear()
    stopper.iteration = 0
    rig.search()
    assert rig.lines == reference.lines


class _Mute:
    """An analyzer that is silent in some of its calls, and an implementer that always is."""

    def __init__(self, *silent: int) -> None:
        self.calls = 0
        self._silent = silent

    def analyze(self, parent, results, history, seed):
        self.calls += 1
        if self.calls in self._silent:
            raise Unanswered("the analyzer's model did not answer: too long\n  advice", EVIDENCE)
        return FakeAnalyzer().analyze(parent, results, history, seed)

    def implement(self, parent, diagnosis, history, try_harness, seed):
        raise RequestFailed("refused", "a plug-in's request was refused")


EVIDENCE = Evidence(names=("k:d",), whole="w")
PLAIN = replace(SETTINGS, lag=1, knob_share=0.0, iterations=6)


def test_a_silent_analyzer_is_no_verdict_on_a_harness():
    rig = Rig(settings=PLAIN, analyzer=_Mute(2))
    assert rig.search().reason is EndReason.ITERATIONS
    (training, decided) = rig.journal[2]
    assert (training.purpose, decided.evidence) == (Purpose.TRAINING, EVIDENCE)
    decision = decided.decision
    assert (decision.verdict, decision.mutant_id) == (Verdict.UNANSWERED, None)
    assert decision.reason == "the analyzer's model did not answer: too long"
    assert rig.population.iterations_done == 6


def test_a_silent_implementer_keeps_the_diagnosis():
    rig = Rig(settings=replace(PLAIN, iterations=1), implementer=_Mute())
    rig.search()
    kinds = [type(event) for event in rig.journal[1]]
    assert kinds == [DiagnosisMade, EvaluationDone, DecisionMade]
    assert rig.population.decisions[0].verdict is Verdict.UNANSWERED


def test_two_silent_iterations_in_a_row_pause_and_a_resume_goes_on_with_the_next():
    rig = Rig(settings=PLAIN, analyzer=_Mute(2, 4, 5))
    ending = rig.search()
    assert ending.reason is EndReason.INFRASTRUCTURE
    assert "no proposal in 2 iterations in a row: the analyzer's model did not answer" in str(ending.error)
    assert rig.population.iterations_done == 5
    assert rig.search().reason is EndReason.ITERATIONS
    again = Rig(settings=PLAIN, analyzer=_Mute(2, 4, 5))
    again.search(pause_after=None)  # as a replay does
    assert again.lines == rig.lines


def test_silent_iterations_are_not_counted_as_search_without_success():
    rig = Rig(settings=replace(PLAIN, iterations=20, patience=3), analyzer=_Mute(*range(1, 99)))
    assert rig.search(pause_after=None).reason is EndReason.ITERATIONS


class _StopAt:
    """An observer that asks for a stop once an iteration was decided."""

    def __init__(self, rig: Rig, iteration: int) -> None:
        self._rig = rig
        self.iteration = iteration

    def decided(self, decision, hypothesis):
        if decision.iteration == self.iteration:
            self._rig.stop.set()

    def __getattr__(self, name):
        return lambda *_: None
