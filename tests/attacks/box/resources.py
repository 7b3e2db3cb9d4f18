"""Attacks on the machine's resources: processes, memory, disk, output, time, descriptors."""

from attacks.box.attack import (
    ANYTHING,
    CRASHED,
    FINISHED,
    LIMITS,
    TIME,
    Attack,
    NotRun,
    Weaker,
    all_refused,
)

MIB = 1 << 20
ROOT_FORKS = "the kernel does not count root's processes"
PER_PROCESS = "memory is limited for each process, not for the box"
NO_QUOTA = "file size is limited, the number of files and their sum are not"
NO_PRIORITY = "below everything of the machine, honest boxes would be late"
NO_INODES = "bubblewrap's tmpfs has a size and no limit on inodes"

RESOURCES = (
    Attack(
        name="keeping the host busy past the deadline",
        tried="2.5 MB lines from 20 threads at once, to pass for a host that stood still",
        source="""
        def attack(box):
            def talk():
                while True:
                    box.log("x" * 2_500_000)
            for _ in range(20):
                threading.Thread(target=talk, daemon=True).start()
            time.sleep(1000)
        """,
        ends=LIMITS | TIME,
        achieved=ANYTHING,
        limits={"wall_seconds": 1.5},
    ),
    Attack(
        name="fork bomb",
        tried="fork for ever, in every child",
        source="""
        def attack(box):
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
        """,
        ends=TIME,
        limits={"wall_seconds": 2},
        plain=NotRun(because=ROOT_FORKS, as_root=True),
    ),
    Attack(
        name="more processes than allowed",
        tried="600 children that sleep",
        source="""
        def attack(box):
            def fork():
                for _ in range(600):
                    if os.fork() == 0:
                        time.sleep(1000)
            box.log(attempt("600 children", fork))
        """,
        achieved=all_refused("600 children"),
        plain=Weaker(because=ROOT_FORKS, achieved=("600 children: done",), as_root=True),
    ),
    Attack(
        name="zombies",
        tried="600 children that end and are never waited for",
        source="""
        def attack(box):
            def fork():
                for _ in range(600):
                    if os.fork() == 0:
                        os._exit(0)
            box.log(attempt("600 zombies", fork))
        """,
        achieved=all_refused("600 zombies"),
        plain=Weaker(because=ROOT_FORKS, achieved=("600 zombies: done",), as_root=True),
    ),
    Attack(
        name="thread bomb",
        tried="600 threads",
        source="""
        def attack(box):
            def start():
                threading.stack_size(65536)
                for _ in range(600):
                    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            box.log(attempt("600 threads", start))
            os._exit(0)
        """,
        achieved=all_refused("600 threads"),
        plain=Weaker(because=ROOT_FORKS, achieved=("600 threads: done",), as_root=True),
    ),
    Attack(
        name="memory bomb",
        tried="allocate without end",
        source="""
        def attack(box):
            hoard = []
            while True:
                hoard.append(bytearray(8 << 20))
        """,
        ends=LIMITS,
        limits={"memory_bytes": 128 * MIB},
    ),
    Attack(
        name="memory bomb in a child only",
        tried="allocate without end in a forked child; the parent goes on",
        source="""
        def attack(box):
            if os.fork() == 0:
                hoard = []
                while True:
                    hoard.append(bytearray(8 << 20))
            box.log("child: " + ("refused" if os.wait()[1] else "done"))
        """,
        achieved=all_refused("child"),
        limits={"memory_bytes": 128 * MIB},
    ),
    Attack(
        name="memory bomb of many children together",
        tried="six children of 60 MiB each, where 200 MiB are allowed",
        source="""
        def attack(box):
            ends = []
            read, write = os.pipe()
            for _ in range(6):
                if os.fork() == 0:
                    hoard = bytearray(60 << 20)
                    os.write(write, b"1")
                    time.sleep(1000)
            os.close(write)
            held, until = 0, time.monotonic() + 3
            while held < 6 and time.monotonic() < until:
                dead = os.waitpid(-1, os.WNOHANG)[0]
                if dead:
                    break
                if select.select([read], [], [], 0.02)[0]:
                    held += len(os.read(read, 10))
            box.log("360 MiB: " + ("done" if held == 6 else "refused"))
        """,
        achieved=all_refused("360 MiB"),
        limits={"memory_bytes": 200 * MIB},
        plain=Weaker(because=PER_PROCESS, achieved=ANYTHING),
        walled=Weaker(because=PER_PROCESS, achieved=ANYTHING),
    ),
    Attack(
        name="memory hidden in memfd",
        tried="300 MiB in files of memory, where 128 MiB are allowed",
        source="""
        def attack(box):
            kept = []
            for _ in range(75):
                kept.append(os.memfd_create("x"))
                os.write(kept[-1], bytes(4 << 20))
            box.log("300 MiB: done")
        """,
        ends=LIMITS,
        limits={"memory_bytes": 128 * MIB},
        plain=Weaker(because=PER_PROCESS, ends=FINISHED, achieved=("300 MiB: done",)),
        walled=Weaker(because=PER_PROCESS, ends=FINISHED, achieved=("300 MiB: done",)),
    ),
    Attack(
        name="making the kernel take the shim instead",
        tried="fill the shim's buffers with half-sent requests, protect itself, then run out of memory",
        source="""
        def attack(box):
            address, _ = shim()
            held = []
            for _ in range(40):
                s = socket.create_connection(address, timeout=1)
                s.sendall(b"POST / HTTP/1.1\\r\\nContent-Length: 4000000\\r\\n\\r\\n" + bytes(3 << 20))
                held.append(s)
            try:
                with open("/proc/self/oom_score_adj", "w") as file:
                    file.write("0")
            except OSError:
                pass
            hoard = []
            while True:
                hoard.append(bytearray(1 << 20))
        """,
        ends=LIMITS,
        limits={"memory_bytes": 192 * MIB},
    ),
    Attack(
        name="filling the disk",
        tried="32 MiB of files in its own folder, where 8 MiB are allowed",
        source="""
        def attack(box):
            def fill():
                for n in range(8):
                    with open("fill%d" % n, "wb") as file:
                        file.write(bytes(4 << 20))
            box.log(attempt("disk", fill))
        """,
        achieved=all_refused("disk"),
        limits={"tmpfs_bytes": 8 * MIB},
        plain=Weaker(because=NO_QUOTA, achieved=("disk: done",)),
    ),
    Attack(
        name="filling the inodes",
        tried="10,000 empty files in its own folder, where 4,096 are allowed",
        source="""
        def attack(box):
            def create():
                for n in range(10_000):
                    os.close(os.open("f%d" % n, os.O_CREAT | os.O_WRONLY))
            box.log(attempt("inodes", create))
        """,
        achieved=all_refused("inodes"),
        plain=Weaker(because=NO_QUOTA, achieved=("inodes: done",)),
        walled=Weaker(because=NO_INODES, achieved=("inodes: done",)),
    ),
    Attack(
        name="sparse files",
        tried="a file of 1 TiB with nothing in it, by truncate, seek and fallocate",
        source="""
        def attack(box):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            def truncate():
                with open("sparse", "wb") as file:
                    file.truncate(1 << 40)
            def seek():
                with open("sparse", "wb") as file:
                    file.seek(1 << 40)
                    file.write(b"x")
            def allocate():
                with open("sparse", "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, 1 << 40)
            box.log(attempt("truncate", truncate))
            box.log(attempt("seek", seek))
            box.log(attempt("fallocate", allocate))
        """,
        achieved=all_refused("truncate", "seek", "fallocate"),
    ),
    Attack(
        name="filling /dev/shm",
        tried="bytes, inodes and sparse files in /dev/shm",
        source="""
        def attack(box):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            def path(n):
                return "/dev/shm/%s-%d" % (TOKEN, n)
            def fill():
                with open(path(0), "wb") as file:
                    file.write(bytes(3 << 20))
            def create():
                for n in range(100):
                    open(path(n), "w").close()
            def sparse():
                with open(path(0), "wb") as file:
                    file.truncate(1 << 40)
            box.log(attempt("bytes", fill))
            box.log(attempt("inodes", create))
            box.log(attempt("sparse", sparse))
        """,
        achieved=all_refused("bytes", "inodes", "sparse"),
        plain=Weaker(
            because="it is this machine's own /dev/shm, and nobody empties it",
            achieved=("bytes: done", "inodes: done", "sparse: refused"),
            leaves=frozenset({"files"}),
        ),
        walled=Weaker(because=NO_INODES, achieved=("bytes: refused", "inodes: done", "sparse: refused")),
    ),
    Attack(
        name="shared memory and message queues",
        tried="what outlives its process: SysV segments and POSIX queues",
        source="""
        def attack(box):
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            key = int(TOKEN[:7], 16)
            box.log("segment: " + ("done" if libc.shmget(key, 4096, 0o1600) >= 0 else "refused"))
            def queues():
                for n in range(2000):
                    os.close(os.open("/dev/mqueue/%s-%d" % (TOKEN, n), os.O_CREAT | os.O_WRONLY))
            box.log(attempt("2000 queues", queues))
        """,
        achieved=("segment: done", "2000 queues: refused"),
        plain=Weaker(
            because="shared memory is this machine's, and stays",
            achieved=ANYTHING,
            leaves=frozenset({"shared memory"}),
        ),
    ),
    Attack(
        name="any other writable place",
        tried="create a file in every mount and every folder of the root",
        source="""
        def attack(box):
            places = {line.split()[1] for line in open("/proc/mounts")}
            places |= {"/" + name for name in os.listdir("/")} | {"/"}
            found = []
            for place in sorted(places):
                path = os.path.join(place, TOKEN)
                try:
                    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                    os.unlink(path)
                    found.append(place)
                except OSError:
                    pass
            beside = sorted(set(found) - {"/dev/mqueue", "/dev/shm", "/tmp"})
            box.log("elsewhere: " + (" ".join(beside) or "refused"))
        """,
        achieved=all_refused("elsewhere"),
        plain=Weaker(because="it may write wherever this user may", achieved=ANYTHING),
    ),
    Attack(
        name="core dumps",
        tried="twenty children that crash with 20 MiB each",
        source="""
        def attack(box):
            import resource
            try:
                resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
            except (ValueError, OSError):
                pass
            for _ in range(20):
                if os.fork() == 0:
                    hoard = b"x" * (20 << 20)
                    os.kill(os.getpid(), signal.SIGSEGV)
                os.wait()
            box.log("cores %d" % len([name for name in os.listdir(".") if name.startswith("core")]))
        """,
        achieved=("cores 0",),
        plain=Weaker(because="root may raise its limits again", achieved=ANYTHING, as_root=True),
    ),
    Attack(
        name="endless output",
        tried="write to stdout for ever, in one line",
        source="""
        def attack(box):
            while True:
                os.write(1, b"x" * 65536)
        """,
        ends=LIMITS,
        limits={"output_bytes": 8 * MIB},
    ),
    Attack(
        name="endless lines on stderr",
        tried="short lines to stderr for ever, from four processes",
        source="""
        def attack(box):
            os.fork(), os.fork()
            while True:
                os.write(2, b"\\x1b[2Jx\\n" * 8192)
        """,
        ends=LIMITS,
        limits={"output_bytes": 8 * MIB},
    ),
    Attack(
        name="endless records",
        tried="log from forty threads without end",
        source="""
        def attack(box):
            def shout():
                while True:
                    box.log("x" * 1000)
            for _ in range(40):
                threading.Thread(target=shout, daemon=True).start()
            time.sleep(1000)
        """,
        ends=LIMITS,
        achieved=ANYTHING,
        limits={"requests": 500},
    ),
    Attack(
        name="endless large records",
        tried="logs of 900 kB from forty threads",
        source="""
        def attack(box):
            def shout():
                while True:
                    box.log("x" * 900_000)
            for _ in range(40):
                threading.Thread(target=shout, daemon=True).start()
            time.sleep(1000)
        """,
        ends=LIMITS,
        achieved=ANYTHING,
        limits={"output_bytes": 16 * MIB},
    ),
    Attack(
        name="CPU spin",
        tried="compute for ever in three processes",
        source="""
        def attack(box):
            os.fork(), os.fork()
            while True:
                pass
        """,
        ends=TIME,
        limits={"wall_seconds": 2},
    ),
    Attack(
        name="more CPU than allowed",
        tried="two processes for 0.8 s where half a core is allowed",
        source="""
        def attack(box):
            def spin(until):
                while time.monotonic() < until:
                    pass
            until = time.monotonic() + 0.8
            child = os.fork()
            spin(until)
            if child == 0:
                os._exit(0)
            os.wait()
            used = sum(os.times()[:4])
            box.log("0.8 s of CPU: " + ("done" if used > 0.8 else "refused"))
        """,
        achieved=all_refused("0.8 s of CPU"),
        limits={"cpus": 0.5},
        plain=Weaker(because="no limit on CPU but the deadline", achieved=ANYTHING),
        walled=Weaker(because="no limit on CPU but the deadline", achieved=ANYTHING),
    ),
    Attack(
        name="raising its own priority",
        tried="be scheduled before the shim, which has to answer and to die in time",
        source="""
        def attack(box):
            box.log("priority %d" % os.nice(0))
            box.log(attempt("raise", lambda: os.nice(-1)))
            box.log(attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))))
        """,
        achieved=("priority 19", *all_refused("raise", "real time")),
        plain=Weaker(because=NO_PRIORITY, achieved=ANYTHING),
        walled=Weaker(because=NO_PRIORITY, achieved=("priority 0", *all_refused("raise", "real time"))),
    ),
    Attack(
        name="ignoring signals past the deadline",
        tried="ignore all 64 signals and stay",
        source="""
        def attack(box):
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            time.sleep(1000)
        """,
        ends=TIME,
        limits={"wall_seconds": 1.5},
    ),
    Attack(
        name="daemons forked twice",
        tried="five daemons in sessions of their own; the harness returns",
        source="""
        def attack(box):
            daemons(5)
        """,
    ),
    Attack(
        name="orphans of a crash",
        tried="daemons, then a crash",
        source="""
        def attack(box):
            daemons(5)
            os.kill(os.getpid(), signal.SIGSEGV)
        """,
        ends=CRASHED,
    ),
    Attack(
        name="descriptor bomb",
        tried="open /dev/null, pipes, sockets and event queues without end",
        source="""
        def attack(box):
            held = []
            def until_refused(open_one):
                for _ in range(5000):
                    held.append(open_one())
            for name, open_one in (
                ("files", lambda: os.open("/dev/null", 0)),
                ("pipes", os.pipe),
                ("sockets", lambda: socket.socketpair()),
                ("queues", lambda: select.epoll()),
            ):
                box.log(attempt(name, lambda: until_refused(open_one)))
        """,
        achieved=all_refused("files", "pipes", "sockets", "queues"),
    ),
    Attack(
        name="a folder hard to remove",
        tried="2,000 folders inside each other, unreadable, with odd names",
        source="""
        def attack(box):
            for name in ("-rf", "a\\nb", "\\udcff\\udcfe", "x" * 255):
                os.mkdir(name)
                os.chmod(name, 0)
            for _ in range(2000):
                os.mkdir("d")
                os.chdir("d")
            os.chmod(".", 0)
        """,
    ),
)
