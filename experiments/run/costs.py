"""What a run has cost, role by role: read from its call records, which hold every paid call.

A run without records yet has cost nothing. What a run may cost is `experiments/run/bounds.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from studbook.errors import IntegrityError, ManifestError
from studbook.experiments.run.opening import OpenedRun, is_being_written
from studbook.experiments.views.lines import line
from studbook.experiments.views.text import clean_line, dollars
from studbook.harnesses.strict_yaml import load_mapping
from studbook.llm.meter import Totals, sum_totals
from studbook.llm.records import CallRecords
from studbook.populations.storage import read_plain

MAX_SPEC_BYTES = 1024 * 1024
TOTAL = "all roles"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCost:
    """`calls` counts paid calls that were answered; tokens and dollars include unusable replies.

    `cached_tokens` are those of the prompt tokens that an endpoint read from its prompt cache.
    """

    role: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float
    cached_tokens: int = 0


def read_costs(run: OpenedRun) -> tuple[RoleCost, ...]:
    """One row per role in alphabetical order, then the total; () without records."""
    totals = paid_by_role(run)
    rows = [_row(role, paid) for role, paid in sorted(totals.items())]
    return (*rows, _row(TOTAL, sum_totals(totals))) if rows else ()


def paid_by_role(run: OpenedRun) -> dict[str, Totals]:
    """{} without records."""
    if not run.folder.calls.is_file():
        return {}
    with CallRecords.read_only(run.folder.calls) as records:
        return records.totals()


def state_of(run: OpenedRun) -> str:
    """`running`, `finished`, `nothing measured`, `budget reached` or `interrupted`, now."""
    if is_being_written(run.folder):
        return "running"
    if run.population.finish is not None:
        return "finished" if run.population.champion is not None else "nothing measured"
    return "budget reached" if has_reached_budget(run) else "interrupted"


def has_reached_budget(run: OpenedRun) -> bool:
    """By calls, tokens or dollars; hours are counted per process and not recorded.

    Only this part of the spec is read: loading all of it would import the evaluator.
    """
    if not (run.folder.calls.is_file() and run.folder.spec.is_file()):
        return False
    try:
        text = (read_plain(run.folder.spec, MAX_SPEC_BYTES) or b"").decode("utf-8")
        budget = load_mapping(text, run.folder.spec.as_posix()).get("budget")
    except (ManifestError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{run.folder.spec} cannot be read: {error}") from error
    if not isinstance(budget, dict):
        return False
    with CallRecords.read_only(run.folder.calls) as records:
        paid = sum_totals(records.totals())
    used = {"calls": paid.calls, "tokens": paid.tokens, "dollars": paid.dollars}
    limits = {name: budget.get(name) for name in used}
    return any(isinstance(limit, int | float) and used[name] >= limit for name, limit in limits.items())


def _row(role: str, paid: Totals) -> RoleCost:
    return RoleCost(
        role=role,
        calls=paid.calls,
        prompt_tokens=paid.usage.prompt_tokens,
        completion_tokens=paid.usage.completion_tokens,
        dollars=paid.dollars,
        cached_tokens=paid.usage.cached_tokens,
    )


def cost_cells(row: RoleCost) -> tuple[str, ...]:
    return (
        clean_line(row.role, 40),
        f"{row.calls:,}",
        f"{row.prompt_tokens:,}" + (f" ({row.cached_tokens:,} cached)" if row.cached_tokens else ""),
        f"{row.completion_tokens:,}",
        dollars(row.dollars),
    )


COLUMNS = ("role", "calls", "tokens in", "tokens out", "cost")


def cost_lines(rows: tuple[RoleCost, ...]) -> Iterator[Text]:
    """Roles are left-aligned, numbers right-aligned."""
    if not rows:
        return
    table = [COLUMNS, *map(cost_cells, rows)]
    widths = [max(len(cells[n]) for cells in table) for n in range(len(COLUMNS))]
    yield line(("Model usage and cost by role", "bold"))
    for number, cells in enumerate(table):
        first, *others = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield line(("  " + "  ".join([first, *others]), "" if number else "dim"))
