"""Notes that one box leaves for the next in the kernel's caches of the files that both read.

A page that was read is cached, and reading it again takes a microsecond; one that is not cached takes tens of
them. So whoever can evict pages, or finds pages that nobody has read, has a memory that outlives a box.
"""

import json
import os
import random
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from attacks.box.ground import Ground
from attacks.conftest import MakeRow
from support.boxes import Recorder, job_of

from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import LOOKUPS, DockerSandbox, shares_lookups
from studbook.sandbox.process_box import ProcessSandbox

GUEST = '''
import ctypes, json, mmap, os, random, time

PAGE = 4096

def files():
    """Large files that every box sees, in the same order."""
    found = []
    for top in ("/usr", "/lib64"):
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not os.path.islink(path) and os.path.isfile(path) and os.path.getsize(path) > 1 << 17:
                    found.append(path)
    return random.Random(5).sample(found, min(40, len(found)))

def places(count):
    pages = [(path, page) for path in files() for page in range(9, os.path.getsize(path) // PAGE - 1, 8)]
    return random.Random(7).sample(pages, count)

def evict(handle, page):
    libc = ctypes.CDLL(None, use_errno=True)
    ways = [lambda: os.posix_fadvise(handle, page * PAGE, PAGE, os.POSIX_FADV_DONTNEED),
            lambda: libc.syscall(28, *mapped(libc, handle, page), 21)]
    for way in ways:
        try:
            way()
        except OSError:
            pass

def mapped(libc, handle, page):
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    return ctypes.c_void_p(libc.mmap(None, PAGE, 1, 1, handle, page * PAGE)), ctypes.c_size_t(PAGE)

def main(box):
    asked = json.loads(box.read("asked.json"))
    if asked["do"] == "list":
        for path in files():
            box.log(path)
        return
    found = []
    for n, (path, page) in enumerate(places(asked["count"])):
        handle = os.open(path, os.O_RDONLY)
        if asked["do"] == "write":
            evict(handle, page)
        if asked["do"] == "read" or asked["bits"][n]:
            began = time.perf_counter_ns()
            os.pread(handle, 1, page * PAGE)
            found.append(time.perf_counter_ns() - began)
        os.close(handle)
    box.log(json.dumps(found))
'''
COUNT = 256
CACHED_NANOSECONDS = 12_000  # slower is not cached
CHANCE_AT_MOST = 168  # of 256 bits: five standard deviations above one half


def visit(ground: Ground, **asked: object) -> list[str]:
    recorder = Recorder({})
    job = job_of(GUEST, {"asked.json": json.dumps({"count": COUNT, **asked}).encode()})
    assert ground.sandbox.run(job, recorder).status is BoxStatus.FINISHED
    return recorder.logged


def on_the_host(ground: Ground, path: str) -> Path | None:
    """The file that a box sees at `path`; None if this user cannot reach it."""
    if isinstance(ground.sandbox, DockerSandbox):
        image = ground.sandbox.engine.find_image(ground.sandbox.image.image_id) or {}
        layer = (image.get("GraphDriver") or {}).get("Data", {}).get("UpperDir", "/nowhere")
        found = Path(layer + path)
    else:
        assert isinstance(ground.sandbox, ProcessSandbox)
        found = Path(f"{ground.sandbox.copy.root()}{path}")
    return found if os.access(found, os.R_OK) else None


