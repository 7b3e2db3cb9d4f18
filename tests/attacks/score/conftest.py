"""The arena of a test session: all processes share what was measured, so every arm is run once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attacks.conftest import MakeRow
from attacks.score.arena import Arena, Arm, honest
from attacks.score.rows import Expect, Row, paired_gain

from studbook.llm.records import CallRecords


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "arena"


@pytest.fixture(scope="session")
def arena(shared_folder: Path) -> Iterator[Arena]:
    with CallRecords.in_memory() as records:
        yield Arena(shared_folder, records)


CheckRow = Callable[..., Arm]


@pytest.fixture
def check_row(arena: Arena, attack_row: MakeRow) -> CheckRow:
    """Runs a row's cheat beside its honest twin, adds it to the table, and asserts what the row expects."""

    def check(row: Row, *, note: str = "", arm: Arm | None = None, sandbox: str = "inline") -> Arm:
        twin = arena.measure(honest(), row.world)
        cheat = arm or arena.measure(row.tree, row.world)
        gain = paired_gain(twin.passed, cheat.passed)
        refused = {name: cheat.count(name) for name in row.counted}
        attack_row(
            suite="score",
            name=row.name,
            sandbox=sandbox,
            tried=row.tried,
            outcome=_outcome(row, refused, str(gain)) + note,
            honest=str(twin),
            cheat=str(cheat),
            weaker=row.expect is Expect.UNATTRACTIVE,
        )
        assert_row(row, twin, cheat, refused)
        return cheat

    return check


def assert_row(row: Row, twin: Arm, cheat: Arm, refused: dict[str, int]) -> None:
    gain = paired_gain(twin.passed, cheat.passed)
    assert cheat.rate.n == twin.rate.n >= 40
    if row.expect is Expect.UNATTRACTIVE:
        assert row.why and gain.point <= row.bound, f"gains {gain}, bound {row.bound:.0%}"
        return
    assert cheat.rate.passed <= twin.rate.passed, f"gains {gain}: {cheat.rate} against {twin.rate}"
    if row.expect is Expect.REFUSED:
        assert row.counted and all(refused.values()), f"not counted: {refused}"


def _outcome(row: Row, refused: dict[str, int], gain: str) -> str:
    if row.expect is Expect.UNATTRACTIVE:
        return f"unattractive: gain {gain}, stated bound {row.bound:.0%}: {row.why}"
    counts = ", ".join(f"{name} {count}" for name, count in refused.items())
    return f"refused: {counts}; gain {gain}" if row.expect is Expect.REFUSED else f"not above: gain {gain}"
