"""A file that claims more than it holds is told from one that is as large as it says."""

import os

import pytest

from studbook.holes import MAX_BYTES, has_holes

BLOCK = 1024 * 1024


def with_parts(path, *parts: tuple[int, bytes]) -> None:
    """Bytes at places of the file, and nothing between them."""
    with path.open("wb") as file:
        for place, data in parts:
            file.seek(place)
            file.write(data)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, 4 * BLOCK)
    if path.stat().st_blocks * 512 >= 4 * BLOCK:
        pytest.skip("this file system has no files with holes")
    return path


def test_a_file_as_large_as_it_says_has_none(path):
    for size in (0, 10, MAX_BYTES + BLOCK):
        path.write_bytes(b"x" * size)
        assert not has_holes(path)


@pytest.mark.parametrize(
    "parts",
    [
        [(1 << 40, b"x")],
        [(0, b"x" * BLOCK), (MAX_BYTES + 2 * BLOCK, b"x")],
        [(n * 2 * BLOCK, b"x" * BLOCK) for n in range(MAX_BYTES // BLOCK + 2)],
    ],
    ids=["before", "within", "many"],
)
def test_holes_count_wherever_they_are(path, parts):
    with_parts(path, *parts)
    assert has_holes(path)


def test_a_hole_at_the_end_counts_too(path):
    path.write_bytes(b"x" * BLOCK)
    os.truncate(path, 1 << 40)
    assert has_holes(path)


def test_a_few_zeros_that_were_copied_as_a_hole_are_no_attack(path):
    with_parts(path, (0, b"x" * BLOCK), (3 * BLOCK, b"x" * MAX_BYTES))
    assert not has_holes(path)


def test_what_cannot_be_opened_is_left_to_whoever_reads_it(tmp_path):
    assert not has_holes(tmp_path / "nothing")
