"""The engine's blocks, cut anywhere, give back the protocol's bytes."""

import socket
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.sandbox.engine import DockerChannel

BLOCKS = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=30)), max_size=8)


class Response:
    """What the SDK keeps beside an attached socket."""

    def close(self) -> None:
        pass


class Attached:
    """An attached socket as the SDK gives it: a wrapper around the real one."""

    def __init__(self, real: socket.socket) -> None:
        self._sock = real
        self._response = Response()


@settings(deadline=None)  # the machine may be busy
@given(BLOCKS, st.integers(1, 40))
def test_the_streams_are_told_apart_however_the_blocks_are_cut(blocks: list[tuple[int, bytes]], cut: int):
    ours, theirs = socket.socketpair()
    channel = DockerChannel(Attached(ours))
    with theirs:
        data = b"".join(struct.pack(">BxxxL", stream, len(payload)) + payload for stream, payload in blocks)
        found = b""
        for at in range(0, len(data), cut):
            theirs.sendall(data[at : at + cut])
            found += channel.receive() or b""
        assert channel.receive() is None
        theirs.shutdown(socket.SHUT_WR)
        assert channel.receive() == b""
        channel.close()
    assert found == b"".join(payload for stream, payload in blocks if stream == 1)
    assert channel.diagnostics.encode("utf-8", "replace").count(b"\xff") == 0
