"""A Docker engine, as far as boxes need one: with `engine_address.py` the only door to the SDK.

One request of the low-level client where the high-level one makes three; every failure is a SandboxError.
"""

import contextlib
import os
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.utils import parse_repository_tag
from urllib3.exceptions import HTTPError, ReadTimeoutError

from evaluate.sandbox.docker_channel import DockerChannel
from evaluate.sandbox.engine_address import describe_failure, find_address, knock, without_credentials
from evaluate.sandbox.engine_watch import EngineWatch
from evaluate.sandbox.frames import one_line
from studbook.errors import SandboxError

ENGINE_SECONDS = 120  # for one request; a loaded engine is slow, not broken
GONE_OR_GOING = (404, 409)
REMOVALS = 3
STREAMS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """The engine's failures, those of HTTP and of the socket included, are never a score."""
    try:
        yield
    except (DockerException, HTTPError, OSError) as error:
        said = getattr(error, "explanation", None) or error  # the rest of an APIError is its long address
        told = without_credentials(one_line(str(said)))
        raise SandboxError(f"Docker, {doing}: {told}") from error


def be_patient(api: Any, seconds: int) -> None:
    """Every request of this client ends when nothing is said for so long; the SDK never ends a pull."""
    request = api.request
    api.request = lambda *arguments, **options: request(*arguments, **{**options, "timeout": seconds})


class Engine:
    """An engine that answers. Thread-safe; at most 2 × cores boxes are made or removed at once."""

    def __init__(self, client: "docker.APIClient") -> None:
        self._client: Any = client  # the SDK is not annotated
        self.gate = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
        self.watch = EngineWatch(client.events)
        self._left: deque[str] = deque()

    @staticmethod
    def connect(timeout_seconds: int = ENGINE_SECONDS) -> "Engine":
        """The engine the `docker` command would use; raises SandboxError when none answers."""
        address = find_address(os.environ)  # the SDK reads it there too, and has no other way to be told
        try:
            knock(address)
            client = docker.from_env(version="auto", timeout=timeout_seconds, max_pool_size=64)
        except (DockerException, OSError) as error:
            raise SandboxError(describe_failure(address, error)) from error
        return Engine(client.api)

    def close(self) -> None:
        """What cannot be removed even now is for whoever starts next: its owner will be gone."""
        with contextlib.suppress(SandboxError):
            self._remove_left()
        self.watch.close()
        self._client.close()

    def info(self) -> dict[str, Any]:
        with engine_errors("info"):
            return dict(self._client.info())

    def find_image(self, reference: str) -> dict[str, Any] | None:
        """The engine's description of an image it holds."""
        with engine_errors(f"looking for image {reference}"):
            try:
                return dict(self._client.inspect_image(reference))
            except NotFound:
                return None

    def pull(self, reference: str, patience_seconds: int) -> None:
        """Fetch an image; raises SandboxError when the registry says nothing for `patience_seconds`."""
        repository, tag = parse_repository_tag(reference)
        with engine_errors(f"pulling {reference}"):
            client = docker.from_env(version=self._client.api_version)
            be_patient(client.api, patience_seconds)
            try:
                lines = [*client.api.pull(repository, tag or "latest", stream=True, decode=True)]
                failures = [line["error"] for line in lines if "error" in line]
                if failures:  # told when all is read, or the connection stays open
                    raise SandboxError(f"Docker, pulling {reference}: {one_line(str(failures[0]))}")
            except (requests.Timeout, ReadTimeoutError) as error:
                silence = f"no word from the registry for {patience_seconds} seconds"
                raise SandboxError(f"Docker, pulling {reference}: {silence}") from error
            finally:
                client.close()

    def import_image(self, tar: Path, reference: str, changes: list[str]) -> None:
        repository, tag = parse_repository_tag(reference)
        with engine_errors(f"importing {reference}"):
            self._client.import_image(src=str(tar), repository=repository, tag=tag, changes=changes)

    def create(self, config: dict[str, Any]) -> tuple[str, list[str]]:
        """(container id, the engine's warnings). What an engine that was away has left is removed first."""
        self._remove_left()
        name = f"studbook-{uuid.uuid4().hex}"  # ours, so that a box whose id never came is known all the same
        try:
            with self.gate, engine_errors("creating a box"):
                made = self._client.create_container_from_config(config, name)
        except SandboxError:
            self._left.append(name)
            raise
        return made["Id"], list(made.get("Warnings") or [])

    def attach(self, container: str) -> DockerChannel:
        with engine_errors("attaching to a box"):
            return DockerChannel(self._client.attach_socket(container, params=STREAMS))

    def start(self, container: str) -> None:
        with self.gate, engine_errors("starting a box"):
            self._client.start(container)

    def state(self, container: str) -> dict[str, Any]:
        with engine_errors("looking at a box"):
            return dict(self._client.inspect_container(container)["State"])

    def kill(self, container: str) -> None:
        """End a box now, without waiting for a turn. Whether that worked is for `remove`, which follows."""
        with engine_errors("ending a box"), contextlib.suppress(APIError):
            self._client.kill(container)

    def remove(self, container: str) -> None:
        """Kill and remove; one that is gone already, or going, is fine.

        A loaded engine gives up waiting for the end of what it killed; the next time it has ended.
        """
        with self.gate, engine_errors("removing a box"):
            for patience in reversed(range(REMOVALS)):
                try:
                    self._client.remove_container(container, force=True, v=True)
                except APIError as error:
                    if error.status_code in GONE_OR_GOING:
                        return
                    if not patience:
                        raise
                else:
                    return

    def discard(self, container: str) -> None:
        """As `remove`, of a box that has nothing more to say: without its engine it is removed later."""
        try:
            self.remove(container)
        except SandboxError:
            self._left.append(container)

    def _remove_left(self) -> None:
        while self._left:
            container = self._left.popleft()
            try:
                self.remove(container)
            except SandboxError:
                self._left.append(container)
                raise

    def find_log(self, container: str) -> str | None:
        """The last line that the engine kept of what a box printed; None when it keeps nothing."""
        with engine_errors("reading a log"):
            try:
                kept = self._client.logs(container, stdout=True, stderr=True, tail=1)
            except APIError:  # a driver that cannot be read back, which is what `none` is
                return None
            return bytes(kept)[:200].decode("utf-8", "replace") or None

    def labelled(self, label: str) -> dict[str, Mapping[str, str]]:
        """Containers that carry a label, running or not: id → labels."""
        with engine_errors("listing boxes"):
            found = self._client.containers(all=True, filters={"label": label})
            return {box["Id"]: box["Labels"] for box in found}
