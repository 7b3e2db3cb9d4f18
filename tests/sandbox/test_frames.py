"""Frames from a box: everything that is not exactly a frame is refused, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.sandbox.frames import (
    End,
    FrameError,
    LineSplitter,
    Request,
    encode_frame,
    printable,
    read_frame,
    read_json,
    short_line,
)

TEXT = st.text(st.characters(codec="utf-8"))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | FINITE | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=5)

REFUSED = {
    "empty": b"",
    "not JSON": b"{",
    "two values": b"{} {}",
    "a list": b"[]",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "too large a number": b'{"a":1e999}',
    "too many digits": b'{"a":' + b"9" * 5000 + b"}",
    "the same key twice": b'{"a":1,"a":2}',
    "the same key twice, inside": b'{"a":{"b":1,"b":1}}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone surrogate as a key": b'{"\\udfff":1}',
    "broken UTF-8": b'{"a":"\xff"}',
    "UTF-8 of a surrogate": b'{"a":"\xed\xa0\x80"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "nested a little too deeply": b'{"a":' + b"[" * 33 + b"]" * 33 + b"}",
    "nested far too deeply": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "a million empty lists": b'{"a":[' + b"[]," * 1_000_000 + b"[]]}",
    "a hundred thousand keys": json.dumps({f"k{n}": 0 for n in range(100_000)}).encode(),
    "a bare control character": b'{"a":"\x01"}',
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
}

NO_FRAMES: dict[str, dict[str, Any]] = {
    "no kind": {"id": 1},
    "an unknown kind": {"kind": "score", "value": 1},
    "a score added": {"kind": "end", "how": "returned", "type": "", "message": "", "score": 1.0},
    "an unknown end": {"kind": "end", "how": "accepted", "type": "", "message": ""},
    "an unknown request": {"kind": "request", "id": 1, "request": "admit", "body": {}},
    "a request without an id": {"kind": "request", "request": "log", "body": {}},
    "a text as id": {"kind": "request", "id": "1", "request": "log", "body": {}},
    "a truth as id": {"kind": "request", "id": True, "request": "log", "body": {}},
    "a negative id": {"kind": "request", "id": -1, "request": "log", "body": {}},
    "a list as body": {"kind": "request", "id": 1, "request": "log", "body": []},
    "too long a message": {"kind": "end", "how": "raised", "type": "E", "message": "x" * 1001},
}


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_strict_json_is_refused(line: bytes):
    with pytest.raises(FrameError):
        read_json(line)


@pytest.mark.parametrize("frame", NO_FRAMES.values(), ids=NO_FRAMES.keys())
def test_what_is_not_a_frame_of_ours_is_refused(frame: dict[str, Any]):
    with pytest.raises(FrameError):
        read_frame(json.dumps(frame).encode())


def test_a_request_and_an_end_are_read():
    body = {"text": "hi"}
    assert read_frame(json.dumps({"kind": "request", "id": 7, "request": "log", "body": body}).encode()) == (
        Request(kind="request", id=7, request="log", body=body)
    )
    line = b'{"kind":"end","how":"killed","type":"","message":"9"}'
    assert read_frame(line) == End(kind="end", how="killed", type="", message="9")


def test_an_error_names_the_field():
    with pytest.raises(FrameError, match=r"^end\.score: Extra inputs are not permitted$"):
        read_frame(b'{"kind":"end","how":"returned","type":"","message":"","score":1}')


@settings(deadline=None)  # the machine may be busy
@given(OBJECTS)
def test_every_plain_object_survives_both_encodings(value: dict[str, Any]):
    assert read_json(encode_frame(value).rstrip(b"\n")) == value
    assert read_json(json.dumps(value, ensure_ascii=True).encode()) == value


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_frame_error(line: bytes):
    try:
        value = read_json(line)
    except FrameError:
        return
    assert isinstance(value, dict)


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=60))
def test_a_broken_frame_is_a_frame_error(noise: bytes):
    line = b'{"kind":"request","id":1,"request":"log","body":{"text":"' + noise
    with pytest.raises(FrameError):
        read_frame(line.replace(b"}", b""))


def test_what_goes_into_the_box_is_always_one_valid_line():
    assert encode_frame({"text": "a\n\ud800b"}) == b'{"text":"a\\n?b"}\n'


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 7))
def test_lines_come_out_as_they_went_in_however_they_are_cut(lines: list[bytes], cut: int):
    data = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter(20)
    found = [line for at in range(0, len(data), cut) for line in splitter.feed(data[at : at + cut])]
    assert found == lines


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_a_line_that_does_not_end_is_refused_once_it_is_too_long(cut: int):
    splitter = LineSplitter(10)
    data = b"x" * 11
    with pytest.raises(FrameError, match="a line of more than 10 bytes"):
        for at in range(0, len(data), cut):
            splitter.feed(data[at : at + cut])


def test_other_line_ends_do_not_split():
    assert LineSplitter(100).feed("a\u2028b\r\x0b\x0c\x85c\n".encode()) == [
        "a\u2028b\r\x0b\x0c\x85c".encode()
    ]


def test_control_characters_are_not_shown():
    assert printable("a\x1b[2J\u202eb\n\tc\x00") == "a\ufffd[2J\ufffdb\n\tc\ufffd"
    assert short_line("a\n  b" + "c" * 400, 10) == "a bcccccc…"
