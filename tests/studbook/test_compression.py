"""zstd with a declared size and a checksum."""

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from studbook.compression import compress, decompress
from studbook.errors import IntegrityError


@given(st.binary(max_size=5000))
def test_what_is_compressed_comes_back(data: bytes) -> None:
    assert decompress(compress(data)) == data


@given(st.binary(min_size=20, max_size=200), st.data())
def test_any_flipped_byte_is_noticed_or_harmless(data: bytes, draw: st.DataObject) -> None:
    packed = bytearray(compress(data))
    place = draw.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= draw.draw(st.integers(1, 255))
    try:
        assert decompress(bytes(packed)) == data
    except IntegrityError as error:
        assert "compressed data" in str(error)


@pytest.mark.parametrize("damage", [b"", b"not zstd at all", compress(b"whole" * 100)[:-3]])
def test_damage_names_the_place(damage: bytes) -> None:
    with pytest.raises(IntegrityError, match="trajectory 12"):
        decompress(damage, place="trajectory 12")


def test_bytes_after_the_frame_are_refused() -> None:
    with pytest.raises(IntegrityError, match="damaged"):
        decompress(compress(b"whole") + b"more")


def test_a_small_file_cannot_become_a_large_one() -> None:
    bomb = compress(bytes(50_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(IntegrityError, match="50000000 bytes when decompressed, but only 1000000"):
        decompress(bomb, max_bytes=1_000_000)


def test_a_frame_without_a_declared_size_is_not_ours() -> None:
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(b"whole")
    with pytest.raises(IntegrityError, match="does not declare its size"):
        decompress(packed)
