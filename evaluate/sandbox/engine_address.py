"""Where the engine is looked for: DOCKER_HOST, else the docker context, else the usual socket.

The SDK finds the same place by itself; here it is found once more to be named in errors, and to refuse what
the SDK would pass over in silence (a context that does not exist).
"""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from docker.constants import DEFAULT_UNIX_SOCKET
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.utils import parse_host

from evaluate.sandbox.frames import one_line
from studbook.errors import SandboxError

KNOCK_SECONDS = 10
CREDENTIALS = re.compile(r"//[^/@\s]+@")
BEFORE_AT = re.compile(r"[^/@\s]+@")
DEFAULT = DEFAULT_UNIX_SOCKET.removeprefix("http+")
ADVICE = {
    "tcp": "is the engine listening there, and does it want TLS (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)?",
    "ssh": "not spoken here: forward the socket with ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST "
    "and set DOCKER_HOST=unix:///tmp/docker.sock",
}
"""By the beginning of the address; about the usual socket the caller has words of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """`source` is who said so, in words."""

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
    """Raises SandboxError for a context that docker does not know."""
    host = environment.get("DOCKER_HOST")
    if host:
        return EngineAddress(url=host, source="DOCKER_HOST")
    chosen = environment.get("DOCKER_CONTEXT")
    name = chosen or get_current_context_name()
    source = "DOCKER_CONTEXT" if chosen else "the current docker context"
    if name == "default":
        return EngineAddress(
            url=DEFAULT, source="the usual place; DOCKER_HOST and docker context name no other"
        )
    context = _context(name)
    if context is None or not context.Host:
        raise SandboxError(
            f"Docker, looking for an engine: {source} is {name!r}, and docker knows no such context; "
            "see `docker context ls`, choose one with `docker context use NAME`, or set DOCKER_HOST"
        )
    return EngineAddress(url=context.Host, source=f"docker context {name!r}")


def _context(name: str) -> Any:
    try:
        return ContextAPI.get_context(name)
    except Exception as error:  # (the SDK raises Exception itself for a damaged context)
        raise SandboxError(
            f"Docker, looking for an engine: context {name!r}: {one_line(str(error))}"
        ) from error


def knock(address: EngineAddress) -> None:
    """Raises OSError where nobody listens: sooner than the SDK, which would also leave its socket open."""
    rest = _spelled_out(address.url).partition("://")[2]
    if address.scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(KNOCK_SECONDS)
            trial.connect("/" + rest.lstrip("/"))
    elif address.scheme == "tcp":
        parts = urlsplit(f"//{rest}")
        socket.create_connection((parts.hostname or "", parts.port or 0), KNOCK_SECONDS).close()


def describe_failure(address: EngineAddress, error: Exception) -> str:
    """One line: where it was looked, what happened, and what to do where that is not plain."""
    what = f"Docker, looking for an engine at {address}: {one_line(str(error))}"
    what = BEFORE_AT.sub("****@", what)  # also of an address without a scheme
    advice = next((step for scheme, step in ADVICE.items() if address.url.startswith(scheme)), "")
    return f"{what}; {advice}" if advice else what


def without_credentials(text: str) -> str:
    """An address may hold a password, and errors repeat it."""
    return CREDENTIALS.sub("//****@", text)
