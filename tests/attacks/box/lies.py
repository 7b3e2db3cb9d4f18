"""Lies of a shim that has been taken over completely: a program in its place that speaks as it likes.

Each begins like an honest one (ready, a good example, a line) and goes on as its row says. What counts is the
host: that it ends the box, keeps what was good, and never spends more than its bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attacks.box.attack import ANYTHING, CRASHED, FINISHED, LIMITS, PROTOCOL, TIME, Achieved

from studbook.sandbox.contract import BoxStatus

HONEST_BEGINNING = """
import itertools, json, os, sys, time
numbers = itertools.count(1)

def say(data):
    data = memoryview(data)
    while data:
        data = data[os.write(1, data):]

def frame(**body):
    return json.dumps(body).encode() + b"\\n"

def request(kind, body):
    return frame(kind="request", id=next(numbers), request=kind, body=body)

def end(how="returned", **more):
    return frame(kind="end", how=how, type="", message="", **more)

pending = b""
def next_line():
    global pending
    while b"\\n" not in pending:
        pending += os.read(0, 1 << 20)
    line, _, pending = pending.partition(b"\\n")
    return json.loads(line)

while "start" not in next_line():
    pass
rubric = [{"criterion": "States fact %d." % n, "weight": 1, "category": "insight"} for n in range(10)]
example = {"context": "The setting, called before.", "question": "Which facts hold?",
           "reference_answer": "All of them.", "rubric": rubric, "question_type": "listing", "tags": ["f"]}
say(frame(kind="ready", python="3.12.0", warnings=[]))
say(request("evaluate", {"example": example, "solvers": "both"}))
next_line()
say(request("log", {"text": "before"}))
next_line()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    name: str
    source: str
    ends: frozenset[BoxStatus] = PROTOCOL
    achieved: Achieved = ()
    limits: Mapping[str, float] = field(default_factory=dict)


def said(name: str, expression: str, ends: frozenset[BoxStatus] = PROTOCOL, achieved: Achieved = ()) -> Lie:
    """Says one thing, then a good end."""
    source = f"say({expression})\nsay(end())\ntime.sleep(1000)\n"
    return Lie(name=name, source=source, ends=ends, achieved=achieved)


BODY = 'b\'{"kind":"request","id":9,"request":"log","body":{"text":%s}}\\n\''
TOP = 'frame(kind="request", request="log", body={"text": "x"}, id=%s)'

