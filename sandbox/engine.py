"""The parts of a Docker engine that boxes need; the only module that may import the SDK.

`Engine` uses the low-level client, which needs one request where the high-level one makes three; every
failure is a SandboxError. The SDK finds the engine by itself (DOCKER_HOST, else the docker context, else the
default socket); `find_address` repeats the search, to name the address in errors and to reject what the SDK
silently ignores (a context that does not exist).

`EngineWatch` detects whether the engine stopped in the meantime. The end of a box cannot show that: when an
engine restarts, a box may continue or end with any status, and its shim may be under hostile control. The
watch is an idle connection that ends when the engine does; no box can reach it.

Knows neither frames nor limits: `docker_box.py` defines what a box is.
"""

import contextlib
import json
import os
import re
import socket
import ssl
import struct
import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import requests
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.errors import APIError, DockerException, NotFound
from docker.utils import parse_host, parse_repository_tag
from urllib3.exceptions import HTTPError, ReadTimeoutError

from studbook.certificates import OF_ENGINES, find_stale
from studbook.errors import BoxRefused, SandboxError
from studbook.sandbox.frames import short_line
from studbook.sandbox.heartbeat import Heartbeat

NOTHING = {"type": ["plugin"], "event": ["none"]}
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 5.0


class EngineWatch:
    """Follows the engine's (empty) event stream, starting with the first `look`. Thread-safe."""

    def __init__(self, events: Callable[..., Any]) -> None:
        """`events`: the SDK's method, which returns a stream that can be closed."""
        self._events = events
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stream: Any = None
        self._is_following = self._is_blind = self._is_closed = False
        self._ends = 0

    def look(self) -> int:
        """How often the engine has ended so far; waits up to PATIENCE_SECONDS until it is available."""
        with self._changed:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._follow, name="engine-watch", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._is_following or self._is_blind, PATIENCE_SECONDS)
            return self._ends

    def has_ended_since(self, look: int, patience_seconds: float) -> bool:
        """Has the engine ended since `look` was taken, or does it end within `patience_seconds`?"""
        with self._changed:
            return self._changed.wait_for(lambda: self._ends != look, patience_seconds)

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            if self._stream is not None:
                _end(self._stream)
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)

    def _follow(self) -> None:
        while not self._is_closed and not self._is_blind:
            try:
                self._follow_once()
            except APIError as error:
                # the engine, or a proxy before it, does not offer events: the watch knows nothing then
                self._tell(is_blind=error.is_client_error())
            except (DockerException, HTTPError, OSError):
                pass  # the engine is unavailable, or ended meanwhile
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, PAUSE_SECONDS)

    def _follow_once(self) -> None:
        stream = self._events(filters=NOTHING)
        with self._changed:
            if self._is_closed:
                _end(stream)
                return
            self._stream, self._is_following = stream, True
            self._changed.notify_all()
        try:
            for _ in stream:
                pass
        finally:
            with self._changed:
                self._stream, self._is_following = None, False
                self._ends += 1
                self._changed.notify_all()

    def _tell(self, *, is_blind: bool) -> None:
        with self._changed:
            self._is_blind = is_blind
            self._changed.notify_all()


def _end(stream: Any) -> None:
    with contextlib.suppress(DockerException, HTTPError, OSError):
        stream.close()


DIAGNOSTICS_BYTES = 2048
STDERR = 2


class DockerChannel:
    """Owns the SDK's attach socket; `close` it before the box is killed or removed."""

    def __init__(self, attached: Any) -> None:  # the SDK returns a SocketIO, or an SSLSocket over TLS
        self._attached = attached
        self._socket: socket.socket = getattr(attached, "_sock", attached)
        self._socket.setblocking(False)
        self._header = b""
        self._left = 0
        self._stream = 0
        self._diagnostics = b""

    @property
    def diagnostics(self) -> str:
        return self._diagnostics.decode("utf-8", "replace")

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0

    def receive(self) -> bytes | None:
        try:
            data = self._socket.recv(1 << 18)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except ConnectionResetError:
            return b""
        return self._demultiplex(data) or None if data else b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._attached._response.close()  # closes the underlying sockets too, in the right order
        self._socket.close()

    def _demultiplex(self, data: bytes) -> bytes:
        """Extract the payload from the multiplexed stream; blocks may start and end anywhere in `data`."""
        protocol = []
        while data:
            if not self._left:
                missing = 8 - len(self._header)
                self._header, data = self._header + data[:missing], data[missing:]
                if len(self._header) < 8:
                    break
                self._stream, self._left = struct.unpack(">BxxxL", self._header)
                self._header = b""
            payload, data = data[: self._left], data[self._left :]
            self._left -= len(payload)
            if self._stream == STDERR:
                self._diagnostics = (self._diagnostics + payload)[-DIAGNOSTICS_BYTES:]
            else:
                protocol.append(payload)
        return b"".join(protocol)


