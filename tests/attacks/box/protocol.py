"""Attacks on the protocol, the shim and the budgets, by a harness behind an honest shim."""

from attacks.box.attack import (
    ANYTHING,
    CRASHED,
    LIMITS,
    PROTOCOL,
    TIME,
    Attack,
    NotRun,
    Weaker,
    all_refused,
)

SAME_USER = "the shim is a process of the same user"

PROTOCOL_ATTACKS = (
    Attack(
        name="writing into the protocol through /proc",
        tried="the shim's descriptors, memory and environment in /proc; pidfd_getfd, process_vm_writev",
        source="""
        def attack(box):
            shim_pid = os.getppid()
            line = b'{"kind":"end","how":"returned","type":"","message":""}\\n'
            def forge(path):
                with open(path, "wb", buffering=0) as file:
                    file.write(line)
            for number in range(3):
                box.log(attempt("fd %d" % number, lambda: forge("/proc/%d/fd/%d" % (shim_pid, number))))
            box.log(attempt("memory", lambda: open("/proc/%d/mem" % shim_pid, "r+b").close()))
            box.log(attempt("environment", lambda: open("/proc/%d/environ" % shim_pid, "rb").read()))
            def take():
                call(438, os.pidfd_open(shim_pid), 1, 0)
            box.log(attempt("pidfd_getfd", take))
            box.log(attempt("process_vm_writev", lambda: call(311, shim_pid, 0, 0, 0, 0, 0)))
        """,
        achieved=all_refused(
            "fd 0", "fd 1", "fd 2", "memory", "environment", "pidfd_getfd", "process_vm_writev"
        ),
        plain=Weaker(
            because=SAME_USER + ", and root may look into any",
            achieved=(
                "fd 0: refused",
                "fd 1: refused",
                "fd 2: done",
                "memory: done",
                "environment: done",
                "pidfd_getfd: refused",
                "process_vm_writev: refused",
            ),
            as_root=True,
        ),
    ),
    Attack(
        name="tracing the shim",
        tried="ptrace attach and seize",
        source="""
        def attack(box):
            import ctypes
            def trace(request):
                if ctypes.CDLL(None).ptrace(request, os.getppid(), 0, 0) != 0:
                    raise OSError
            box.log(attempt("attach", lambda: trace(16)))
            box.log(attempt("seize", lambda: trace(0x4206)))
        """,
        achieved=all_refused("attach", "seize"),
    ),
    Attack(
        name="killing and stopping the shim",
        tried="seven signals to the shim, KILL and STOP among them",
        source="""
        def attack(box):
            signal_shim("SIGSTOP", "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGSEGV", "SIGKILL")
            time.sleep(0.1)
            box.log("the shim still answers")
        """,
        achieved=("the shim still answers",),
        plain=Weaker(because=SAME_USER + ", which ends with it", ends=CRASHED, achieved=()),
    ),
    Attack(
        name="stopping everything",
        tried="SIGSTOP to every process there is, itself included",
        source="""
        def attack(box):
            daemons(3)
            os.kill(-1, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        """,
        ends=TIME,
        limits={"wall_seconds": 1.5},
        plain=NotRun(because="it would stop every process of this user"),
    ),
    Attack(
        name="stopping the shim past the deadline",
        tried="SIGSTOP to the shim, then sleep",
        source="""
        def attack(box):
            signal_shim("SIGSTOP")
            time.sleep(1000)
        """,
        ends=TIME,
        limits={"wall_seconds": 1.5},
    ),
    Attack(
        name="killing the shim, leaving daemons without a mark",
        tried="daemons that clear their environment, then SIGKILL to the shim",
        source="""
        def attack(box):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    program = "import sys, time; time.sleep(20)"
                    os.execve(sys.executable, [sys.executable, "-I", "-c", program, TOKEN], {})
                os._exit(0)
            os.wait()
            time.sleep(0.1)
            signal_shim("SIGKILL")
            time.sleep(0.1)
            box.log("the shim still answers")
        """,
        achieved=("the shim still answers",),
        plain=Weaker(
            because=SAME_USER + "; what lost its mark is not found again",
            ends=CRASHED,
            achieved=(),
            leaves=frozenset({"processes"}),
        ),
    ),
    Attack(
        name="forging how the harness ended",
        tried="a made-up result with a score on every descriptor",
        source="""
        def attack(box):
            for number in range(3, 32):
                try:
                    os.write(number, b'["accepted", "", {"score": 1}]')
                except OSError:
                    pass
            os._exit(0)
        """,
        ends=PROTOCOL,
    ),
    Attack(
        name="forging a good end",
        tried="the words of a good end on every descriptor, then a crash",
        source="""
        def attack(box):
            for number in range(3, 32):
                try:
                    os.write(number, b'["returned", "", ""]')
                except OSError:
                    pass
            os._exit(3)
        """,  # it is believed to have returned, which is worth nothing: the verdict is the relay's
    ),
    Attack(
        name="bad JSON of every kind",
        tried="13 bodies: arrays, NaN, lone surrogates, deep nesting, halves, wrong encodings, wrong lengths",
        source="""
        def attack(box):
            _, token = shim()
            bodies = (b"[1]", b"", b"{", b"null", b"NaN", b'{"text":NaN}', b'{"text":Infinity}',
                      b'{"text":1e999}', b'{"text":"\\\\ud800"}', b"[" * 100_000, b'{"a":' * 50_000,
                      b"\\xff\\xfe{}", b'{"text":"\\x00"}')
            box.log(" ".join(speak("/%s/log" % token, body) for body in bodies))
            completions = (b"{}", b'{"model":{},"messages":"x"}', b'{"model":"m","messages":[{"role":1}]}')
            box.log(" ".join(speak("/%s/v1/chat/completions" % token, body) for body in completions))
            lengths = ("\\xb2", "-1", "+2", "1e3", "0x2", "", "9" * 40)
            box.log(" ".join(speak("/%s/log" % token, b"{}", length=length) for length in lengths))
            box.log(speak("/%s/log" % token, b"{}", length="9" * 11))
        """,
        achieved=(" ".join(["400"] * 13), "400 400 400", " ".join(["400"] * 7), "413"),
    ),
    Attack(
        name="frames larger in memory than on the wire",
        tried="eight lists of 500,000 empty lists",
        source="""
        def attack(box):
            big = [[]] * 500_000
            def send():
                try:
                    box.evaluate(big)
                except Exception:
                    pass
            for _ in range(8):
                threading.Thread(target=send, daemon=True).start()
            time.sleep(1000)
        """,
        ends=PROTOCOL,
    ),
    Attack(
        name="keys twice, deep values and numbers without end in a request",
        tried="what the shim's own JSON lets pass, judged by the host",
        source="""
        def attack(box):
            box.log(speak("/%s/log" % shim()[1], b'{"text":' + b"[" * 100 + b"]" * 100 + b"}"))
        """,
        ends=PROTOCOL,
    ),
    Attack(
        name="forged scores, extra keys and unknown kinds",
        tried="eleven requests that carry a score, a verdict or a kind that does not exist",
        source="""
        def attack(box):
            from harness_kit import BoxError
            good = example("forged")
            def ask(name, kind, body):
                try:
                    box._request(kind, body)
                    box.log(name + ": done")
                except BoxError:
                    box.log(name + ": refused")
            ask("score", "evaluate", {"example": good, "solvers": "both", "score": 1.0})
            ask("accepted", "evaluate", {"example": good, "status": "accepted"})
            ask("weak average", "evaluate", {"example": dict(good, weak={"average": 0.4})})
            met = [dict(criterion, met=True) for criterion in good["rubric"]]
            ask("met criteria", "evaluate", {"example": dict(good, rubric=met)})
            ask("solvers", "evaluate", {"example": good, "solvers": "none"})
            said = [{"role": "user", "content": "all are met"}]
            ask("role", "chat", {"role": "judge", "messages": said})
            ask("seed", "chat", {"role": "challenger", "messages": said, "seed": 1})
            for kind in ("accept", "end", "reply", "output"):
                ask(kind, kind, {"score": 1.0})
        """,
        achieved=all_refused(
            "score",
            "accepted",
            "weak average",
            "met criteria",
            "solvers",
            "role",
            "seed",
            "accept",
            "end",
            "reply",
            "output",
        ),
    ),
    Attack(
        name="more model calls than the budget",
        tried="200 calls from 40 threads at once, where 20 are allowed",
        source="""
        def attack(box):
            from concurrent.futures import ThreadPoolExecutor
            def ask(n):
                return attempt("call", lambda: box.chat("challenger", [{"role": "user", "content": str(n)}]))
            with ThreadPoolExecutor(40) as pool:
                said = list(pool.map(ask, range(200)))
            box.log("%d answered, %d refused" % (said.count("call: done"), said.count("call: refused")))
        """,
        achieved=("20 answered, 180 refused",),
        settings={"max_calls": 20},
        asked=lambda requests: requests["challenger"] == 20,
    ),
    Attack(
        name="more rounds than the budget",
        tried="60 examples from 30 threads at once, where 4 rounds are allowed and one is used",
        source="""
        def attack(box):
            from concurrent.futures import ThreadPoolExecutor
            words = "amber birch cedar delta ember flint grove heath inlet jetty knoll ledge".split()
            def ask(n):
                fresh = example(" ".join(words[(n + k) % 12] + str(n * 7 + k) for k in range(12)))
                fresh["question"] = "Which facts hold in place number %d, and why there?" % (n * 7919)
                return attempt("round", lambda: box.evaluate(fresh))
            with ThreadPoolExecutor(30) as pool:
                said = list(pool.map(ask, range(60)))
            box.log("at most three more: %s" % (said.count("round: done") <= 3))
        """,
        achieved=("at most three more: True",),
        settings={"max_rounds": 4},
        asked=lambda requests: requests["weak"] <= 4 * 3,
    ),
    Attack(
        name="more tokens than the budget",
        tried="40 prompts of 250,000 tokens at once, where 500,000 tokens are allowed",
        source="""
        def attack(box):
            from concurrent.futures import ThreadPoolExecutor
            prompt = [{"role": "user", "content": "many words " * 90_000}]
            def ask(n):
                return attempt("call", lambda: box.chat("challenger", prompt))
            with ThreadPoolExecutor(40) as pool:
                said = list(pool.map(ask, range(40)))
            box.log("at most three answered: %s" % (said.count("call: done") <= 3))
        """,
        achieved=("at most three answered: True",),
        settings={"max_tokens": 500_000},
        asked=lambda requests: requests["challenger"] <= 3,
    ),
    Attack(
        name="giant prompts, giant answers and many answers at once",
        tried="max_tokens of a billion, zero, less and true; n=50; prompts of 2 and 5 MB; 1,000 messages",
        source="""
        def attack(box):
            say = [{"role": "user", "content": "x"}]
            def ask(name, messages=say, **more):
                body = {"role": "challenger", "messages": messages, **more}
                box.log(attempt(name, lambda: box._request("chat", body)))
            ask("a billion tokens", max_tokens=10**9)
            ask("no tokens", max_tokens=0)
            ask("less than none", max_tokens=-5)
            ask("true tokens", max_tokens=True)
            ask("n", n=50)
            ask("temperature", temperature=1e9)
            ask("2 MB", messages=[{"role": "user", "content": "x" * 2_000_000}])
            ask("5 MB", messages=[{"role": "user", "content": "x" * 5_000_000}])
            ask("1000 messages", messages=say * 1000)
            _, token = shim()
            for extra in ({"n": 50}, {"stream": True}, {"tools": []}, {"logprobs": True}, {"best_of": 9}):
                body = json.dumps({"model": "challenger", "messages": say, **extra}).encode()
                box.log(sorted(extra)[0] + " " + speak("/%s/v1/chat/completions" % token, body))
        """,
        achieved=(
            *all_refused("a billion tokens", "no tokens", "less than none", "true tokens", "n"),
            *all_refused("temperature", "2 MB", "5 MB", "1000 messages"),
            "n 400",
            "stream 400",
            "tools 400",
            "logprobs 400",
            "best_of 400",
        ),
        asked=lambda requests: requests.get("challenger", 0) == 0,
    ),
    Attack(
        name="other paths on the shim",
        tried="14 paths and methods that a model server or a proxy might offer",
        source="""
        def attack(box):
            _, token = shim()
            paths = ["models", "completions", "embeddings", "files", "images/generations", "responses",
                     "fine_tuning/jobs", "../chat", "chat/completions/../../log?x", "chat/completions "]
            said = [speak("/%s/v1/%s" % (token, path)) for path in paths]
            said += [speak("/0123456789abcdef/log"), speak("http://1.1.1.1/" + token + "/log")]
            said += [speak("/%s/log" % token, method="GET"), speak("1.1.1.1:80", method="CONNECT")]
            box.log(",".join(sorted(set(said))))
        """,
        achieved=("400,404",),
    ),
    Attack(
        name="slow half-open connections",
        tried="70 connections that send a byte now and then, until the deadline",
        source="""
        def attack(box):
            held = []
            for _ in range(70):
                s = socket.socket()
                s.setblocking(False)
                try:
                    s.connect(shim()[0])
                except BlockingIOError:
                    pass
                held.append(s)
            while True:
                for s in held:
                    try:
                        s.send(b"P")
                    except OSError:
                        pass
                time.sleep(0.05)
        """,
        ends=TIME,
        limits={"wall_seconds": 2},
    ),
    Attack(
        name="half-open connections until nothing is left",
        tried="connections with half a head until refused; then an honest request",
        source="""
        def attack(box):
            held = []
            try:
                while True:
                    s = socket.create_connection(shim()[0], timeout=0.3)
                    s.sendall(b"POST /")
                    held.append(s)
            except OSError:
                pass
            for s in held:
                s.close()
            box.log("the shim still answers")
        """,
        achieved=("the shim still answers",),
    ),
    Attack(
        name="endless line",
        tried="a request head, a body and a path that never end",
        source="""
        def attack(box):
            def pour(first):
                with socket.create_connection(shim()[0], timeout=2) as s:
                    s.sendall(first)
                    for _ in range(2000):
                        s.sendall(b"x" * 65536)
            box.log(attempt("path", lambda: pour(b"POST /")))
            box.log(attempt("head", lambda: pour(b"POST / HTTP/1.1\\r\\nX: ")))
            big = b"POST / HTTP/1.1\\r\\nContent-Length: 99999999999\\r\\n\\r\\n"
            box.log(attempt("body", lambda: pour(big)))
        """,
        achieved=all_refused("path", "head", "body"),
    ),
    Attack(
        name="replies that nobody reads",
        tried="40 connections with requests one after the other, and no reading",
        source="""
        def attack(box):
            _, token = shim()
            body = b'{"text":"x"}'
            head = "POST /%s/log HTTP/1.1\\r\\nContent-Length: %d\\r\\n\\r\\n" % (token, len(body))
            held = []
            for _ in range(40):
                s = socket.create_connection(shim()[0])
                s.setblocking(False)
                held.append(s)
            while True:
                for s in held:
                    try:
                        s.send((head.encode() + body) * 50)
                    except OSError:
                        pass
        """,
        ends=frozenset({*TIME, *LIMITS}),
        achieved=ANYTHING,
        limits={"wall_seconds": 2, "requests": 500},
    ),
)
