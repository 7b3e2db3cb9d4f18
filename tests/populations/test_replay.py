"""The fast fold of a journal is the fold of its events, and finds the same faults."""

import pytest
from support.births import batches, clock, decided, iteration_events, small_run

from studbook.errors import IntegrityError
from studbook.identity import Json
from studbook.populations.checkpoint import fold_entries
from studbook.populations.events import DiagnosisMade, to_json
from studbook.populations.journal import Entry, Journal, JournalReader, format_line, parse_line
from studbook.populations.population import fold


def entry(kind: str, data: Json, seq: int = 0) -> Entry:
    line, _ = format_line(kind=kind, data=data, seq=seq, prev="0" * 64, left=0, time="2026-01-01")
    return parse_line(line.rstrip(b"\n"))


def entries(*events) -> list[Entry]:
    return [entry(*to_json(event), seq=seq) for seq, event in enumerate(events)]


def test_the_fast_fold_of_a_journal_is_the_fold_of_its_events(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, clock=clock, holder="the test") as journal:
        for events in batches(small_run()):
            journal.append([DiagnosisMade(iteration=0, parent_id="seed", text="as measured"), *events])
    assert fold_entries(JournalReader(path)) == fold(JournalReader(path).events()) == fold(small_run())


def test_a_fold_goes_on_from_a_population():
    first, later = small_run(), iteration_events(4, (True,) * 4, (False,) * 4)
    assert fold_entries(entries(*later), onto=fold(first)) == fold([*first, *later])


def test_an_event_that_cannot_follow_is_named_by_its_entry():
    with pytest.raises(IntegrityError, match="journal entry 15: a decision was made in iteration 7 while"):
        fold_entries(entries(*small_run(), decided(7, "broken")))


@pytest.mark.parametrize(
    "data", [{}, {"evaluation": 3}, [], {"iteration": 0, "purpose": "fun", "evaluation": {}}]
)
def test_a_line_that_hashes_but_is_no_evaluation_is_refused(data):
    with pytest.raises(IntegrityError, match="journal entry 3: this is no evaluation"):
        fold_entries([entry("evaluation_done", data, seq=3)])


def test_a_line_that_hashes_but_is_no_event_is_refused():
    with pytest.raises(IntegrityError, match="journal entry 3: 'mutant_born' is no kind of event"):
        fold_entries([entry("mutant_born", {}, seq=3)])
