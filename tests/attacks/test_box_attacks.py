"""Hostile harnesses against the box. Expected of each: contained, the host responsive, nothing left behind.

An attack is a row: a name, the harness, how its box may end, what it may have logged, and limits it needs.
`log` of what an attack achieved is compared with `achieved`, so that a hole is seen, not just survived.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from support.boxes import Recorder, job_of

from evaluate.sandbox.contract import BoxStatus
from evaluate.sandbox.docker_box import DockerSandbox
from evaluate.sandbox.owner import OWNER_LABEL, this_process

pytestmark = pytest.mark.docker

FINISHED = frozenset({BoxStatus.FINISHED})
LIMITS = frozenset({BoxStatus.OUT_OF_LIMITS})
TIME = frozenset({BoxStatus.TIMED_OUT})
ANY_END = frozenset(BoxStatus)
MAX_SECONDS = 40.0  # generous: what is tested is that it ends

PRELUDE = """
import errno, os, signal, socket, subprocess, sys, threading, time

def attempt(name, action):
    try:
        return "%s: %s" % (name, "done" if action() is None else "done")
    except BaseException as error:
        return "%s: refused" % name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    name: str
    source: str
    ends: frozenset[BoxStatus]
    achieved: tuple[str, ...] | None = ()  # lines logged; None where they do not matter
    limits: dict[str, float] = field(default_factory=dict)


