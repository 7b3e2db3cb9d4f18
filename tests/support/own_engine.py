"""A Docker engine of our own, which is really stopped, killed and started again.

Its process lives in namespaces of its own: network (a second engine would delete the bridge of the first),
mounts (its data is a tmpfs there, gone with it) and processes (the kernel ends all that is in it, shims and
boxes included, with the first process). That one takes its orders on its stdin and ends with it, so nothing
is left however the controller ends. Needs root and a dockerd; reaches no registry.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 60.0
NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
CGROUPS = Path("/sys/fs/cgroup")
COVERED = ("/run", "/etc/docker")  # where an engine keeps what is not told to it
SHORT = "/tmp"  # a socket's path has a hundred characters; pytest's folders have more
FREEZING = {"freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}
FIRST_PASSED = 3  # systemd's number for the first socket that it hands over

Opened = tuple[int, int, str, int, int]
Doubled = tuple[int, int, int]
"""What `posix_spawn` is to do with a handle."""


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """The controller's side."""

    folder: Path
    process: "subprocess.Popen[str]"

    @property
    def address(self) -> str:
        return f"unix://{socket_of(self.folder)}"

    def say(self, word: str) -> None:
        """Returns when it is done: `start`; `stop` (SIGTERM); `kill` (SIGKILL to the engine, whose containerd
        goes with it while shims and boxes stay); `crash` (SIGKILL to all of them); `freeze` and `thaw`
        (the engine)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        if (answer := self.process.stdout.readline().strip()) != word:
            raise AssertionError(f"own engine, {word}: {answer or 'it is gone'}\n{self.log()}")

    def log(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return log_of(self.folder).read_text(errors="replace")[-2000:]
        return ""


def obstacle() -> str:
    """Why there cannot be an engine of our own here; "" when there can."""
    if os.geteuid() != 0:
        return "only root may start an engine"
    missing = [name for name in ("dockerd", "unshare") if shutil.which(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)} here"
    trial = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return f"no namespaces: {trial.stderr.strip()}" if trial.returncode else ""


@contextmanager
def own_engine(*options: str, keeps_socket: bool = False) -> Iterator[OwnEngine]:
    """Has been started. `options` are dockerd's. `keeps_socket`: its socket outlives it, as systemd's."""
    folder = Path(tempfile.mkdtemp(prefix="sb-", dir=SHORT))
    inside = [sys.executable, "-m", "support.own_engine", str(folder), "kept" if keeps_socket else "own"]
    process = subprocess.Popen(
        ["unshare", *NAMESPACES, *inside, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        start_new_session=True,  # a Ctrl-C is for the controller, which ends it in order
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        engine = OwnEngine(folder, process)
        engine.say("start")
        yield engine
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        _end(process)
        process.stdout.close()
        remove_traces(folder)


def freezing(engine: OwnEngine, seconds: float) -> Callable[[str, dict[str, object]], dict[str, object]]:
    """A handler of a box: a moment after its first request the engine is frozen for so many seconds."""
    asked = threading.Lock()

    def answer(_kind: str, _body: dict[str, object]) -> dict[str, object]:
        if asked.acquire(blocking=False):
            threading.Timer(0.2, freeze).start()
        return {}

    def freeze() -> None:
        engine.say("freeze")
        time.sleep(seconds)
        engine.say("thaw")

    return answer


def _end(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # and with it all that is in the namespaces
        process.wait()


def remove_traces(folder: Path) -> None:
    """After the last process in it has ended; also when all is gone already."""
    for cgroup in cgroups_of(folder):
        for path in sorted(cgroup.glob("**/"), reverse=True):
            with contextlib.suppress(FileNotFoundError):
                path.rmdir()
    shutil.rmtree(folder, ignore_errors=True)


def cgroups_of(folder: Path) -> list[Path]:
    """Of its boxes: one, or one for each controller where these have trees of their own."""
    return [path for path in (CGROUPS / folder.name, *CGROUPS.glob(f"*/{folder.name}")) if path.exists()]


def socket_of(folder: Path) -> Path:
    return folder / "socket"


def log_of(folder: Path) -> Path:
    return folder / "log"


class _Keeper:
    """The first process of the namespaces: starts the engine, ends it, and reaps whatever is orphaned."""

    def __init__(self, folder: Path, options: list[str], *, keeps_socket: bool) -> None:
        self._folder = folder
        self._options = options
        self._engine = 0
        self._ended: set[int] = set()
        self._socket = _listening(socket_of(folder)) if keeps_socket else None
        signal.signal(signal.SIGCHLD, self._reap)

    def _reap(self, *_: object) -> None:
        """An engine takes a dead containerd that nobody reaped for a living one."""
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self._ended.add(pid)

    def obey(self, word: str) -> str:
        if word == "start":
            return self._start() or word
        if word in FREEZING:
            os.kill(self._engine, FREEZING[word])
            return word
        target = -1 if word == "crash" else self._engine
        os.kill(target, signal.SIGTERM if word == "stop" else signal.SIGKILL)
        return word if self._has_ended(STOP_SECONDS) else f"still there after {STOP_SECONDS:g} s"

    def _start(self) -> str:
        self._engine = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *self._command()],
            {**os.environ, **({"LISTEN_FDS": "1"} if self._socket else {})},
            file_actions=self._handles(),
        )
        deadline = time.monotonic() + START_SECONDS
        while not answers(socket_of(self._folder)):
            if self._engine in self._ended:
                return "it ended at once"
            if time.monotonic() > deadline:
                return f"no answer within {START_SECONDS:g} s"
            time.sleep(0.02)
        return ""

    def _command(self) -> list[str]:
        own = self._folder / "own"
        return [
            "dockerd",
            f"--host={'fd://' if self._socket else f'unix://{socket_of(self._folder)}'}",
            f"--data-root={own / 'data'}",
            f"--exec-root={own / 'exec'}",
            f"--pidfile={own / 'pid'}",
            f"--cgroup-parent=/{self._folder.name}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            "--bridge=none",
            "--iptables=false",
            "--ip-forward=false",
            *self._options,
        ]

    def _handles(self) -> "list[Opened | Doubled]":
        """Its stdin is not ours, which has the orders."""
        log = str(log_of(self._folder))
        nothing: Opened = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        told: Opened = (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        handles: list[Opened | Doubled] = [nothing, told, (os.POSIX_SPAWN_DUP2, 1, 2)]
        if self._socket:
            handles.append((os.POSIX_SPAWN_DUP2, self._socket.fileno(), FIRST_PASSED))
        return handles

    def _has_ended(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._engine not in self._ended and time.monotonic() < deadline:
            time.sleep(0.01)
        return self._engine in self._ended

    def end(self) -> None:
        """All that is in here but this process; what it mounted goes with the namespace."""
        while True:
            try:
                os.kill(-1, signal.SIGKILL)
                time.sleep(0.01)
            except ProcessLookupError:
                return


def answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(5)
            trial.connect(str(path))
            trial.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in trial.recv(64)
    except OSError:
        return False


def _listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen(128)
    return server


def _mount_all(folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    for place in (str(own), *COVERED):
        if Path(place).is_dir():
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)


def main(place: str, socket_is: str, *options: str) -> None:
    folder = Path(place)
    _mount_all(folder)
    keeper = _Keeper(folder, [*options], keeps_socket=socket_is == "kept")
    try:
        for line in sys.stdin:
            sys.stdout.write(f"{keeper.obey(line.strip())}\n")
            sys.stdout.flush()
    finally:
        keeper.end()
        subprocess.run(["umount", "--lazy", str(folder / "own")], check=False)
        remove_traces(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
