"""The parts of the shim that are pure: its HTTP, and its system call filter run by a small interpreter."""

import ast
import errno
import json
import struct
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.sandbox.shim import MAX_BYTES, MODULES, PACKAGE, kit_sources, read_source, shim_source
from studbook.sandbox.shim.endpoint import (
    Head,
    Refused,
    completion_of,
    parse_head,
    parse_request,
    response_of,
    to_chat_body,
)
from studbook.sandbox.shim.protection import ARCHITECTURES, JUMP_IF_BITS, JUMP_IF_EQUAL, LOAD, filter_steps

ALLOWED = 0x7FFF0000
POST = b"POST /t/log HTTP/1.1\r\nHost: box\r\nContent-Length: 5\r\n\r\n"


def verdict(machine: str, call: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter says of a system call: `ALLOWED`, or the error number it returns."""
    arch = ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", call, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    steps, at, value = filter_steps(machine), 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == LOAD:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code == JUMP_IF_EQUAL:
            at += if_true if value == operand else if_false
        elif code == JUMP_IF_BITS:
            at += if_true if value & operand else if_false
        else:
            return operand if operand == ALLOWED else operand & 0xFFFF


@pytest.mark.parametrize(
    ("machine", "call", "argument", "expected"),
    [
        ("x86_64", 0, 0, ALLOWED),  # read
        ("x86_64", 41, 2, ALLOWED),  # socket, inet
        ("x86_64", 41, 1, ALLOWED),  # socket, unix
        ("x86_64", 41, 40, errno.EAFNOSUPPORT),  # socket, vsock
        ("x86_64", 41, 17, errno.EAFNOSUPPORT),  # socket, packet
        ("x86_64", 41, 38, errno.EAFNOSUPPORT),  # socket, alg
        ("x86_64", 425, 0, errno.ENOSYS),  # io_uring_setup
        ("x86_64", 435, 0, errno.ENOSYS),  # clone3
        ("x86_64", 101, 0, errno.EPERM),  # ptrace
        ("x86_64", 438, 0, errno.EPERM),  # pidfd_getfd
        ("x86_64", 103, 0, errno.EPERM),  # syslog
        ("x86_64", 56, 0x11, ALLOWED),  # clone as fork does it
        ("x86_64", 56, 0x10000011, errno.EPERM),  # clone with a user namespace
        ("x86_64", 0x40000000 | 41, 2, errno.ENOSYS),  # socket by its x32 number
        ("aarch64", 63, 0, ALLOWED),  # read
        ("aarch64", 142, 0, errno.EPERM),  # reboot
        ("aarch64", 198, 40, errno.EAFNOSUPPORT),
        ("aarch64", 220, 0x20000, errno.EPERM),
        ("aarch64", 426, 0, errno.ENOSYS),
        ("aarch64", 0, 0, errno.ENOSYS),  # io_setup
    ],
)
def test_the_filter_answers(machine: str, call: int, argument: int, expected: int):
    # the first argument stands at offset 16; struct seccomp_data has the instruction pointer before it
    assert verdict(machine, call, argument) == expected


CACHE_CALLS = {
    "x86_64": {"fadvise64": 221, "readahead": 187, "sync_file_range": 277, "mincore": 27, "cachestat": 451},
    "aarch64": {"fadvise64": 223, "readahead": 213, "sync_file_range": 84, "mincore": 232, "cachestat": 451},
}
MADVISE = {"x86_64": 28, "aarch64": 233}
PREADV2 = {"x86_64": 327, "aarch64": 286}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_no_call_evicts_a_page_of_the_cache_or_tells_whether_it_is_there(machine: str):
    for name, number in CACHE_CALLS[machine].items():
        assert verdict(machine, number) == errno.EPERM, name
    for advice in (20, 21):  # MADV_COLD, MADV_PAGEOUT
        assert verdict(machine, MADVISE[machine], 4096, 4096, advice) == errno.EPERM
    for advice in (0, 3, 4, 8, 14):  # normal, willneed, dontneed, free, hugepage: what allocators use
        assert verdict(machine, MADVISE[machine], 4096, 4096, advice) == ALLOWED
    for flags in (8, 0x80):  # RWF_NOWAIT, RWF_DONTCACHE
        assert verdict(machine, PREADV2[machine], 3, 0, 1, 0, 0, flags) == errno.ENOSYS
    assert verdict(machine, PREADV2[machine], 3, 0, 1, 0, 0, 0) == ALLOWED


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_of_another_architecture_do_not_exist(machine: str):
    assert verdict(machine, 0, architecture=0x40000003) == errno.ENOSYS


def test_the_shim_imports_the_standard_library_only():
    for module in MODULES:
        for node in ast.walk(ast.parse(read_source(PACKAGE, module))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in sys.stdlib_module_names or name.startswith(PACKAGE), name


@pytest.mark.parametrize("source", [*(read_source(PACKAGE, m) for m in MODULES), *kit_sources().values()])
def test_what_runs_in_a_box_is_python_3_9(source: str):
    ast.parse(source, feature_version=(3, 9))


def test_the_bundle_fits_into_an_argument():
    compile(shim_source(), "shim", "exec")
    assert len(shim_source().encode()) < MAX_BYTES


def test_a_head_is_read_once_it_is_whole():
    assert parse_head(POST[:-1]) is None
    assert parse_head(POST + b"[1,2]") == Head("POST", "/t/log", len(POST), 5)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"x" * 20_000, 431),
        (b"GET\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", 400),
    ],
)
def test_a_head_of_another_kind_is_refused(data: bytes, status: int):
    with pytest.raises(Refused) as caught:
        parse_head(data)
    assert caught.value.args[0] == status


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_an_unfinished_head_or_refused(data: bytes):
    try:
        head = parse_head(data)
    except Refused:
        return
    assert head is None or head.body_bytes >= 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/t/log", b"{}", 404),
        ("POST", "/other/log", b"{}", 404),
        ("POST", "/t/admit", b"{}", 404),
        ("POST", "/t/v1/models", b"{}", 404),
        ("POST", "/t/log", b"[]", 400),
        ("POST", "/t/log", b"{", 400),
        ("POST", "/t/log", b"[" * 100_000, 400),
        ("POST", "/t/v1/chat/completions", b"{}", 400),
        ("POST", "/t/v1/chat/completions", b'{"model":"m","messages":[1]}', 400),
        ("POST", "/t/v1/chat/completions", b'{"model":"m","messages":[],"stream":true}', 400),
        ("POST", "/t/v1/chat/completions", b'{"model":"m","messages":[],"tools":[]}', 400),
    ],
)
def test_what_is_not_offered_is_refused(method: str, path: str, body: bytes, status: int):
    with pytest.raises(Refused) as caught:
        parse_request(Head(method, path, 0, len(body)), body, "t")
    assert caught.value.args[0] == status


def test_errors_get_a_status_that_clients_do_not_retry():
    for type_, status in {"model_failed": 424, "budget_spent": 403, "refused": 400}.items():
        assert completion_of({"error": {"type": type_, "message": "no"}})[0] == status


def test_a_response_is_one_block_of_head_and_body():
    data = response_of(200, {"text": "ä"})
    head, _, body = data.partition(b"\r\n\r\n")
    assert json.loads(body) == {"text": "ä"}
    assert f"Content-Length: {len(body)}".encode() in head


def test_a_json_schema_in_openais_form_becomes_ours():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}
    request = {"model": "verifier", "messages": [], "response_format": form}
    assert to_chat_body(request) == {"role": "verifier", "messages": [], "json_schema": schema}
