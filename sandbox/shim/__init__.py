"""PID 1 of a box: hands the harness its job and carries its requests out and the replies in.

    stdin   {"folder": path}, {"file": path, "data": base64}…, {"start": {…}}, then {"id": n, "reply": {…}}…
    stdout  {"kind": "ready" | "request" | "output" | "end", …}, one JSON object a line

The modules beside this one run *inside* the box, so: standard library only, Python >= 3.9, no pathlib (10 ms
a box). `shim_source` makes one text of them, to be the argument of `python3 -I -u -c`: no file has to be in
the image and nothing is mounted. The shim is frozen but not trusted: the host validates all it says.

One thread and one `select` loop, because a harness may fork until no thread can be started any more. It
enforces no budget and no deadline (the host does), and what an entry function returns is ignored.
"""

from functools import cache
from importlib.resources import files

from studbook.identity import hash_bytes

PACKAGE = __name__
MODULES = ("protection", "harness", "endpoint", "loop")  # each needs only earlier ones
MAX_BYTES = 120_000  # Linux takes no argument of 128 KiB or more

LOADER = """\
import sys, types
for name, source in {sources!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules[{main!r}].main()
"""


@cache
def shim_source() -> str:
    """The whole shim; it runs when executed."""
    sources = [(f"{PACKAGE}.{name}", read_source(PACKAGE, name)) for name in MODULES]
    text = LOADER.format(sources=sources, main=f"{PACKAGE}.loop")
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"the shim has grown to {len(text.encode())} bytes, an argument takes {MAX_BYTES}")
    return text


@cache
def kit_source() -> str:
    """What a harness imports as `harness_kit`."""
    return read_source("studbook.harnesses", "harness_kit")


def shim_hash() -> str:
    """Names exactly what runs in the box beside the harness; recorded with the environment of a run."""
    return hash_bytes((shim_source() + kit_source()).encode())


def read_source(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.py").read_text(encoding="utf-8")
