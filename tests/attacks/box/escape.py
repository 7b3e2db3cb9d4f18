"""Attacks on the walls: the host's files, keys, sockets, network and kernel, and the interpreter inside."""

from attacks.box.attack import (
    ANYTHING,
    CRASHED,
    FINISHED,
    TIME,
    Achieved,
    Attack,
    NotRun,
    Weaker,
    all_refused,
)

NO_WALLS = "no isolation from this machine's files and network"
AS_ROOT = "as root it could change this machine"

SHADOW = b"raise SystemExit('shadowed')\n"
SHADOWED = ("json", "socket", "os", "site", "sitecustomize", "usercustomize", "harness_kit", "selectors")

CALLS = {
    "add_key": 248,
    "bpf": 321,
    "cachestat": 451,
    "fadvise64": 221,
    "fanotify_init": 300,
    "fsopen": 430,
    "inotify_init1": 294,
    "io_setup": 206,
    "io_uring_setup": 425,
    "kcmp": 312,
    "kexec_load": 246,
    "keyctl": 250,
    "mincore": 27,
    "mount": 165,
    "mount_setattr": 442,
    "open_tree": 428,
    "perf_event_open": 298,
    "pidfd_getfd": 438,
    "pivot_root": 155,
    "process_vm_readv": 310,
    "ptrace": 101,
    "readahead": 187,
    "setns": 308,
    "sync_file_range": 277,
    "unshare": 272,
    "userfaultfd": 323,
}
DRASTIC_CALLS = {
    "acct": 163,
    "delete_module": 176,
    "finit_module": 313,
    "init_module": 175,
    "ioperm": 173,
    "reboot": 169,
    "swapoff": 168,
    "syslog": 103,
}


def calls(numbers: dict[str, int]) -> tuple[str, Achieved]:
    """Source that makes each call with arguments that a kernel would accept or fault on, and what is due."""
    source = f"""
        def attack(box):
            arguments = {{"unshare": (0x10000000,), "syslog": (10,), "ioperm": (0x80, 1, 1), "reboot": (0,)}}
            for name, number in {sorted(numbers.items())!r}:
                box.log(attempt(name, lambda: call(number, *arguments.get(name, (0, 0, 0, 0, 0)))))
        """
    return source, all_refused(*sorted(numbers))


NUMBERS_ARE_OF = "x86_64"
FORBIDDEN, FORBIDDEN_REFUSED = calls(CALLS)
DRASTIC, DRASTIC_REFUSED = calls(DRASTIC_CALLS)