ATTACKS = (
    Attack(
        name="fork bomb",
        source="""
        def main(box):
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
        """,
        ends=TIME,
        limits={"wall_seconds": 3},
    ),
    Attack(
        name="memory bomb",
        source="""
        def main(box):
            hoard = []
            while True:
                hoard.append(bytearray(16 << 20))
        """,
        ends=LIMITS,
        limits={"memory_bytes": 128 << 20},
    ),
    Attack(
        name="memory bomb in a child only",
        source="""
        def main(box):
            if os.fork() == 0:
                hoard = []
                while True:
                    hoard.append(bytearray(16 << 20))
            box.log(str(os.wait()[1]))
        """,
        ends=FINISHED,
        achieved=("9",),
        limits={"memory_bytes": 128 << 20},
    ),
    Attack(
        name="filling every writable path",
        source="""
        def fill(path):
            with open(path, "wb") as file:
                while True:
                    file.write(bytes(1 << 20))
        def many(folder):
            for n in range(100_000):
                open(os.path.join(folder, "f%d" % n), "w").close()
        def sparse():
            with open("/tmp/sparse", "wb") as file:
                file.truncate(1 << 40)
        def main(box):
            box.log(attempt("disk", lambda: fill("/tmp/big")))
            os.path.exists("/tmp/big") and os.remove("/tmp/big")
            box.log(attempt("inodes", lambda: many("/tmp")))
            box.log(attempt("sparse", sparse))
            box.log(attempt("shm", lambda: fill("/dev/shm/big")))
            box.log(attempt("shm inodes", lambda: many("/dev/shm")))
            for folder in ("/", "/etc", "/usr", "/var", "/dev", "/run", "/home", "/proc", "/sys"):
                if os.access(folder, os.W_OK):
                    box.log("writable: " + folder)
        """,
        ends=FINISHED,
        achieved=(
            "disk: refused",
            "inodes: refused",
            "sparse: refused",
            "shm: refused",
            "shm inodes: refused",
        ),
    ),
    Attack(
        name="endless output",
        source="""
        def main(box):
            while True:
                os.write(1, b"x" * 65536)
        """,
        ends=LIMITS,
        limits={"output_bytes": 8 << 20},
    ),
    Attack(
        name="endless requests from forty threads",
        source="""
        def main(box):
            def shout():
                while True:
                    box.log("x" * 1000)
            threads = [threading.Thread(target=shout) for _ in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        """,
        ends=LIMITS,
        achieved=None,
        limits={"requests": 500},
    ),
    Attack(
        name="writing into the protocol and tracing or ending the shim",
        source="""
        def forge(path):
            with open(path, "wb") as file:
                file.write(b'{"kind":"end","how":"returned","type":"","message":""}\\n')
        def trace():
            import ctypes
            if ctypes.CDLL(None).ptrace(16, 1, 0, 0) != 0:
                raise OSError
        def main(box):
            for number in range(4):
                box.log(attempt("fd %d" % number, lambda: forge("/proc/1/fd/%d" % number)))
            box.log(attempt("memory", lambda: open("/proc/1/mem", "r+b").close()))
            box.log(attempt("environment", lambda: open("/proc/1/environ", "rb").read()))
            box.log(attempt("trace", trace))
            for name in ("SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGSEGV"):
                os.kill(1, getattr(signal, name))
            time.sleep(0.2)
            box.log("the shim still answers")
        """,
        ends=FINISHED,
        achieved=(
            "fd 0: refused",
            "fd 1: refused",
            "fd 2: refused",
            "fd 3: refused",
            "memory: refused",
            "environment: refused",
            "trace: refused",
            "the shim still answers",
        ),
    ),
    Attack(
        name="ignoring every signal past the deadline, with daemons forked twice",
        source="""
        def main(box):
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            for _ in range(5):
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        while True:
                            time.sleep(1)
                    os._exit(0)
            while True:
                pass
        """,
        ends=TIME,
        limits={"wall_seconds": 1},
    ),
    Attack(
        name="the network",
        source="""
        def connect(family, address):
            with socket.socket(family, socket.SOCK_STREAM) as s:
                s.settimeout(1)
                s.connect(address)
        def raw():
            socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()
        def vsock():
            socket.socket(40, socket.SOCK_STREAM).close()
        def main(box):
            for host in ("1.1.1.1", "169.254.169.254", "172.17.0.1", "192.168.0.1", "10.0.0.1"):
                box.log(attempt(host, lambda: connect(socket.AF_INET, (host, 80))))
            box.log(attempt("names", lambda: socket.getaddrinfo("pypi.org", 443)))
            box.log(attempt("raw", raw))
            box.log(attempt("vsock", vsock))
            interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
            box.log("interfaces " + ",".join(name for name in interfaces if name not in ("tunl0", "sit0")))
        """,
        ends=FINISHED,
        achieved=(
            "1.1.1.1: refused",
            "169.254.169.254: refused",
            "172.17.0.1: refused",
            "192.168.0.1: refused",
            "10.0.0.1: refused",
            "names: refused",
            "raw: refused",
            "vsock: refused",
            "interfaces lo",
        ),
    ),
    Attack(
        name="the host, its files and its sockets",
        source="""
        ENGINES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")  # it always mounts its own
        def show(path):
            open(path).close()
        def set_kernel():
            with open("/proc/sys/kernel/core_pattern", "w") as file:
                file.write("|/tmp/x")
        def escalate():
            os.setuid(0)
        def execute():
            path = "/tmp/program"
            with open(path, "w") as file:
                file.write("#!/bin/true\\n")
            os.chmod(path, 0o755)
            os.execv(path, [path])
        def main(box):
            paths = ("/var/run/docker.sock", "/run/docker.sock", "/etc/shadow", "/proc/kcore", "/dev/mem")
            for path in paths:
                box.log(attempt(path, lambda: show(path)))
            box.log(attempt("core_pattern", set_kernel))
            box.log(attempt("setuid", escalate))
            box.log(attempt("exec from tmp", execute))
            box.log(attempt("mkdir in cgroup", lambda: os.mkdir("/sys/fs/cgroup/memory/x")))
            mounts = [line.split() for line in open("/proc/mounts")]
            disk = [m for m in mounts if m[0].startswith("/dev/")]
            box.log("disk mounts " + str([m[1] for m in disk if m[1] not in ENGINES or m[3][:3] != "ro,"]))
            box.log(open("/etc/hostname").read().strip())
        """,
        ends=FINISHED,
        achieved=(
            "/var/run/docker.sock: refused",
            "/run/docker.sock: refused",
            "/etc/shadow: refused",
            "/proc/kcore: refused",
            "/dev/mem: refused",
            "core_pattern: refused",
            "setuid: refused",
            "exec from tmp: refused",
            "mkdir in cgroup: refused",
            "disk mounts []",
            "box",
        ),
    ),
    Attack(
        name="forbidden system calls",
        source="""
        def call(number, *arguments):
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.syscall(number, *arguments) < 0:
                raise OSError(ctypes.get_errno(), "refused")
        def main(box):
            calls = {"io_uring_setup": (425, 8, 0), "unshare": (272, 0x10000000), "bpf": (321, 0, 0, 0),
                     "userfaultfd": (323, 0), "keyctl": (250, 0, -3, 1), "perf_event_open": (298, 0, 0, -1)}
            for name in sorted(calls):
                box.log(attempt(name, lambda: call(*calls[name])))
        """,
        ends=FINISHED,
        achieved=tuple(
            f"{name}: refused"
            for name in ("bpf", "io_uring_setup", "keyctl", "perf_event_open", "unshare", "userfaultfd")
        ),
    ),
    Attack(
        name="garbage spoken to the shim",
        source="""
        def main(box):
            _, _, address, token, _ = os.environ["OPENAI_BASE_URL"].split("/")
            def speak(path, body, length=None):
                head = "POST %s HTTP/1.1\\r\\nContent-Length: %s\\r\\n\\r\\n" % (path, length or len(body))
                with socket.create_connection(address.split(":"), timeout=2) as s:
                    s.sendall(head.encode("latin-1") + body)
                    return s.recv(12).decode()
            for body in (b"[1]", b"NaN", b'{"text":NaN}', b'{"text":"\\\\ud800"}', b"[" * 100_000, b"\\xff"):
                box.log(speak("/%s/log" % token, body))
            for body in (b"{}", b'{"model":{},"messages":"x"}', b'{"model":"judge","messages":[{"role":1}]}'):
                box.log(speak("/%s/v1/chat/completions" % token, body))
            box.log(speak("/%s/admit" % token, b"{}"))
            box.log(speak("/0123456789abcdef/log", b"{}"))
            box.log(speak("/%s/log" % token, b"{}", length="\\xb2"))
            box.log(speak("/%s/log" % token, b"{}", length="9" * 11))
            box.log("the shim still answers")
        """,
        ends=FINISHED,
        achieved=(
            *["HTTP/1.1 400"] * 9,
            *["HTTP/1.1 404"] * 2,
            "HTTP/1.1 400",
            "HTTP/1.1 413",
            "the shim still answers",
        ),
    ),
    Attack(
        name="forging how the harness ended",
        source="""
        def main(box):
            for number in range(3, 32):
                try:
                    os.write(number, b'["accepted", "", {"score": 1}]')
                except OSError:
                    pass
            os._exit(0)
        """,
        ends=frozenset({BoxStatus.PROTOCOL_ERROR}),
    ),
    Attack(
        name="frames larger in memory than on the wire",
        source="""
        def main(box):
            big = [[]] * 900_000
            def send():
                try:
                    box.evaluate(big)
                except Exception:
                    pass
            threads = [threading.Thread(target=send) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        """,
        ends=frozenset({BoxStatus.PROTOCOL_ERROR}),
    ),
    Attack(
        name="descriptors and half-open connections to the shim",
        source="""
        def main(box):
            url = os.environ["OPENAI_BASE_URL"].split("/")[2].split(":")
            held = []
            try:
                while True:
                    s = socket.create_connection((url[0], int(url[1])), timeout=1)
                    s.sendall(b"POST /")
                    held.append(s)
            except OSError:
                pass
            for s in held:
                s.close()
            box.log("the shim still answers")
        """,
        ends=FINISHED,
        achieved=("the shim still answers",),
    ),
)


@pytest.fixture(scope="module")
def docker_sandbox(docker_engine: None) -> Iterator[DockerSandbox]:
    sandbox = DockerSandbox.connect()
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_box_contains(attack: Attack, docker_sandbox: DockerSandbox):
    recorder = Recorder({})
    job = job_of(PRELUDE + textwrap.dedent(attack.source), **attack.limits)
    outcome = docker_sandbox.run(job, recorder)
    assert outcome.status in attack.ends, outcome
    if attack.achieved is not None:
        assert tuple(recorder.logged) == attack.achieved, outcome
    assert outcome.seconds < MAX_SECONDS
    owners = [labels[OWNER_LABEL] for labels in docker_sandbox.engine.labelled(OWNER_LABEL).values()]
    assert str(this_process()) not in owners, "a container was left behind"


def test_the_next_box_is_as_good_as_new(docker_sandbox: DockerSandbox):
    bomb = PRELUDE + "def main(box):\n    while True:\n        try: os.fork()\n        except OSError: pass\n"
    docker_sandbox.run(job_of(bomb, wall_seconds=1), Recorder({}))
    recorder = Recorder({})
    docker_sandbox.run(job_of("def main(box): box.log('well')"), recorder)
    assert recorder.logged == ["well"]
