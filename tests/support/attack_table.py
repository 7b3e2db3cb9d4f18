"""The table of attacks: what was tried, what happened, how long it took. Rows in, text out.

Pure: no pytest here (`attack_plugin.py` gathers the rows), and nothing decides whether an attack got through
but the test that made the row.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from rich.console import Console
from rich.table import Table
from rich.text import Text

from studbook.sandbox.frames import printable

SUITES = {
    "box": "Against the box",
    "score": "Against the score",
    "record": "Against the record",
    "secrets": "Secrets",
    "implementer": "The implementer's edits",
    "paths": "Papers, folders and paths",
    "foreign": "Runs and folders of others",
    "other": "Other",
}
PLAIN_WIDTH = 140  # where no terminal says how wide it is


class Mark(StrEnum):
    """What a row came to; the value is its glyph."""

    HELD = "✓"
    WEAKER = "~"  # what was expected and is written down, but is no containment
    GOT_THROUGH = "✗"
    NOT_RUN = "–"


WORDS = {Mark.HELD: "held", Mark.WEAKER: "weaker, as written down", Mark.GOT_THROUGH: "GOT THROUGH"}
WORDS[Mark.NOT_RUN] = "not run"
COLOURS = {Mark.HELD: "green", Mark.WEAKER: "yellow", Mark.GOT_THROUGH: "bold red", Mark.NOT_RUN: "yellow"}
KINDS = ("contained", "refused", "not above", "found", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackRow:
    """`honest` and `cheat` are rates with n and interval, where there is a twin to compare with."""

    suite: str
    name: str
    outcome: str
    seconds: float
    mark: Mark = Mark.HELD
    sandbox: str = ""
    tried: str = ""
    honest: str = ""
    cheat: str = ""


COLUMNS = ("name", "sandbox", "tried", "outcome", "honest", "cheat")
HEADS = {"name": "attack", "honest": "honest twin"}


def render_text(rows: Sequence[AttackRow], *, width: int, colour: bool) -> str:
    """One table a suite and a line of totals, no wider than `width`."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, highlight=False, emoji=False, markup=False
    )
    for suite, of_suite in by_suite(rows):
        console.print(_table(suite, of_suite, colour))
    console.print(totals(rows))
    return out.getvalue()


def render_markdown(rows: Sequence[AttackRow]) -> str:
    parts = []
    for suite, of_suite in by_suite(rows):
        shown = shown_columns(of_suite)
        parts.append(f"## {SUITES[suite]}\n")
        parts.append("| | " + " | ".join(HEADS.get(column, column) for column in shown) + " | seconds |")
        parts.append("|---" * (len(shown) + 1) + "|---:|")
        for row in of_suite:
            cells = [_cell(str(getattr(row, column))) for column in shown]
            parts.append(f"| {row.mark} | " + " | ".join(cells) + f" | {row.seconds:.1f} |")
        parts.append("")
    return "\n".join([*parts, totals(rows), ""])


def render_json(rows: Sequence[AttackRow]) -> str:
    body = {"version": 1, "rows": [asdict(row) for row in rows], "total": totals(rows)}
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def totals(rows: Sequence[AttackRow]) -> str:
    """How many rows came to what, in words."""
    kinds = Counter(_kind(row) for row in rows)
    through = kinds.pop(WORDS[Mark.GOT_THROUGH], 0)
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in [*KINDS, *WORDS.values()] if kind in kinds)
    end = f"{through} GOT THROUGH" if through else "nothing got through"
    return "; ".join([f"{len(rows)} rows: {said}" if said else f"{len(rows)} rows", end])


def by_suite(rows: Iterable[AttackRow]) -> list[tuple[str, list[AttackRow]]]:
    kept = list(rows)
    found = [(suite, [row for row in kept if row.suite == suite]) for suite in SUITES]
    return [(suite, of_suite) for suite, of_suite in found if of_suite]


def shown_columns(rows: Sequence[AttackRow]) -> list[str]:
    """Those that some row fills."""
    return [column for column in COLUMNS if any(getattr(row, column) for row in rows)]


def _kind(row: AttackRow) -> str:
    if row.mark is not Mark.HELD:
        return WORDS[row.mark]
    return next((kind for kind in KINDS if row.outcome.startswith(kind)), WORDS[Mark.HELD])


def _table(suite: str, rows: Sequence[AttackRow], colour: bool) -> Table:
    shown = shown_columns(rows)
    table = Table(title=SUITES[suite], title_justify="left", box=None, pad_edge=False, show_lines=False)
    table.add_column("", no_wrap=True)
    for column in shown:
        table.add_column(HEADS.get(column, column), overflow="fold")
    table.add_column("s", justify="right", no_wrap=True)
    for row in rows:
        style = COLOURS[row.mark] if colour else ""
        cells = [Text(_line(str(getattr(row, column)))) for column in shown]
        table.add_row(Text(row.mark, style=style), *cells, f"{row.seconds:.1f}")
    return table


def _line(text: str) -> str:
    return " ".join(printable(text).split())


def _cell(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
