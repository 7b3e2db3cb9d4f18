"""The harness's process: forked from the shim before its loop starts, with no access to the protocol.

Its stdout and stderr go to a pipe, its result to another. Forking avoids a second start of Python.
"""

# Importing pathlib would cost every box 10 ms.
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from studbook.sandbox.shim.protection import make_dumpable


class Harness(NamedTuple):
    """A forked harness: its process id, and descriptors for its output, its result and the start signal."""

    pid: int
    output: int
    result: int
    go: int


def fork_harness(folder: str, start: dict[str, Any], port: int, token: str) -> Harness:
    """Start the harness; it waits until a byte is written to `go`."""
    output_read, output_write = os.pipe()
    result_read, result_write = os.pipe()
    go_read, go_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        keep_only(output_write, {result_write, go_read})
        os.read(go_read, 1)
        become_harness(folder, start, port, token, result_write)
    for descriptor in (output_write, result_write, go_read):
        os.close(descriptor)
    os.set_blocking(output_read, False)
    os.set_blocking(result_read, False)
    return Harness(pid, output_read, result_read, go_write)


def keep_only(output: int, kept: set[int]) -> None:
    """Close all other descriptors; the shim has few at this point, and cannot read /proc/self."""
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for descriptor in set(range(3, 64)) - kept:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def become_harness(folder: str, start: dict[str, Any], port: int, token: str, result: int) -> NoReturn:
    os.setsid()
    make_dumpable()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # if memory runs out, the kernel should kill this process, not the shim
    confine(start)
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(start["environment"])
    os.environ.update(
        HOME=folder, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/{token}/v1", OPENAI_API_KEY="box"
    )
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    how, name, message = call_entry(folder, start, port, token)
    with contextlib.suppress(OSError):
        os.write(result, json.dumps([how, name[:200], message[:1000]]).encode("ascii"))
    os._exit(0 if how == "returned" else 1)


def confine(start: dict[str, Any]) -> None:
    """Lower this process's priority; set limits and user where no engine did."""
    os.nice(start["niceness"])
    if start["rlimits"]:
        import resource  # only the process sandbox needs it

        for number, value in start["rlimits"]:
            resource.setrlimit(number, (value, value))
    if start["user"] is not None:
        os.setgroups([])
        os.setgid(start["user"])
        os.setuid(start["user"])
        make_dumpable()  # changing the user resets it


def call_entry(folder: str, start: dict[str, Any], port: int, token: str) -> tuple[str, str, str]:
    """(how it ended, exception type, message)."""
    try:
        if sys.flags.no_site:
            add_names_of_site()
        for name, source in start["kit"]:
            kit = load_module(name, name.rpartition(".")[2] + ".py", source)
        sender = kit.LoopbackSender(("127.0.0.1", port), "/" + token)
        find_entry(folder, start["entry"])(kit.Box(start["payload"], reader_of(folder), sender))
        return "returned", "", ""
    except SystemExit as error:
        return ("raised", "SystemExit", str(error.code)) if error.code else ("returned", "", "")
    except BaseException as error:  # noqa: BLE001 (the boundary of the harness: everything is reported)
        return describe(error)


def add_names_of_site() -> None:
    """Adds `exit` and similar names, so that a harness that uses them ends the same way in every box."""
    import site

    site.setquit()
    site.setcopyright()
    site.sethelper()


def describe(error: BaseException) -> tuple[str, str, str]:
    try:
        import traceback  # slow to import, and most boxes need none

        traceback.print_exc()
        return "raised", type(error).__name__, str(error)
    except BaseException:  # noqa: BLE001 (an exception whose __str__ fails, or no memory left to print it)
        return "raised", type(error).__name__, ""


def find_entry(folder: str, entry: str) -> Callable[[Any], object]:
    """The function named by "file.py:function"; loaded as a file, so that no installed module shadows it."""
    path, _, function = entry.partition(":")
    with open(os.path.join(folder, path), encoding="utf-8-sig") as file:
        module = load_module(path[:-3].replace("/", "."), os.path.join(folder, path), file.read())
    found: Callable[[Any], object] = getattr(module, function)
    return found


def load_module(name: str, path: str, source: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 (running the harness is the purpose)
    return module


def reader_of(folder: str) -> Callable[[str], str]:
    def read_file(path: str) -> str:
        with open(os.path.join(folder, path), encoding="utf-8-sig") as file:
            return file.read()

    return read_file
