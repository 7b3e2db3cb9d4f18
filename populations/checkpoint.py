"""A population as it stood at some place in its journal: a long run need not be folded anew to be looked at.

Derived, and not believed without proof: it counts only for a journal whose first bytes have the SHA-256 that
was taken when all of them had been read. One that was forged together with that hash is for `studbook verify`
to find, which reads the journal from its first line.

A line of JSON for the place and the single things, then lines of what there are thousands of, at last the
SHA-256 of all these. Written and read line by line: whole, or compressed, it would take several times the
memory of the population, which a running process would keep.

A journal's lines folded without decoding what the population does not keep: the fast way to open a run.

`fold_entries(JournalReader(path))` equals `fold(JournalReader(path).events())`. Rounds, reasons and
diagnoses, which are nearly all of a journal, are skipped; the reader proves every line all the same.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from sys import intern
from types import MappingProxyType
from typing import Any, BinaryIO

from studbook.errors import IntegrityError
from studbook.identity import canonical_json
from studbook.populations.events import (
    ChampionChosen,
    Purpose,
    RunFinished,
    RunStarted,
    SearchEnded,
    decode,
    encode,
)
from studbook.populations.journal import Entry, Place
from studbook.populations.population import EMPTY, Draft, Population
from studbook.populations.records import Decision, Mutant, PaperVerdict
from studbook.populations.storage import atomic_file, hash_part, storage_errors, write_all
from studbook.populations.tally import EvaluationSummary, Tally, pair, summarise_json
from studbook.rate import Rate


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


VERSION = 3
SMALLEST_JOURNAL = 4 * 1024 * 1024
"""Bytes; a shorter one is read in no time."""
GROWTH = 1.25
"""A running process writes another checkpoint when its journal has grown by this factor."""

BATCH = 50
"""Of what there are thousands of, in a line."""

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes that are taken for one; a longer line is not ours."""

_VERDICTS = tuple(PaperVerdict)
_Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    place: Place
    population: Population


def is_due(size: int, last: int) -> bool:
    """Whether a journal of `size` bytes deserves a checkpoint, the last one being of one of `last` bytes."""
    return size >= SMALLEST_JOURNAL and size >= GROWTH * last


def write_checkpoint(path: Path, place: Place, population: Population) -> None:
    """`place`: of a journal, with the digest of its bytes. Raises StorageError."""
    assert place.digest is not None
    head = {
        "v": VERSION,
        "place": [place.size, place.lines, place.head],
        "sha256": place.digest.hexdigest(),
    }
    digest = hashlib.sha256()
    with atomic_file(path) as handle:
        for row in chain((head,), _to_rows(population)):
            line = canonical_json(row) + b"\n"
            digest.update(line)
            write_all(handle, line)
        write_all(handle, _seal(digest))


def read_checkpoint(path: Path, journal: Path) -> Checkpoint | None:
    """None when there is none for the journal as it is now, or when it cannot be read."""
    if not path.is_file() or not journal.is_file():
        return None
    try:
        with storage_errors(path, "read"), path.open("rb") as file:
            rows = map(json.loads, _sealed_lines(file))
            head = next(rows)
            if head["v"] != VERSION:
                return None
            size, count, last = head["place"]
            with ThreadPoolExecutor(1) as pool:  # hashing 200 MB and reading the population take as long
                digested = pool.submit(hash_part, journal, 0, size)
                population = _from_rows(rows)
            digest = digested.result()
            if head["sha256"] != digest.hexdigest():
                return None
    except (IntegrityError, ValueError, KeyError, TypeError, IndexError, StopIteration, RecursionError):
        return None  # it is only a short cut
    place = Place(size=size, lines=count, head=last, digest=digest)
    return Checkpoint(place=place, population=population)


def _seal(digest: Any) -> bytes:
    return canonical_json({"lines": digest.hexdigest()}) + b"\n"


def _sealed_lines(file: BinaryIO) -> Iterator[bytes]:
    """All lines but the last, which has to be the seal of those before it; raises ValueError at the end."""
    digest, before = hashlib.sha256(), b""
    for line in iter(lambda: file.readline(LONGEST_LINE), b""):
        if before:
            yield before
        digest.update(before)
        before = line
    if before != _seal(digest):
        raise ValueError("it is cut short, or was changed")


def where_to_begin(path: Path, journal: Path) -> tuple[Place | None, Population]:
    """Where reading the journal may begin, and the population there: the checkpoint's, or nothing yet."""
    known = read_checkpoint(path, journal)
    return (known.place, known.population) if known else (None, EMPTY)