KNOCK_SECONDS = 10
CREDENTIALS = re.compile(r"//[^/@\s]+@")
BEFORE_AT = re.compile(r"[^/@\s]+@")
DEFAULT = DEFAULT_UNIX_SOCKET.removeprefix("http+")
ADVICE = {
    "tcp": "is the engine listening there, and does it require TLS (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)?",
    "ssh": "not supported: forward the socket with ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST "
    "and set DOCKER_HOST=unix:///tmp/docker.sock",
}
"""By the scheme of the address; for the default socket the caller has its own hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """`source` says in words where the address comes from."""

    url: str
    source: str

    def __str__(self) -> str:
        return f"{self.url} ({self.source})"

    @property
    def scheme(self) -> str:
        """ "unix", "tcp", "ssh" or "npipe"; raises DockerException for anything else."""
        spelling = _spelled_out(self.url).partition("://")[0]
        return {"http+unix": "unix", "http": "tcp", "https": "tcp"}.get(spelling, spelling)


def _spelled_out(url: str) -> str:
    return str(parse_host(url))


def find_address(environment: Mapping[str, str]) -> EngineAddress:
    """Raises SandboxError for a docker context that does not exist."""
    host = environment.get("DOCKER_HOST")
    if host:
        return EngineAddress(url=host, source="DOCKER_HOST")
    chosen = environment.get("DOCKER_CONTEXT")
    name = chosen or get_current_context_name()
    source = "DOCKER_CONTEXT" if chosen else "the current docker context"
    if name == "default":
        return EngineAddress(
            url=DEFAULT, source="the default; neither DOCKER_HOST nor a docker context names another"
        )
    context = _context(name)
    if context is None or not context.Host:
        raise SandboxError(
            f"Docker, looking for an engine: {source} is {name!r}, and no such docker context exists; "
            "see `docker context ls`, choose one with `docker context use NAME`, or set DOCKER_HOST"
        )
    return EngineAddress(url=context.Host, source=f"docker context {name!r}")


def _context(name: str) -> Any:
    try:
        return ContextAPI.get_context(name)
    except Exception as error:  # (the SDK raises Exception itself for a damaged context)
        raise SandboxError(
            f"Docker, looking for an engine: context {name!r}: {short_line(str(error))}"
        ) from error


def knock(address: EngineAddress) -> None:
    """Raises OSError if nothing listens there; faster than the SDK, which would also leak its socket."""
    rest = _spelled_out(address.url).partition("://")[2]
    if address.scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(KNOCK_SECONDS)
            trial.connect("/" + rest.lstrip("/"))
    elif address.scheme == "tcp":
        parts = urlsplit(f"//{rest}")
        socket.create_connection((parts.hostname or "", parts.port or 0), KNOCK_SECONDS).close()


def describe_failure(address: EngineAddress, error: Exception) -> str:
    """One line: the address, what happened, and what to do unless that is obvious."""
    what = f"Docker, looking for an engine at {address}: {short_line(str(error))}"
    what = BEFORE_AT.sub("****@", what)  # also covers an address without a scheme
    advice = find_stale(os.environ, OF_ENGINES) if _may_need_certificates(address) else ""
    advice = advice or next((step for scheme, step in ADVICE.items() if address.url.startswith(scheme)), "")
    return f"{what}; {advice}" if advice else what


def _may_need_certificates(address: EngineAddress) -> bool:
    try:
        return address.scheme == "tcp"
    except DockerException:  # no address at all
        return False


def without_credentials(text: str) -> str:
    """An address may contain a password, and errors repeat the address."""
    return CREDENTIALS.sub("//****@", text)


ROOTLESS = "name=rootless"
PODMAN_INFO = "/v4.0.0/libpod/info"  # its Docker API does not tell
ENGINE_SECONDS = 120  # for one request; a loaded engine is slow, not broken
GONE_OR_GOING = (404, 409)
REMOVALS = 3
STREAMS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


class EngineFault(SandboxError):
    """The engine answered that it failed; it may not fail the next time."""


REFUSALS = frozenset({400, 401, 403, 405, 406, 415, 422, 501})
"""HTTP statuses of an engine that does not take what it was asked for, now or later."""
NO_IMAGE = 404  # when a box is created; later it means that somebody removed the box


def refusal(told: str) -> BoxRefused:
    return BoxRefused(
        f"{told}\nThe engine refuses such a box, so trying again cannot help: change the engine's settings, "
        "use another engine (DOCKER_HOST),\nor continue without isolating untrusted code: -s sandbox=process "
        "(resume and replay: --sandbox process)"
    )


@contextlib.contextmanager
def engine_errors(doing: str, refusals: Collection[int] = ()) -> Iterator[None]:
    """Turns engine failures, including HTTP and socket errors, into SandboxError: they are never a score.

    An answer with one of the statuses in `refusals` becomes BoxRefused, any other answer EngineFault.
    """
    try:
        yield
    except (DockerException, HTTPError, OSError) as error:
        said = getattr(error, "explanation", None) or error  # the rest of an APIError is a long URL
        told = f"Docker, {doing}: {without_credentials(short_line(str(said)))}"
        if not isinstance(error, APIError):
            raise SandboxError(told) from error
        raise (refusal(told) if error.status_code in refusals else EngineFault(told)) from error


def be_patient(api: Any, seconds: int) -> None:
    """Set a read timeout for every request of this client; without one, the SDK never ends a pull."""
    request = api.request
    api.request = lambda *arguments, **options: request(*arguments, **{**options, "timeout": seconds})


def imported(said: str, reference: str) -> str:
    """The image's id, in the last line of an import's answer. Raises SandboxError."""
    lines = said.strip().splitlines()
    try:
        found = json.loads(lines[-1])["status"]
    except (IndexError, KeyError, TypeError, ValueError):
        found = None
    if isinstance(found, str) and found:
        return found
    raise SandboxError(f"Docker, importing {reference}: {short_line(said) or 'the engine answered nothing'}")


class Engine:
    """A connected engine. Thread-safe; at most 2 × cores boxes are created or removed at once."""

    def __init__(self, client: "docker.APIClient") -> None:
        self._client: Any = client  # the SDK is not annotated
        self.gate = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
        self.watch = EngineWatch(client.events)
        self.heartbeat = Heartbeat(self.is_silent)
        self._left: deque[str] = deque()

    @staticmethod
    def connect(timeout_seconds: int = ENGINE_SECONDS) -> "Engine":
        """Connect to the engine the `docker` command would use; raises SandboxError when none answers."""
        address = find_address(os.environ)  # the SDK reads it too and takes no argument for it
        try:
            knock(address)
            client = docker.from_env(version="auto", timeout=timeout_seconds, max_pool_size=64)
        except (DockerException, OSError) as error:
            raise SandboxError(describe_failure(address, error)) from error
        return Engine(client.api)

    def close(self) -> None:
        """Boxes that still cannot be removed are left to the next start, when their owner will be gone."""
        with contextlib.suppress(SandboxError):
            self._remove_left()
        self.watch.close()
        self._client.close()

    def is_silent(self, patience_seconds: float) -> bool:
        """Does the engine take a question without answering it in time? False if it is known to be away."""
        try:
            self._client.get(f"{self._client.base_url}/_ping", timeout=patience_seconds).close()
        except requests.Timeout:
            return True
        except (requests.RequestException, DockerException, HTTPError, OSError):
            return False
        return False

    def info(self) -> dict[str, Any]:
        """The engine's account of itself; Podman's says whether it is rootless, as Docker's does."""
        with engine_errors("info"):
            found = dict(self._client.info())
            if self._is_rootless_podman():
                found["SecurityOptions"] = [*(found.get("SecurityOptions") or []), ROOTLESS]
            return found

    def _is_rootless_podman(self) -> bool:
        if not self.is_podman():
            return False
        answer = self._client.get(f"{self._client.base_url}{PODMAN_INFO}")
        try:
            return bool(answer.json()["host"]["security"]["rootless"])
        except (ValueError, KeyError, TypeError):
            return False

    def is_podman(self) -> bool:
        with engine_errors("version"):
            parts = self._client.version().get("Components") or []
        return any("podman" in str(part.get("Name")).lower() for part in parts)

    def find_image(self, reference: str) -> dict[str, Any] | None:
        """The engine's description of an image; None if it does not have the image."""
        with engine_errors(f"looking for image {reference}"):
            try:
                return dict(self._client.inspect_image(reference))
            except NotFound:
                return None

    def pull(self, reference: str, patience_seconds: int) -> None:
        """Pull an image; raises SandboxError when there is no progress for `patience_seconds`."""
        repository, tag = parse_repository_tag(reference)
        with engine_errors(f"pulling {reference}"):
            client = docker.from_env(version=self._client.api_version)
            be_patient(client.api, patience_seconds)
            try:
                lines = [*client.api.pull(repository, tag or "latest", stream=True, decode=True)]
                failures = [line["error"] for line in lines if "error" in line]
                if failures:  # reported only after reading everything, or the connection stays open
                    raise SandboxError(f"Docker, pulling {reference}: {short_line(str(failures[0]))}")
            except (requests.Timeout, ReadTimeoutError) as error:
                silence = f"no progress from the registry for {patience_seconds} seconds"
                raise SandboxError(f"Docker, pulling {reference}: {silence}") from error
            finally:
                client.close()

    def import_image(self, tar: Path, reference: str, changes: list[str]) -> None:
        """Import a tar of files. Podman 4 ignores the tag, so it is given once more."""
        repository, tag = parse_repository_tag(reference)
        with engine_errors(f"importing {reference}"):
            said = self._client.import_image(src=str(tar), repository=repository, tag=tag, changes=changes)
            self._client.tag(imported(said, reference), repository, tag)

    def create(self, config: dict[str, Any]) -> tuple[str, list[str]]:
        """(container id, the engine's warnings). First removes boxes left from when the engine was away."""
        self._remove_left()
        return self.make(config)

    def make(self, config: dict[str, Any]) -> tuple[str, list[str]]:
        """Make a container: a box, or what a sandbox needs beside its boxes."""
        name = f"studbook-{uuid.uuid4().hex}"  # lets us find a box whose id never arrived
        try:
            with self.gate, engine_errors("creating a box", {*REFUSALS, NO_IMAGE}):
                made = self._client.create_container_from_config(config, name)
        except SandboxError:
            self._left.append(name)
            raise
        return made["Id"], list(made.get("Warnings") or [])

    def attach(self, container: str) -> DockerChannel:
        with engine_errors("attaching to a box"):
            return DockerChannel(self._client.attach_socket(container, params=STREAMS))

    def start(self, container: str) -> None:
        with self.gate, engine_errors("starting a box", REFUSALS):
            self._client.start(container)

    def state(self, container: str) -> dict[str, Any]:
        with engine_errors("looking at a box"):
            return dict(self._client.inspect_container(container)["State"])

    def kill(self, container: str) -> None:
        """End a box now, without waiting for a slot. Failures are left to `remove`, which follows."""
        with engine_errors("ending a box"), contextlib.suppress(APIError):
            self._client.kill(container)

    def remove(self, container: str) -> None:
        """Kill and remove a box; it may already be gone or being removed.

        A busy engine may give up waiting for a killed box to end; the next attempt succeeds.
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
        """Like `remove`, for a box no longer needed: if the engine is unavailable, it is removed later."""
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
        """The last line of a box's output in the engine's log; None when it keeps no log."""
        with engine_errors("reading a log"):
            try:
                kept = self._client.logs(container, stdout=True, stderr=True, tail=1)
            except APIError:  # log drivers that cannot be read, such as `none`
                return None
            return bytes(kept)[:200].decode("utf-8", "replace") or None

    def labelled(self, label: str) -> dict[str, Mapping[str, str]]:
        """Containers with the label, running or not: id → labels."""
        with engine_errors("listing boxes"):
            found = self._client.containers(all=True, filters={"label": label})
            return {box["Id"]: box["Labels"] for box in found}