def forget_files(ground: Ground) -> bool:
    """As if nobody had read them for a long time; False if it cannot be done here."""
    for path in visit(ground, do="list"):
        found = on_the_host(ground, path)
        if found is None:
            return False
        handle = os.open(found, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    return True


@pytest.mark.parametrize("start", ["as they are", "not cached"])
@pytest.mark.parametrize(
    "ground", [pytest.param("docker", marks=pytest.mark.docker), "bubblewrap"], indirect=True
)
def test_no_box_reads_what_another_left_in_the_page_cache(ground: Ground, start: str, attack_row: MakeRow):
    if start == "not cached" and not forget_files(ground):
        pytest.skip("this user cannot reach the image's files")
    bits = [random.Random(11 + n).randrange(2) for n in range(COUNT)]
    visit(ground, do="write", bits=bits)
    (line,) = visit(ground, do="read")
    read = [int(taken < CACHED_NANOSECONDS) for taken in json.loads(line)]
    right = sum(known == told for known, told in zip(read, bits, strict=True))
    attack_row(
        suite="box",
        name=f"notes in the page cache, pages {start}",
        sandbox=ground.kind,
        tried="evict pages of the image's files and read some; a later box times its reads",
        outcome=f"refused: {right} of {COUNT} bits right, {COUNT // 2} by chance",
    )
    assert right <= CHANCE_AT_MOST


def test_the_same_measurement_finds_the_bits_where_pages_can_be_evicted(tmp_path: Path):
    """Without walls, on this machine's disk; else the test above could pass because it measures nothing."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(tmp_path)], capture_output=True, check=True).stdout
    if kind.strip() in {b"tmpfs", b"ramfs"}:
        pytest.skip("pages of files in memory cannot be evicted")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.write(os.urandom(24 << 20))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    guest: dict[str, Any] = {}
    exec(GUEST, guest)  # noqa: S102
    guest["files"] = lambda: [str(large)]
    bits = [random.Random(11 + n).randrange(2) for n in range(COUNT)]
    told: list[str] = []
    for do in ("write", "read"):
        asked = json.dumps({"do": do, "bits": bits, "count": COUNT})
        guest["main"](SimpleNamespace(read=lambda _, asked=asked: asked, log=told.append))
    read = [int(taken < CACHED_NANOSECONDS) for taken in json.loads(told[1])]
    assert sum(known == bit for known, bit in zip(read, bits, strict=True)) > CHANCE_AT_MOST


ASKER = """
import json, os, time

def ask(path):
    began = time.perf_counter_ns()
    try:
        os.stat(path)
    except OSError:
        pass
    return time.perf_counter_ns() - began

def main(box):
    asked = json.loads(box.read("asked.json"))
    top = os.path.dirname(os.__file__)
    ask(top + "/first")
    taken = [ask(top + "/" + name) for name in asked["names"]]
    box.log(json.dumps(taken))
"""


def look_up(ground: Ground, names: list[str]) -> list[int]:
    """Nanoseconds that each name took, which nobody has."""
    recorder = Recorder({})
    job = job_of(ASKER, {"asked.json": json.dumps({"names": names}).encode()})
    assert ground.sandbox.run(job, recorder).status is BoxStatus.FINISHED
    taken: list[int] = json.loads(recorder.logged[0])
    return taken


@pytest.mark.parametrize(
    "ground", [pytest.param("docker", marks=pytest.mark.docker), "bubblewrap"], indirect=True
)
def test_what_a_box_looked_up_is_told_by_the_time_a_later_one_takes(ground: Ground, attack_row: MakeRow):
    names = [f"{uuid4().hex}" for _ in range(COUNT)]
    bits = [random.Random(13 + n).randrange(2) for n in range(COUNT)]
    look_up(ground, [name for name, bit in zip(names, bits, strict=True) if bit])
    taken = look_up(ground, names)
    right = sum(
        (time <= sorted(taken)[sum(bits)]) == bool(bit) for time, bit in zip(taken, bits, strict=True)
    )
    is_told = isinstance(ground.sandbox, DockerSandbox) and shares_lookups(ground.sandbox.engine.info())
    attack_row(
        suite="box",
        name="notes in names that were looked up",
        sandbox=ground.kind,
        tried="look up names that nobody has; a later box times the same names",
        outcome=f"{'' if is_told else 'refused: '}{right} of {COUNT} bits right, {COUNT // 2} by chance"
        + ("; an overlay on a disk keeps missing names for all boxes" if is_told else ""),
        weaker=is_told,
    )
    statement = ground.sandbox.statement
    assert (LOOKUPS in statement) == is_told
    assert right <= CHANCE_AT_MOST or LOOKUPS in statement