def _to_rows(population: Population) -> Iterator[_Json]:
    """What is single, then what there are thousands of, some in a row."""
    evaluated = dict.fromkeys(paper for each in population.evaluations for paper, _ in each.verdicts)
    papers = {paper: number for number, paper in enumerate(evaluated)}
    yield {
        "start": _optional(population.start),
        "members": list(population.members),
        "refused": list(population.refused_actions),
        "evaluated": list(papers),
        "papers": {name: [rate.passed, rate.n] for name, rate in population.papers.items()},
        "ended": _optional(population.ended),
        "champion": _optional(population.champion),
        "finish": _optional(population.finish),
    }
    yield from _batches("mutants", map(encode, population.mutants.values()))
    yield from _batches("decisions", map(encode, population.decisions))
    yield from _batches("evaluations", (_evaluation(each, papers) for each in population.evaluations))
    yield from _batches("tallies", ([name, *_tally(tally)] for name, tally in population.tallies.items()))


def _batches(name: str, items: Iterable[Any]) -> Iterator[_Json]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield {name: batch}


def _from_rows(rows: Iterator[_Json]) -> Population:
    single = next(rows)
    evaluated = [[pair(name, verdict) for verdict in _VERDICTS] for name in single["evaluated"]]
    mutants: list[Mutant] = []
    decisions: list[Decision] = []
    evaluations: list[EvaluationSummary] = []
    tallies: dict[str, Tally] = {}
    read: dict[str, Callable[[list[Any]], None]] = {
        "mutants": lambda batch: mutants.extend([decode(Mutant, each) for each in batch]),
        "decisions": lambda batch: decisions.extend([decode(Decision, each) for each in batch]),
        "evaluations": lambda batch: evaluations.extend([_summary(each, evaluated) for each in batch]),
        "tallies": lambda batch: tallies.update((name, _read_tally(each)) for name, *each in batch),
    }
    for row in rows:
        for name, batch in row.items():
            read[name](batch)
    return Population(
        start=_present(RunStarted, single["start"]),
        mutants=MappingProxyType({mutant.harness_id: mutant for mutant in mutants}),
        members=tuple(single["members"]),
        decisions=tuple(decisions),
        refused_actions=tuple(single["refused"]),
        evaluations=tuple(evaluations),
        tallies=MappingProxyType(tallies),
        papers=MappingProxyType({intern(name): Rate(*each) for name, each in single["papers"].items()}),
        ended=_present(SearchEnded, single["ended"]),
        champion=_present(ChampionChosen, single["champion"]),
        finish=_present(RunFinished, single["finish"]),
    )


def _optional(event: Any) -> _Json | None:
    return None if event is None else encode(event)


def _present(kind: Any, value: Any) -> Any:
    return None if value is None else decode(kind, value)


_FIELDS = attrgetter("harness_id", "iteration", "purpose", "split", "replicate", "is_complete")


def _evaluation(each: EvaluationSummary, papers: dict[str, int]) -> list[Any]:
    """Papers by their number in one list, verdicts by theirs in the enumeration."""
    numbers = [papers[paper] for paper, _ in each.verdicts]
    verdicts = [_VERDICTS.index(verdict) for _, verdict in each.verdicts]
    return [*_FIELDS(each), numbers, verdicts, each.confirmed.passed, each.confirmed.n]


def _summary(each: list[Any], papers: list[list[tuple[str, PaperVerdict]]]) -> EvaluationSummary:
    """`papers`: of each paper the pairs with every verdict."""
    harness_id, iteration, purpose, split, replicate, is_complete, numbers, verdicts, held, n = each
    pairs = zip(numbers, verdicts, strict=True)
    return EvaluationSummary(
        harness_id=harness_id,
        iteration=iteration,
        purpose=Purpose(purpose),
        split=split,
        replicate=replicate,
        is_complete=is_complete,
        verdicts=tuple([papers[number][verdict] for number, verdict in pairs]),
        confirmed=Rate(held, n),
    )


def _tally(tally: Tally) -> list[int]:
    return [count for rate in (tally.complete, tally.stopped, tally.floor) for count in (rate.passed, rate.n)]


def _read_tally(each: list[int]) -> Tally:
    complete, stopped, floor = (Rate(each[at], each[at + 1]) for at in (0, 2, 4))
    return Tally(complete=complete, stopped=stopped, floor=floor)
