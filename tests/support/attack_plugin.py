"""Gathers the rows of the attack suites over all test processes and prints them as one table at the end.

A test makes rows through the fixture `attack_row` (tests/attacks/conftest.py). Rows travel to the controlling
process as user properties of the reports. A test that fails turns its rows into "GOT THROUGH"; one that fails
or is skipped before it made a row gets one that says so.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.attack_table import (
    PLAIN_WIDTH,
    SUITES,
    AttackRow,
    Mark,
    render_json,
    render_markdown,
    render_text,
)

CASE, ROW = "attack_case", "attack_row"
FOLDER = Path(__file__).parents[1] / "attacks"


class AttackRows:
    """Keeps the reports of a test until it is over, then its rows."""

    def __init__(self) -> None:
        self._phases: dict[str, list[pytest.TestReport]] = {}
        self._rows: list[tuple[int, AttackRow]] = []

    @property
    def rows(self) -> list[AttackRow]:
        """In the order of the tests, whichever process ran them."""
        return [row for _, row in sorted(self._rows, key=lambda item: item[0])]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not any(name == CASE for name, _ in report.user_properties):
            return
        self._phases.setdefault(report.nodeid, []).append(report)
        if report.when == "teardown":
            self._rows += rows_of(self._phases.pop(report.nodeid))


def rows_of(phases: list[pytest.TestReport]) -> list[tuple[int, AttackRow]]:
    """What a finished test adds to the table, with its place in the order of tests."""
    properties = phases[-1].user_properties
    case = next(value for name, value in properties if name == CASE)
    duration = sum(phase.duration for phase in phases if phase.when == "call")
    made = [row_of(value, duration) for name, value in properties if name == ROW]
    failed = next((phase for phase in phases if phase.failed), None)
    skipped = next((phase for phase in phases if phase.skipped), None)
    if failed is not None and made:
        why = f"GOT THROUGH: {reason_of(failed)}"
        made = [replace(row, mark=Mark.GOT_THROUGH, outcome=why) for row in made]
    elif failed is not None:
        made = [_told(case, Mark.GOT_THROUGH, f"FAILED: {reason_of(failed)}", duration)]
    elif skipped is not None:
        made = [_told(case, Mark.NOT_RUN, f"not run: {reason_of(skipped)}", duration)]
    return [(case["order"], row) for row in made]


def row_of(value: Mapping[str, Any], duration: float) -> AttackRow:
    seconds = duration if value["seconds"] is None else value["seconds"]
    return AttackRow(**{**value, "mark": Mark(value["mark"]), "seconds": seconds})


def reason_of(report: pytest.TestReport) -> str:
    """One line: why a test was skipped, or what it failed on."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr).strip().split("\n")[0][:200]


def suite_of(path: Path) -> str:
    """Of a test in tests/attacks, by the first word of its file or folder that names a suite."""
    words = "_".join(path.relative_to(FOLDER).with_suffix("").parts).split("_")
    return next((word for word in words if word in SUITES), "other")


def _told(case: Mapping[str, Any], mark: Mark, outcome: str, seconds: float) -> AttackRow:
    return AttackRow(suite=case["suite"], name=case["name"], mark=mark, outcome=outcome, seconds=seconds)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--attack-table",
        metavar="PATH",
        type=Path,
        help="also write the table of attacks to PATH: JSON when it ends in .json, else Markdown",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(AttackRows(), "attack-rows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for order, item in enumerate(items):
        if item.path.is_relative_to(FOLDER):
            name = item.name.removeprefix("test_").replace("_", " ")
            case = {"order": order, "suite": suite_of(item.path), "name": name}
            item.user_properties.append((CASE, case))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    plugin = config.pluginmanager.get_plugin("attack-rows")
    assert isinstance(plugin, AttackRows)
    if not plugin.rows:
        return
    writer = config.get_terminal_writer()
    width = writer.fullwidth if writer.hasmarkup else max(PLAIN_WIDTH, writer.fullwidth)
    terminalreporter.section("attacks")
    terminalreporter.write(render_text(plugin.rows, width=width, colour=writer.hasmarkup))
    path = config.getoption("--attack-table")
    if path is not None:
        render = render_json if path.suffix == ".json" else render_markdown
        path.write_text(render(plugin.rows), encoding="utf-8")
        terminalreporter.write_line(f"the table of attacks is in {path}")
