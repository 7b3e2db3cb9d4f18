"""A container registry of one image, read only, on this machine: the part of the API that a pull uses.

The image is a tar of files (`write_tar`) as one gzip layer, with config, manifest and index. Every
answer can be replaced: by other bytes, a refusal, or silence.
"""

import gzip
import hashlib
import json
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """By digest: `blobs` are layer and config, `manifests` manifest and index. `digest` is the index's."""

    blobs: dict[str, bytes]
    manifests: dict[str, tuple[str, bytes]]
    digest: str


def content_of(tar: Path, name: str) -> Content:
    """The image of a tar; another `name` makes another digest of the same files."""
    plain = tar.read_bytes()
    layer = gzip.compress(plain, compresslevel=1, mtime=0)
    config = _json(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=/usr/local/lib"],
                "Labels": {"name": name},
            },
            "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _part(CONFIG, config),
            "layers": [_part(LAYER, layer)],
        }
    )
    place = {"architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux"}
    index = _json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{**_part(MANIFEST, manifest), "platform": place}],
        }
    )
    return Content(
        blobs={digest_of(data): data for data in (layer, config)},
        manifests={digest_of(manifest): (MANIFEST, manifest), digest_of(index): (INDEX, index)},
        digest=digest_of(index),
    )


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _part(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


class Registry:
    """`tags` may be moved; `asked` are the paths that were asked for; `instead` answers before all else."""

    def __init__(self, *contents: Content) -> None:
        self.blobs = {digest: data for each in contents for digest, data in each.blobs.items()}
        self.manifests = {digest: found for each in contents for digest, found in each.manifests.items()}
        self.tags: dict[str, str] = {}
        self.asked: list[str] = []
        self.instead: Callable[[BaseHTTPRequestHandler], bool] = lambda request: False
        self.ended = threading.Event()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry._answer(self)

            def do_HEAD(self) -> None:
                registry._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self.host = f"127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> "Registry":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        if self.instead(request):
            return
        kind, _, name = request.path.rpartition("/")
        if request.path == "/v2/":
            send(request, 200, b"{}")
        elif kind.endswith("/manifests") and (found := self.manifests.get(self.tags.get(name, name))):
            send(request, 200, found[1], found[0], {"Docker-Content-Digest": self.tags.get(name, name)})
        elif kind.endswith("/blobs") and (data := self.blobs.get(name)) is not None:
            send(request, 200, data, "application/octet-stream")
        else:
            refuse(request, 404, "MANIFEST_UNKNOWN", "manifest unknown")


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    data: bytes,
    kind: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:
    request.send_response(status)
    about = {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}
    for name, value in {**about, "Docker-Distribution-Api-Version": "registry/2.0"}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(data)


def refuse(request: BaseHTTPRequestHandler, status: int, code: str, message: str) -> None:
    send(request, status, _json({"errors": [{"code": code, "message": message}]}))


def hang(registry: Registry) -> Callable[[BaseHTTPRequestHandler], bool]:
    """Says nothing until the test is over."""

    def wait(request: BaseHTTPRequestHandler) -> bool:
        registry.ended.wait(120)
        request.close_connection = True
        return True

    return wait


def trickle(registry: Registry, seconds: float) -> Callable[[BaseHTTPRequestHandler], bool]:
    """Layers come a few bytes at a time."""

    def drip(request: BaseHTTPRequestHandler) -> bool:
        if "/blobs/" not in request.path:
            return False
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not registry.ended.is_set():
            request.wfile.write(b"x")
            registry.ended.wait(0.2)
        request.close_connection = True
        return True

    return drip