FORMS = (
    said("junk", 'b"hello\\n"'),
    said("an empty line", 'b"\\n"'),
    said("lines that end in CR", 'end().replace(b"\\n", b"\\r")+b"\\n"', FINISHED),  # white space in JSON
    said("UTF-16", 'end().decode().encode("utf-16")+b"\\n"'),
    said("a byte order mark", 'b"\\xef\\xbb\\xbf"+end()'),
    said("bytes that are no UTF-8", 'bytes(range(128, 256))+b"\\n"'),
    said("an array", 'b"[1,2]\\n"'),
    said("NaN", BODY % '{"n":NaN}'),
    said("infinity", BODY % "-Infinity"),
    said("a number too large", BODY % "1e999"),
    said("a number of a million digits", 'b\'{"kind":"end","how":\'+b"9"*1_000_000+b"}\\n"'),
    said("a fraction of a million digits", 'b\'{"kind":"end","how":0.\'+b"9"*1_000_000+b"}\\n"'),
    said("the same key twice", 'b\'{"kind":"end","kind":"end","how":"returned","type":"","message":""}\\n\''),
    said("nested 100 deep", BODY % ("[" * 100 + "]" * 100)),
    said("nested 100,000 deep", 'b"["*100_000+b"\\n"'),
    said("half a character", BODY % '"\\\\ud800"'),
    said(
        "an object of 300,000 keys", 'json.dumps(dict.fromkeys(map(str, range(300_000)), 1)).encode()+b"\\n"'
    ),
)
FORGERIES = (
    said("a forged verdict", 'frame(kind="accepted", round=1, score=1.0)'),
    said("a forged report", 'frame(kind="report", status="accepted", weak=0.4, strong=0.8)'),
    said("an end with a score", "end(score=1.0)"),
    said("an end of another kind", 'end(how="accepted")'),
    said("a reply", 'frame(id=1, reply={"status": "accepted"})'),
    said("a request of another kind", 'request("accept", {"round": 1})'),
    said(
        "a request with more keys", 'frame(kind="request", id=9, request="log", body={"text": "x"}, score=1)'
    ),
    said("ready twice", 'frame(kind="ready", python="3", warnings=[])'),
    said("an id that is zero", TOP % "0"),
    said("an id that is negative", TOP % "-1"),
    said("an id that is true", TOP % "True"),
    said("an id that is text", TOP % '"1"'),
    said("an id beyond all bounds", TOP % "2**40"),
    said("an id used before", TOP % "1", FINISHED, ("x",)),  # it hears the answer twice, and nobody else does
    said("output of 70,000 characters at once", 'frame(kind="output", text="x" * 70_000)'),
    said("a body that is no object", 'frame(kind="request", id=9, request="log", body=[1])'),
)
FLOODS = (
    Lie(
        name="an endless line",
        source='while True:\n    say(b"x" * 65536)\n',
    ),
    Lie(
        name="endless frames of nothing",
        source='blank = frame(kind="output", text="") * 2000\nwhile True:\n    say(blank)\n',
        ends=LIMITS,
        limits={"wall_seconds": 2},
    ),
    Lie(
        name="endless frames of much",
        source='full = frame(kind="output", text="x" * 60_000) * 20\nwhile True:\n    say(full)\n',
        ends=LIMITS,
        limits={"wall_seconds": 25},
    ),
    Lie(
        name="endless requests, and no reading of replies",
        source='while True:\n    say(request("log", {"text": "x"}))\n',
        achieved=ANYTHING,
        ends=frozenset({*LIMITS, *TIME}),
        limits={"wall_seconds": 2},
    ),
    Lie(
        name="large replies that are never read",
        source="""
ask = {"role": "challenger", "messages": [{"role": "user", "content": "giant"}]}
while True:
    say(request("chat", ask))
""",
        ends=frozenset({*LIMITS, *TIME}),
        limits={"wall_seconds": 2},
    ),
    Lie(
        name="large requests one upon the other",
        source="""
ask = {"role": "challenger", "messages": [{"role": "user", "content": "x" * 3_900_000}]}
while True:
    say(request("chat", ask))
""",
        ends=LIMITS,
        limits={"wall_seconds": 25},
    ),
    Lie(
        name="endless words on stderr",
        source='while True:\n    os.write(2, b"x" * 65536)\n',
        ends=TIME,
        limits={"wall_seconds": 2},
    ),
    Lie(
        name="one byte now and then",
        source='while True:\n    say(b" ")\n    time.sleep(0.01)\n',
        ends=TIME,
        limits={"wall_seconds": 2},
    ),
    Lie(name="silence", source="time.sleep(1000)\n", ends=TIME, limits={"wall_seconds": 1.5}),
    Lie(
        name="deaf and dumb, but alive",
        source="os.close(0)\nos.close(1)\ntime.sleep(1000)\n",
        ends=CRASHED | TIME,
        limits={"wall_seconds": 1.5},
    ),
    Lie(
        name="deaf and dumb on stderr too, but alive",
        source="os.closerange(0, 3)\ntime.sleep(1000)\n",
        ends=CRASHED | TIME,
        limits={"wall_seconds": 1.5},
    ),
    Lie(name="an end, and staying", source="say(end())\nwhile True:\n    pass\n", ends=FINISHED),
    Lie(name="a death without a word", source="os._exit(7)\n", ends=CRASHED),
    Lie(name="a death that looks as if its host had gone", source="os._exit(0)\n", ends=CRASHED),
    Lie(name="a death that looks as if its engine had gone", source="os._exit(255)\n", ends=CRASHED),
)
