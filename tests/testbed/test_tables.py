import re
from pathlib import Path

import pytest

from studbook import testbed
from studbook.errors import IntegrityError
from studbook.tables import read_toml
from studbook.testbed.papers.outline import Measure, domains
from studbook.testbed.tables import read_table


def test_a_missing_table_is_named():
    with pytest.raises(IntegrityError, match=r"studbook.testbed.papers lacks its file none.toml"):
        read_toml("studbook.testbed.papers", "none.toml")


def test_a_table_of_another_shape_is_refused_with_the_keys_at_fault():
    with pytest.raises(IntegrityError, match=r"domains.toml: name: Field required"):
        read_table("studbook.testbed.papers", "domains.toml", Measure)


def test_the_shipped_fields_are_read_into_records():
    assert domains()[0].field == "query optimisation"


def test_every_table_counts_in_the_identity_of_a_module_beside_it():
    beside = set(Path(testbed.__path__[0]).rglob("*.toml"))
    named = {
        path.parent / name
        for path in Path(testbed.__path__[0]).rglob("*.py")
        for name in re.findall(r'"([\w.]+\.toml)"', _data_files(path.read_text()))
    }
    assert beside == named


def _data_files(source: str) -> str:
    found = re.search(r"^DATA_FILES = \((.*?)\)$", source, re.MULTILINE)
    return found[1] if found else ""
