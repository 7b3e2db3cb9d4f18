"""From outcomes to rates, and rates to the lines of a table. Every rate keeps its n; none is averaged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluate.planted.asking import Checked, Marked, Outcome
from evaluate.planted.cases import ANSWER_KINDS, CRITERION_KINDS, EXAMPLE_KINDS, GOOD, criterion_kind
from studbook.rate import NO_RATE, Rate

Rates = Mapping[str, Rate]

MET, NOT_MET = "marked met, is not", "marked not met, is"
"""The two ways in which a mark is wrong: the columns of the judge's table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table: how often the model was wrong, by column."""

    name: str
    words: str
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One criterion of one answer of which the truth is known."""

    source: str
    answer_kind: str
    criterion_kind: str
    truth: bool
    marked: bool | None

    @property
    def is_wrong(self) -> bool:
        return self.marked is not self.truth


def verifier_rows(checked: Sequence[Checked]) -> list[Row]:
    """How often a bad example passed, by kind and in all; how often a good one did not."""
    good = [item for item in checked if item.case.should_pass]
    bad = [item for item in checked if not item.case.should_pass]
    rows = [_verifier_row(GOOD, "a good example fails", good)]
    rows.append(_verifier_row("bad", "a bad example passes", bad))
    kinds = (kind for kind in EXAMPLE_KINDS if kind != GOOD)
    rows += [
        _verifier_row(kind, EXAMPLE_KINDS[kind], [item for item in bad if item.case.kind == kind])
        for kind in kinds
    ]
    return [row for row in rows if row.rates]


def _verifier_row(name: str, words: str, items: Iterable[Checked]) -> Row:
    wrong = ((item.case.source, (item.outcome is Outcome.PASSED) != item.case.should_pass) for item in items)
    return Row(name=name, words=words, rates=_rates(wrong))


def known_marks(marked: Sequence[Marked]) -> list[Mark]:
    return [mark for item in marked for mark in _marks_of(item)]


def _marks_of(item: Marked) -> Iterable[Mark]:
    rubric = item.case.submission["rubric"]
    for place, (criterion, truth) in enumerate(zip(rubric, item.case.truth, strict=True)):
        if truth is not None:
            yield Mark(
                source=item.case.source,
                answer_kind=item.case.kind,
                criterion_kind=criterion_kind(criterion["criterion"], criterion["weight"]),
                truth=truth,
                marked=None if item.marks is None else item.marks[place],
            )


def judge_rows(marked: Sequence[Marked], source: str) -> list[Row]:
    """False "met" and false "not met" of one source: in all, by kind of answer, by kind of criterion."""
    marks = [mark for mark in known_marks(marked) if mark.source == source]
    rows = [_judge_row("all", "all answers and criteria", marks)]
    for kind, words in ANSWER_KINDS.items():
        rows.append(_judge_row(kind, words, [mark for mark in marks if mark.answer_kind == kind]))
    for kind, words in CRITERION_KINDS.items():
        of_kind = [mark for mark in marks if mark.criterion_kind == kind]
        rows.append(_judge_row(f"criterion: {kind}", words, of_kind))
    return [row for row in rows if row.rates]


def _judge_row(name: str, words: str, marks: Iterable[Mark]) -> Row:
    wrong = ((NOT_MET if mark.truth else MET, mark.is_wrong) for mark in marks)
    return Row(name=name, words=words, rates=_rates(wrong))


def _rates(wrong: Iterable[tuple[str, bool]]) -> Rates:
    rates: dict[str, Rate] = {}
    for source, is_wrong in wrong:
        rates[source] = rates.get(source, NO_RATE) + Rate(int(is_wrong), 1)
    return rates


def markdown(rows: Sequence[Row], first: str, columns: Sequence[str]) -> list[str]:
    lines = [f"| {first} | {' | '.join(columns)} |", f"|---{'|---' * len(columns)}|"]
    for row in rows:
        cells = (str(row.rates.get(column, NO_RATE)) for column in columns)
        lines.append(f"| {row.name}: {row.words} | {' | '.join(cells)} |")
    return lines
