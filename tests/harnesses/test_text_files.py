"""Text is read with line feeds and without a mark, and written back as the file had it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.harnesses.text_files import read_text, write_text

BOM = b"\xef\xbb\xbf"
LINES = st.lists(st.text("ab ", max_size=3), min_size=1, max_size=8)
ENDS = st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=8, max_size=8)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", BOM])
def test_a_file_keeps_its_line_ends_and_its_mark(mark, end):
    data = mark + end.join([b"one", b"two", b"three", b""])
    assert read_text(data) == "one\ntwo\nthree\n"
    assert write_text("one\nnew\r\nmore\n", data) == mark + end.join([b"one", b"new", b"more", b""])


def test_a_new_file_has_line_feeds():
    assert write_text("a\r\nb\rc\n", b"") == b"a\nb\nc\n"


@given(LINES, ENDS, st.booleans())
def test_text_that_was_not_changed_is_the_same_bytes(lines, ends, marked):
    text = "".join(line + end for line, end in zip(lines, ends, strict=False))
    text += "last" if len(lines) % 2 else ""
    data = (BOM if marked else b"") + text.encode()
    assert write_text(read_text(data), data) == data


@given(LINES, ENDS, LINES)
def test_what_is_written_is_read_as_it_was_meant(lines, ends, new):
    before = "".join(line + end for line, end in zip(lines, ends, strict=False)).encode()
    assert read_text(write_text("\n".join(new), before)) == "\n".join(new)


def test_in_a_mixed_file_lines_keep_their_own_ends():
    data = b"one\r\ntwo\nthree\r\nfour\n"
    assert write_text("one\n2\nthree\nfour\n", data) == b"one\r\n2\nthree\r\nfour\n"
    assert write_text("0\none\ntwo\nfour\n", data).endswith(b"one\r\ntwo\nfour\n")
    assert write_text("one\nmore\ntwo\nthree\nfour\n", data) == b"one\r\nmore\r\ntwo\nthree\r\nfour\n"


def test_a_large_mixed_file_gets_the_most_frequent_end():
    data = b"x\r\n" * 3_000 + b"y\n"
    assert write_text("z\n" * 3_000, data) == b"z\r\n" * 3_000


def test_what_is_no_text_is_shown_and_lone_surrogates_are_written():
    assert read_text(b"caf\xe9") == "caf\ufffd"
    assert write_text("a\ud800", b"") == b"a?"
