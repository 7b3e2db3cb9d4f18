"""An HTTP client whose answers end in time and in bounds, however slowly their bytes come.

The timeouts of the HTTP library start anew with every byte, so a server that sends a blank now and then
(some do, to keep a connection open) would hold a call for ever. Bounds the body; not the head.
"""

import time
from collections.abc import Callable, Iterator

import httpx2
import openai

MOST_BYTES = 64 * 1024 * 1024
STARTED = "studbook_started"


class BoundedStream(httpx2.SyncByteStream):
    """A body that raises ReadTimeout past the deadline, and ReadError past `MOST_BYTES`."""

    def __init__(self, stream: httpx2.SyncByteStream, deadline: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if self._clock() > self._deadline:
                raise httpx2.ReadTimeout("the answer came too slowly")
            if size > MOST_BYTES:
                raise httpx2.ReadError(f"the answer is larger than {MOST_BYTES} bytes")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def bounded_client(timeout_seconds: float, clock: Callable[[], float] = time.monotonic) -> httpx2.Client:
    """The SDK's own client (proxies and all) without redirects; an answer takes `timeout_seconds` at most."""

    def begin(request: httpx2.Request) -> None:
        request.extensions[STARTED] = clock()

    def bound(response: httpx2.Response) -> None:
        deadline = response.request.extensions[STARTED] + timeout_seconds
        assert isinstance(response.stream, httpx2.SyncByteStream)  # a sync client's
        response.stream = BoundedStream(response.stream, deadline, clock)

    return openai.DefaultHttpxClient(
        follow_redirects=False, event_hooks={"request": [begin], "response": [bound]}
    )
