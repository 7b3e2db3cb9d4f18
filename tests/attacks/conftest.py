"""What every attack suite shares: a row in the table that is printed at the end of the session."""

from typing import Protocol

import pytest
from support.attack_plugin import ROW
from support.attack_table import SUITES, Mark


class MakeRow(Protocol):
    """Adds a row. Call it *before* asserting, so that an attack that gets through is shown as such.

    `outcome` begins with "contained", "refused", "not above" or "found", so that it is counted as such;
    `weaker=True` where the attack achieves what is written down as a weaker promise. Without `seconds` the
    time of the test is taken.
    """

    def __call__(
        self,
        *,
        suite: str,
        name: str,
        outcome: str,
        sandbox: str = "",
        tried: str = "",
        honest: str = "",
        cheat: str = "",
        seconds: float | None = None,
        weaker: bool = False,
    ) -> None: ...


@pytest.fixture
def attack_row(request: pytest.FixtureRequest) -> MakeRow:
    def make(*, suite: str, weaker: bool = False, seconds: float | None = None, **texts: str) -> None:
        assert suite in SUITES, f"no such suite: {suite}"
        mark = Mark.WEAKER if weaker else Mark.HELD
        row = {"suite": suite, "mark": mark.value, "seconds": seconds, **texts}
        request.node.user_properties.append((ROW, row))

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end they would be made by several processes, and waited for by all."""
    items.sort(key=lambda item: item.path.name != "test_secrets.py")
