"""What stands before every hostile harness: small helpers, and the good records that must be kept.

The example is measured and rejected (too easy) before the attack begins, and one line is logged.
"""

PRELUDE = '''
import errno, json, os, select, signal, socket, struct, subprocess, sys, threading, time

TOKEN = open("token.txt").read()

def attempt(name, action):
    try:
        action()
    except BaseException:
        return name + ": refused"
    return name + ": done"

def shim():
    """Address and token of the loopback endpoint."""
    _, _, address, token, _ = os.environ["OPENAI_BASE_URL"].split("/")
    host, port = address.split(":")
    return (host, int(port)), token

def speak(path, body=b"{}", method="POST", length=None):
    """The status line of one HTTP exchange with the shim, spoken by hand."""
    length = len(body) if length is None else length
    head = "%s %s HTTP/1.1\\r\\nContent-Length: %s\\r\\n\\r\\n" % (method, path, length)
    with socket.create_connection(shim()[0], timeout=3) as s:
        s.sendall(head.encode("latin-1") + body)
        return s.recv(12).decode("latin-1")[9:]

def call(number, *arguments):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def memory():
    """All that this process may read of itself, piece by piece."""
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as file:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if " r" in line and start < 1 << 47:
                try:
                    file.seek(start)
                    yield file.read(min(end - start, 1 << 25))
                except OSError:
                    pass

def found(data, halves):
    """Are both halves there, one right after the other? They are never joined here."""
    first, second = (half.encode() for half in halves)
    at = data.find(first)
    while at >= 0:
        if data.startswith(second, at + len(first)):
            return True
        at = data.find(first, at + 1)
    return False

def signal_shim(*names):
    for name in names:
        try:
            os.kill(os.getppid(), getattr(signal, name))
        except PermissionError:
            pass

def daemons(count):
    for _ in range(count):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(1000)
            os._exit(0)
        os.wait()

def example(marker="before"):
    rubric = [{"criterion": "States fact %d." % n, "weight": 1, "category": "insight"} for n in range(10)]
    return {"context": "The setting, called %s." % marker, "question": "Which facts hold?",
            "reference_answer": "All of them.", "rubric": rubric, "question_type": "listing", "tags": ["f"]}

def main(box):
    box.evaluate(example())
    box.log("before")
    os.chdir(os.environ["TMPDIR"])
    attack(box)
'''
