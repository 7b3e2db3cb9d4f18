"""Pulling by digest, with a real engine and a registry of our own: served, refused, late, or not there."""

import io
import secrets
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.boxes import Recorder, job_of
from support.registry import Content, Registry, content_of, hang, refuse, trickle

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine
from studbook.sandbox.host_python import write_tar
from studbook.sandbox.image import DEFAULT, PINNED, choose_image, host_reference

pytestmark = pytest.mark.docker
BOX = "def main(box): box.log('alive')"


def tar_of(path: Path, *, with_python: bool) -> Path:
    """Files that no engine has seen before, so that it must fetch them: it keeps layers by their digest."""
    if with_python:
        write_tar(path)
    with tarfile.open(path, "a") as tar:
        entry, text = tarfile.TarInfo("made-for-a-test"), secrets.token_bytes(64)
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return path


@pytest.fixture
def engine(docker_engine: None) -> Iterator[Engine]:
    engine = Engine.connect()
    yield engine
    engine.close()


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """A small image: enough to be fetched or refused."""
    return content_of(tar_of(tmp_path / "files.tar", with_python=False), "one")


@pytest.fixture
def registry(content: Content, engine: Engine) -> Iterator[Registry]:
    with Registry(content) as registry:
        yield registry
    for image in engine._client.images():  # what a test pulled is known by the registry's address
        names = [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
        if any(name.startswith(registry.host) for name in names):
            engine._client.remove_image(image["Id"], force=True)


def reference(registry: Registry, content: Content) -> str:
    return f"{registry.host}/library/python@{content.digest}"


def error_of(engine: Engine, wanted: str) -> str:
    with pytest.raises(SandboxError) as caught:
        choose_image(engine, wanted)
    return str(caught.value)


def test_what_is_pulled_by_its_digest_is_found_again_and_runs_boxes(engine, tmp_path, registry):
    whole = content_of(tar_of(tmp_path / "python.tar", with_python=True), "python")
    registry.blobs |= whole.blobs
    registry.manifests |= whole.manifests
    wanted = reference(registry, whole)
    first = choose_image(engine, wanted)
    assert (first.way, first.reference, first.digest) == ("pulled", wanted, whole.digest)
    asked = len(registry.asked)
    assert asked >= 4
    again = choose_image(engine, wanted)
    assert again == replace(first, way="local")
    assert len(registry.asked) == asked
    recorder = Recorder({})
    sandbox = DockerSandbox(engine, again)
    outcome = sandbox.run(job_of(BOX), recorder)
    sandbox.keeper.close()
    assert (outcome.status, recorder.logged) == (BoxStatus.FINISHED, ["alive"])


def test_a_tag_that_moved_changes_nothing_for_who_asks_by_digest(engine, tmp_path, registry, content):
    other = content_of(tar_of(tmp_path / "other.tar", with_python=False), "another")
    registry.blobs |= other.blobs
    registry.manifests |= other.manifests
    registry.tags = {"3.12-slim": content.digest}
    assert choose_image(engine, reference(registry, content)).digest == content.digest
    registry.tags = {"3.12-slim": other.digest}
    assert choose_image(engine, reference(registry, content)).digest == content.digest
    by_tag = choose_image(engine, f"{registry.host}/library/python:3.12-slim")
    assert by_tag.digest == other.digest, "a tag means what it means today; its digest is recorded"


@pytest.mark.parametrize("part", ["index", "manifest", "layer"])
def test_other_bytes_than_the_digest_names_are_refused_and_told(engine, registry, content, part):
    if part == "layer":
        digest = max(registry.blobs, key=lambda each: registry.blobs[each].startswith(b"\x1f\x8b"))
        registry.blobs[digest] = registry.blobs[digest][:-1] + b"!"
    else:
        digest = next(each for each in registry.manifests if (each == content.digest) == (part == "index"))
        kind, data = registry.manifests[digest]
        registry.manifests[digest] = (kind, data.replace(b'"schemaVersion": 2', b'"schemaVersion":  2'))
    wanted = reference(registry, content)
    told = error_of(engine, wanted)
    assert "verification failed" in told
    assert told.endswith("The registry served content that does not match the digest: do not trust it.")
    assert engine.find_image(wanted) is None


@pytest.mark.parametrize("where", ["/v2/", "/manifests/"])
def test_a_rate_limit_is_told_as_one(engine, registry, content, where):
    def limit(request: Any) -> bool:
        if where not in request.path:
            return False
        refuse(request, 429, "TOOMANYREQUESTS", "You have reached your pull rate limit.")
        return True

    registry.instead = limit
    told = error_of(engine, reference(registry, content))
    assert "toomanyrequests: You have reached your pull rate limit." in told
    assert told.endswith("This is the registry's rate limit: log in or wait.")


def test_what_a_registry_does_not_have_is_told(engine, registry, content):
    absent = f"{registry.host}/library/python@sha256:{'0' * 64}"
    assert "manifest unknown" in error_of(engine, absent)


@pytest.mark.parametrize("manner", ["hangs", "trickles"])
def test_a_registry_that_keeps_one_waiting_is_given_up_when_patience_ends(engine, registry, content, manner):
    registry.instead = hang(registry) if manner == "hangs" else trickle(registry, 60)
    began = time.monotonic()
    with pytest.raises(SandboxError, match="no progress from the registry for 2 seconds"):
        engine.pull(reference(registry, content), 2)
    assert time.monotonic() - began < 10


def test_a_registry_that_is_not_there_is_told(engine, content):
    assert "connection refused" in error_of(engine, f"127.0.0.1:9/library/python@{content.digest}")


@dataclass(slots=True)
class PinnedElsewhere:
    """The real engine, for whom the pinned image lies in another registry, and which has no image yet."""

    engine: Engine
    elsewhere: str
    has_imported: bool = False

    def info(self) -> dict[str, Any]:
        return self.engine.info()

    def find_image(self, reference: str) -> dict[str, Any] | None:
        if reference == DEFAULT or (reference == host_reference() and not self.has_imported):
            return None
        return self.engine.find_image(self._meant(reference))

    def pull(self, reference: str, patience_seconds: int) -> None:
        self.engine.pull(self._meant(reference), patience_seconds)

    def import_image(self, tar: Path, reference: str, changes: list[str]) -> None:
        self.has_imported = True
        if self.engine.find_image(reference) is None:  # else a second one would lie there without a name
            self.engine.import_image(tar, reference, changes)

    def _meant(self, reference: str) -> str:
        return self.elsewhere if reference == PINNED else reference


def test_the_pinned_image_is_pulled_where_there_is_no_other(engine, registry, content):
    store = PinnedElsewhere(engine, reference(registry, content))
    image = choose_image(store, None)
    assert (image.way, image.reference, image.digest) == ("pulled", PINNED, content.digest)
    assert choose_image(store, None).way == "local"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("absent", "connection refused"),
        ("other bytes", "do not trust it"),
        ("limit", "the registry's rate limit"),
    ],
)
def test_without_a_pinned_image_the_hosts_python_is_taken_and_the_reason_is_told(
    engine, registry, content, fault, told
):
    wanted = reference(registry, content)
    if fault == "absent":
        wanted = f"127.0.0.1:9/library/python@{content.digest}"
    elif fault == "limit":
        registry.instead = lambda request: bool(refuse(request, 429, "TOOMANYREQUESTS", "slow down") or True)
    else:
        kind, data = registry.manifests[content.digest]
        registry.manifests[content.digest] = (kind, data + b" ")
    image = choose_image(PinnedElsewhere(engine, wanted), None)
    assert (image.way, image.reference) == ("host python", host_reference())
    assert told in image.told
    assert told in DockerSandbox(engine, image).statement
