"""zstd compression for bulk data: call records and trajectories.

Every frame declares its size and has a checksum, so damage is detected and a small file cannot expand into a
huge one. Does no I/O and knows nothing about the data.
"""

import zstandard

from studbook.errors import IntegrityError

MAX_DECOMPRESSED_BYTES = 256 * 1024 * 1024


def compress(data: bytes | bytearray, *, level: int = 3) -> bytes:
    """One zstd frame with content size and checksum. Compressors are not thread-safe: one per call."""
    return zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True).compress(data)


def decompress(
    data: bytes, *, max_bytes: int = MAX_DECOMPRESSED_BYTES, place: str = "compressed data"
) -> bytes:
    """Inverts `compress`; never allocates more than `max_bytes`.

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
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise IntegrityError(f"{place} is damaged: {error}") from error
