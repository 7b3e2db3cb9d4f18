"""The four ways to an image, with an engine that is a table."""

import platform
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from studbook.errors import SandboxError
from studbook.sandbox.image import DEFAULT, PINNED, choose_image, host_reference, image_of

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's own Python runs in containers")


class TableEngine:
    """An image store that holds what it is given; `registry` is what can be pulled."""

    def __init__(self, held: set[str], registry: set[str], architecture: str) -> None:
        self.held, self.registry, self.architecture = set(held), registry, architecture
        self.tars: list[int] = []
        self.pulled: list[str] = []

    def info(self) -> dict[str, Any]:
        return {"Architecture": self.architecture}

    def find_image(self, reference: str) -> dict[str, Any] | None:
        if reference not in self.held:
            return None
        config = {"Volumes": {"/b": {}, "/a": {}}}
        return {"Id": f"id of {reference}", "RepoDigests": ["python@sha256:d"], "Config": config}

    def pull(self, reference: str, patience_seconds: int) -> None:
        self.pulled.append(reference)
        if reference not in self.registry:
            raise SandboxError("Docker, pulling: toomanyrequests: slow down")
        self.held.add(reference)

    def import_image(self, tar: Path, reference: str, changes: list[str]) -> None:
        self.tars.append(tar.stat().st_size)
        self.held.add(reference)


def here(held: Collection[str] = (), registry: Collection[str] = ()) -> TableEngine:
    return TableEngine(set(held), set(registry), platform.machine())


def test_an_image_that_is_there_is_used_and_nothing_is_pulled():
    engine = here({DEFAULT}, {DEFAULT})
    image = choose_image(engine, None)
    assert (image.reference, image.image_id, image.way) == (DEFAULT, f"id of {DEFAULT}", "local")
    assert (image.digest, image.volumes) == ("sha256:d", ("/a", "/b"))
    assert engine.pulled == []


def test_an_image_that_was_named_is_pulled_when_it_is_absent():
    engine = here(registry={"mine:1"})
    assert choose_image(engine, "mine:1").way == "pulled"


def test_a_named_image_that_cannot_be_had_is_an_error_and_is_never_replaced():
    engine = here({DEFAULT})
    with pytest.raises(SandboxError, match="registry's rate limit"):
        choose_image(engine, "mine:1")


def test_the_default_is_pulled_once_and_by_digest_when_a_registry_has_it():
    engine = here(registry={PINNED})
    first = choose_image(engine, None)
    assert (first.way, first.reference) == ("pulled", PINNED)
    assert choose_image(engine, None).way == "local"
    assert engine.pulled == [PINNED]
    assert engine.tars == []


@LINUX
def test_without_a_registry_the_hosts_python_is_imported_once():
    engine = here()
    assert choose_image(engine, None).way == "host python"
    again = choose_image(engine, None)
    assert (again.way, again.reference) == ("host python", host_reference())
    assert len(engine.tars) == 1
    assert engine.pulled == [PINNED]


def test_when_no_way_is_left_the_error_names_them_all():
    engine = TableEngine(set(), set(), "riscv128")
    with pytest.raises(SandboxError) as caught:
        choose_image(engine, None)
    for word in (DEFAULT, PINNED, "toomanyrequests", "riscv128", "docker load", "-s sandbox.image=NAME"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        ({"Id": "another id", "RepoDigests": ["python@sha256:e"]}, False),
        ({"Config": {"Env": ["LANG=C", "PATH=/usr/bin"], "Labels": {"made": "today"}}}, False),
        ({"RootFS": {"Layers": ["a", "c"]}}, True),
        ({"Config": {"Env": ["PATH=/opt/other/bin:/usr/bin", "LANG=C"]}}, True),
    ],
)
def test_what_a_box_gets_from_an_image_is_its_contents_and_where_it_came_from_is_not(change, is_other):
    found = {
        "Id": "an id",
        "RepoDigests": ["python@sha256:d"],
        "RootFS": {"Layers": ["a", "b"]},
        "Config": {"Env": ["PATH=/usr/bin", "LANG=C"]},
    }
    before, after = (image_of("mine:1", each, "local").contents for each in (found, {**found, **change}))
    assert (before != after) is is_other
