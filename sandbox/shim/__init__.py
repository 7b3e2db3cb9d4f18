"""PID 1 of a box: gives the harness its job, and transports its requests and their replies.

    stdin   {"folder": path}, {"file": path, "data": base64}…, {"start": {…}}, then {"id": n, "reply": {…}}…
    stdout  {"kind": "ready" | "request" | "output" | "end", …}, one JSON object per line

The modules in this folder run *inside* the box: standard library only, Python >= 3.9, no pathlib (10 ms per
box). `shim_source` joins them into one text, the argument of `python3 -I -u -c`, so no file has to be in the
image and nothing is mounted. The shim is frozen but not trusted: the host validates everything it sends.

It has one thread and one `select` loop, because a harness may fork until no thread can be started. It
enforces no budget and no deadline (the host does), and ignores the return value of the entry function.
"""

from functools import cache
from importlib.resources import files

from studbook.identity import hash_bytes

PACKAGE = __name__
MODULES = ("protection", "harness", "endpoint", "loop")  # each needs only earlier ones
MAX_BYTES = 120_000  # Linux accepts no argument of 128 KiB or more

LOADER = """\
import sys, types
for name, source in {sources!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules[{main!r}].main()
"""


@cache
def shim_source() -> str:
    """The whole shim as one source text; executing it runs the shim."""
    sources = [(f"{PACKAGE}.{name}", read_source(PACKAGE, name)) for name in MODULES]
    text = LOADER.format(sources=sources, main=f"{PACKAGE}.loop")
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(
            f"the shim has {len(text.encode())} bytes, but an argument may have at most {MAX_BYTES}"
        )
    return text


@cache
def kit_sources() -> dict[str, str]:
    """What a harness may import, by name, in the order of loading: `harness_kit`, and what it needs."""
    return {
        "studbook.llm.json_reader": read_source("studbook.llm", "json_reader"),
        "harness_kit": read_source("studbook.harnesses", "harness_kit"),
    }


def box_sources() -> dict[str, str]:
    """All source that is injected into a box, by name."""
    shim = {name: read_source(PACKAGE, name) for name in MODULES}
    return {**shim, **kit_sources()}


def shim_hash() -> str:
    """Identifies the code that runs in the box besides the harness; recorded in a run's environment."""
    return hash_bytes("".join([shim_source(), *kit_sources().values()]).encode())


def read_source(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.py").read_text(encoding="utf-8")
