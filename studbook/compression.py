"""zstd compression for bulk data: call records and trajectories.

Every frame declares its size and has a checksum, so damage is detected and a small file cannot expand into a
huge one. `Expansion` bounds what many small files expand into together. Does no I/O and knows nothing about
the data.
"""

import zstandard

from studbook.errors import IntegrityError

MAX_DECOMPRESSED_BYTES = 96 * 1024 * 1024
"""A box may send 64 MB in all, so no trajectory is larger than that and the replies in it."""
SPARE_BYTES = 512 * 1024 * 1024
MOST_RATIO = 200
"""Trajectories are 16 times as large as compressed, call records 3 times (quickstart)."""


class Expansion:
    """Counts what has been decompressed for one purpose, such as verifying a run; not thread-safe."""

    def __init__(self) -> None:
        self._allowed = SPARE_BYTES
        self._used = 0

    def allow(self, compressed_bytes: int, decompressed_bytes: int, place: str) -> None:
        """Raises IntegrityError before a frame is decompressed that is too much together with the others."""
        if self._used + decompressed_bytes > self._allowed + MOST_RATIO * compressed_bytes:
            raise IntegrityError(
                f"{place}: not decompressed, because the run would take more than {self._allowed:,} bytes: "
                f"{MOST_RATIO} times its compressed size and {SPARE_BYTES:,} are allowed"
            )
        self._allowed += MOST_RATIO * compressed_bytes
        self._used += decompressed_bytes


def compress(data: bytes | bytearray, *, level: int = 3) -> bytes:
    """One zstd frame with content size and checksum. Compressors are not thread-safe: one per call."""
    return zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True).compress(data)


def decompress(
    data: bytes,
    *,
    max_bytes: int = MAX_DECOMPRESSED_BYTES,
    place: str = "compressed data",
    expansion: Expansion | None = None,
) -> bytes:
    """Inverts `compress`; never allocates more than `max_bytes`, nor more than `expansion` still allows.

    Raises:
        IntegrityError: damaged, truncated, followed by other bytes, or too large; names `place`.
    """
    try:
        size = zstandard.frame_content_size(data)
        if size < 0:
            raise IntegrityError(
                f"{place}: the zstd frame does not declare its size, so Studbook did not write it"
            )
        if size > max_bytes:
            raise IntegrityError(f"{place}: {size} bytes when decompressed, but only {max_bytes} are allowed")
        if expansion is not None:
            expansion.allow(len(data), size, place)
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise IntegrityError(f"{place} is damaged: {error}") from error
