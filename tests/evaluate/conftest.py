"""A rig per test: rule-following models behind the real client, and a folder for trajectories."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.evaluation import Rig

from studbook.llm.records import CallRecords


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with CallRecords.in_memory() as records:
        yield Rig(records=records, folder=tmp_path / "trajectories")
