"""A journal's lines folded without decoding what the population does not keep: the fast way to open a run.

`fold_entries(JournalReader(path))` equals `fold(JournalReader(path).events())`. Rounds, reasons and
diagnoses, which are nearly all of a journal, are skipped; the reader proves every line all the same.
"""

from collections.abc import Iterable

from populations.draft import Draft
from populations.journal_line import Entry
from populations.population import EMPTY, Population
from populations.tally import summarise_json
from studbook.errors import IntegrityError


def fold_entries(entries: Iterable[Entry], onto: Population = EMPTY) -> Population:
    """Raises IntegrityError naming the entry that cannot have happened then."""
    draft = onto.draft()
    for entry in entries:
        if entry.kind == "evaluation_done":
            _add_evaluation(draft, entry)
        elif entry.kind != "diagnosis_made":
            _add_event(draft, entry)
    return Population.of(draft)


def _add_evaluation(draft: Draft, entry: Entry) -> None:
    try:
        draft.evaluated(summarise_json(entry.data))
    except IntegrityError as error:
        raise IntegrityError(f"journal entry {entry.seq}: {error}") from error


def _add_event(draft: Draft, entry: Entry) -> None:
    event = entry.event  # its own errors name the entry already
    try:
        draft.apply(event)
    except IntegrityError as error:
        raise IntegrityError(f"journal entry {entry.seq}: {error}") from error