ESCAPES = (
    Attack(
        name="keys in the environment",
        tried="a key of the host in the box's environment and memory",
        source="""
        def attack(box):
            halves = box.read("needle.txt").split()
            box.log("environment: " + ("done" if found(repr(os.environ).encode(), halves) else "refused"))
            box.log("memory: " + ("done" if any(found(data, halves) for data in memory()) else "refused"))
            box.log("own key: " + os.environ["OPENAI_API_KEY"])
        """,
        achieved=("environment: refused", "memory: refused", "own key: box"),
    ),
    Attack(
        name="keys in /proc/*/environ",
        tried="the environment of every process it can see",
        source="""
        def attack(box):
            key = "".join(box.read("needle.txt").split()).encode()
            seen = 0
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        with open("/proc/%s/environ" % name, "rb") as file:
                            seen += key in file.read()
                    except OSError:
                        pass
            box.log("keys: " + ("done" if seen else "refused"))
        """,
        achieved=all_refused("keys"),
        plain=Weaker(
            because="it sees this user's processes and their environments", achieved=("keys: done",)
        ),
    ),
    Attack(
        name="other processes",
        tried="count the processes that are not the box's",
        source="""
        def attack(box):
            pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
            box.log("others: " + ("done" if pids - {1, os.getpid(), os.getppid()} else "refused"))
        """,
        achieved=all_refused("others"),
        plain=Weaker(because="it sees this machine's processes", achieved=("others: done",)),
    ),
    Attack(
        name="the engine's socket",
        tried="connect to docker, containerd and podman sockets",
        source="""
        def attack(box):
            def connect(path):
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(1)
                    s.connect(path)
            for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
                         "/run/podman/podman.sock"):
                box.log(attempt(path, lambda: connect(path)))
        """,
        achieved=all_refused(
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run/containerd/containerd.sock",
            "/run/podman/podman.sock",
        ),
        plain=Weaker(because="it may use the sockets that this user may", achieved=ANYTHING),
    ),
    Attack(
        name="other sockets of the host",
        tried="listeners of the host: a path, an abstract name, loopback, every interface",
        source="""
        def attack(box):
            path, port, addresses = json.loads(box.read("listeners.json"))
            def connect(family, address):
                with socket.socket(family) as s:
                    s.settimeout(1)
                    s.connect(address)
            box.log(attempt("path", lambda: connect(socket.AF_UNIX, path)))
            box.log(attempt("abstract", lambda: connect(socket.AF_UNIX, "\\0" + TOKEN)))
            box.log(attempt("loopback", lambda: connect(socket.AF_INET, ("127.0.0.1", port))))
            for address in addresses:
                box.log(attempt("interface", lambda: connect(socket.AF_INET, (address, port))))
        """,
        achieved=all_refused("path", "abstract", "loopback", "interface"),
        plain=Weaker(
            because=NO_WALLS, achieved=("path: done", "abstract: done", "loopback: done", "interface: done")
        ),
    ),
    Attack(
        name="files of the host and the evaluator",
        tried="files of the host's temporary folder, the evaluator, /etc, /root; devices of memory",
        source="""
        def attack(box):
            paths = json.loads(box.read("paths.json"))
            for name in sorted(paths):
                box.log(attempt(name, lambda: open(paths[name]).close()))
            for path in ("/etc/shadow", "/root/.bashrc", "/proc/kcore", "/dev/mem", "/dev/kmsg"):
                box.log(attempt(path, lambda: open(path).close()))
            disks = [m.split() for m in open("/proc/mounts") if m.startswith("/dev/")]
            writable = [m[1] for m in disks if "ro" not in m[3].split(",") and not m[1].startswith("/dev/")]
            box.log("writable disks: " + str(writable))
        """,
        achieved=(
            *all_refused("evaluator", "host file", "/etc/shadow", "/root/.bashrc"),
            *all_refused("/proc/kcore", "/dev/mem", "/dev/kmsg"),
            "writable disks: []",
        ),
        plain=Weaker(because=NO_WALLS, achieved=ANYTHING),
    ),
    Attack(
        name="answers in the job",
        tried="all parts of the job; the judge's prompt anywhere in the box's memory",
        source="""
        def attack(box):
            for thing in (box, box.paper):
                box.log(" ".join(sorted(name for name in dir(thing) if not name.startswith("_"))))
            halves = box.read("prompt.txt").split("\\n")
            hits, papers = 0, 0
            for data in memory():
                hits += found(data, halves)
            box.log("judge prompt: " + ("done" if hits else "refused"))
            box.log(" ".join(sorted(name for name in os.listdir(os.environ["HOME"]))))
        """,
        achieved=(
            "chat evaluate knobs log max_rounds paper read",
            "id text title",
            "judge prompt: refused",
            "agent.py listeners.json needle.txt paths.json prompt.txt token.txt",
        ),
    ),
    Attack(
        name="the network",
        tried="registry and resolver, metadata address, gateway, LAN, IPv6; names; UDP; raw and odd sockets",
        source="""
        def attack(box):
            def connect(host, port, family=socket.AF_INET):
                with socket.socket(family) as s:
                    s.settimeout(1)
                    s.connect((host, port))
            for host in ("1.1.1.1", "8.8.8.8", "169.254.169.254", "172.17.0.1", "192.168.0.1", "10.0.0.1"):
                box.log(attempt(host, lambda: connect(host, 443)))
            box.log(attempt("ipv6", lambda: connect("2606:4700:4700::1111", 443, socket.AF_INET6)))
            box.log(attempt("names", lambda: socket.getaddrinfo("example.com", 443)))
            def send():
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(b"x", ("1.1.1.1", 53))
            box.log(attempt("udp", send))
            for name, family, kind, protocol in (
                ("raw", 2, 3, 1), ("packet", 17, 3, 768), ("vsock", 40, 1, 0), ("alg", 38, 5, 0),
                ("bluetooth", 31, 3, 1)
            ):
                box.log(attempt(name, lambda: socket.socket(family, kind, protocol).close()))
            names = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
            box.log("interfaces " + ",".join(name for name in names if name not in ("tunl0", "sit0")))
        """,
        achieved=(
            *all_refused("1.1.1.1", "8.8.8.8", "169.254.169.254", "172.17.0.1", "192.168.0.1", "10.0.0.1"),
            *all_refused("ipv6", "names", "udp", "raw", "packet", "vsock", "alg", "bluetooth"),
            "interfaces lo",
        ),
        plain=NotRun(because=NO_WALLS + "; tests talk to this machine only"),
    ),
    Attack(
        name="forbidden system calls",
        tried=f"{len(CALLS)} calls: namespaces, mounts, tracing, bpf, keys, descriptors, the page cache",
        source=FORBIDDEN,
        achieved=FORBIDDEN_REFUSED,
        machine=NUMBERS_ARE_OF,
    ),
    Attack(
        name="drastic system calls",
        tried="modules, reboot, swap, accounting, the kernel's log",
        source=DRASTIC,
        achieved=DRASTIC_REFUSED,
        machine=NUMBERS_ARE_OF,
    ),
    Attack(
        name="/proc/sys and the kernel's handles",
        tried="core_pattern, sysrq, uevent_helper, oom_score_adj; new values for them",
        source="""
        def attack(box):
            def put(path, text):
                with open(path, "w") as file:
                    file.write(text)
            for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname",
                         "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper",
                         "/proc/sys/kernel/modprobe"):
                box.log(attempt(path.rpartition("/")[2], lambda: put(path, "|/tmp/x")))
            box.log(attempt("never the one to be killed", lambda: put("/proc/self/oom_score_adj", "-1000")))
        """,
        achieved=all_refused(
            "core_pattern",
            "hostname",
            "drop_caches",
            "sysrq-trigger",
            "uevent_helper",
            "modprobe",
            "never the one to be killed",
        ),
        plain=NotRun(because=AS_ROOT, as_root=True),
    ),
    Attack(
        name="cgroup release_agent",
        tried="every release_agent and notify_on_release, a new cgroup, its own limits, devices",
        source="""
        def attack(box):
            def put(path, text):
                with open(path, "w") as file:
                    file.write(text)
            folders = [folder for folder, _, _ in os.walk("/sys/fs/cgroup")]
            for name in ("release_agent", "notify_on_release", "cgroup.procs", "memory.limit_in_bytes",
                         "memory.max", "pids.max", "devices.allow"):
                said = {attempt(name, lambda: put(os.path.join(folder, name), "1")) for folder in folders}
                box.log(sorted(said or {name + ": refused"})[0])
            said = {attempt("mkdir", lambda: os.mkdir(os.path.join(folder, "x"))) for folder in folders}
            box.log(sorted(said or {"mkdir: refused"})[0])
        """,
        achieved=all_refused(
            "release_agent",
            "notify_on_release",
            "cgroup.procs",
            "memory.limit_in_bytes",
            "memory.max",
            "pids.max",
            "devices.allow",
            "mkdir",
        ),
        plain=NotRun(because=AS_ROOT, as_root=True),
    ),
    Attack(
        name="setuid and capabilities",
        tried="become root or a group, run every setuid program, raise capabilities",
        source="""
        def attack(box):
            box.log(attempt("root", lambda: os.setuid(0)))
            box.log(attempt("group", lambda: os.setgid(0)))
            box.log(attempt("groups", lambda: os.setgroups([0])))
            lines = dict(line.split(":\\t") for line in open("/proc/self/status") if ":\\t" in line)
            box.log("capabilities " + (lines["CapEff"].strip() + lines["CapPrm"].strip()).strip("0"))
            box.log("no new privileges " + lines["NoNewPrivs"].strip())
        """,
        achieved=(*all_refused("root", "group", "groups"), "capabilities ", "no new privileges 1"),
        plain=Weaker(because="it is root already", achieved=ANYTHING, as_root=True),
    ),
    Attack(
        name="running a program from the writable folder",
        tried="write a program, make it executable, run it",
        source="""
        def attack(box):
            with open("program", "w") as file:
                file.write("#!" + sys.executable + "\\n")
            os.chmod("program", 0o755)
            box.log(attempt("exec", lambda: subprocess.run(["./program"], check=True)))
        """,
        achieved=all_refused("exec"),
        plain=Weaker(because="its folder is an ordinary one", achieved=("exec: done",)),
        walled=Weaker(because="bubblewrap's tmpfs allows it", achieved=("exec: done",)),
    ),
    Attack(
        name="shadowed standard library",
        tried="json, socket, os, site, sitecustomize, harness_kit … in the harness's folder",
        source="""
        def attack(box):
            import harness_kit, selectors
            box.log(harness_kit.Box.__name__ + " " + str(json.loads("[1]")) + " " + os.sep)
            code = "import json, socket, os, selectors; print(json.dumps(os.getpid() > 0))"
            said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
            box.log(said.stdout.strip())
        """,
        achieved=("Box [1] /", "true"),
        files={f"{name}.py": SHADOW for name in SHADOWED},
    ),
    Attack(
        name="tampered interpreter",
        tried="replace json, sockets, exits and the kit in its process; make believe in an acceptance",
        source="""
        def attack(box):
            import builtins, harness_kit
            box.log("first")
            real = box._send
            box._send = lambda kind, body: {"status": "accepted", "round": 1, "score": 1.0}
            box.evaluate(example("believed"))
            box._send = real
            harness_kit.Box.evaluate = None
            harness_kit.json.dumps = lambda *a, **k: '{"text": "tampered"}'
            socket.socket.close = lambda self: None
            builtins.compile = builtins.exec = None
            os._exit = lambda status: None
            sys.exit = None
            box._send("log", {})
        """,
        achieved=("first", "tampered"),
        limits={"wall_seconds": 2},
        ends=frozenset({*CRASHED, *FINISHED, *TIME}),
    ),
    Attack(
        name="an exception that fights being told",
        tried="an exception whose __str__ forks, raises and names itself with a megabyte",
        source="""
        def attack(box):
            name = "x" * 1_000_000
            def tell(self):
                raise self
            raise type(name, (Exception,), {"__str__": tell, "__repr__": tell})()
        """,
        ends=CRASHED,
    ),
)
