"""The testbed's implementer: reads the harness's real files and edits them, well or badly.

A text program, not a language model. It sees only the chat, from which it recovers its dialogue each time; it
treats text inside results as data and parses only the frame around it. It explores the files, draws an idea
that the diagnosis makes likely, and derives the edit from the files' contents. A diagnosis that stresses the
wrong cause makes the wrong ideas more likely; this is intended. Some edits contain mistakes, some change
nothing, and a rare one writes outside the harness and is abandoned when refused. It keeps no state.
"""

import difflib
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from studbook.identity import derive_seed
from studbook.llm.contracts import ChatRequest, Message
from studbook.testbed.ideas.accidents import Edited, broken, draw_trespass, ineffective
from studbook.testbed.ideas.files import Files
from studbook.testbed.ideas.repertoire import Idea, repertoire
from studbook.testbed.models.signs import tagged
from studbook.testbed.models.words import content_words, likeness

_RESULT = re.compile(
    r'^<result action="(?P<action>\w+)"(?: path="(?P<path>[^"\n]*)")? ok="(?P<ok>true|false)"[^>\n]*>\n'
    r"(?P<text>.*?)\n?</result>(?=\s*(?:^<result |^Turns left|\Z)|\s*\n)",
    re.DOTALL | re.MULTILINE,
)
_SHOWN = re.compile(
    r'^<file path="(?P<path>[^"\n]*)">\n(?P<text>.*?)\n</file>(?=\n<file path=|\n\n|\Z)',
    re.DOTALL | re.MULTILINE,
)
_TURNS_LEFT = re.compile(r"Turns left: (\d+)")
_FILE_LINE = re.compile(r"^[-*]?\s*(?P<path>[^\s:]+)(?::?\s+\(?\d+.*)?$")

_READABLE = (".py", ".md", ".txt", ".yaml", ".yml", ".json")

_CUT = re.compile(r"^\[… \d+ characters left out …\]$", re.MULTILINE)
_HYPOTHESIS = re.compile(r"^Hypothesis: (.+)$", re.MULTILINE)

EDITS = frozenset({"replace", "write", "delete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    action: str
    path: str
    ok: bool
    text: str

    @property
    def is_refused(self) -> bool:
        return not self.ok and self.action in EDITS and self.text.lower().startswith("refused")


@dataclass(slots=True, kw_only=True)
class Dialogue:
    """`files` are the texts before any edit; `rounds` are the results of each of its messages, in order."""

    diagnosis: str = ""
    history: str = ""
    listed: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    rounds: list[list[ActionResult]] = field(default_factory=list)
    hypothesis: str = ""
    turns_left: int | None = None

    @property
    def edits(self) -> list[ActionResult]:
        return [result for results in self.rounds for result in results if result.action in EDITS]

    @property
    def edit_rounds(self) -> int:
        return sum(any(result.action in EDITS for result in results) for results in self.rounds)

    @property
    def last(self) -> list[ActionResult]:
        return self.rounds[-1] if self.rounds else []

    @property
    def unread(self) -> list[str]:
        return [path for path in self.listed if path not in self.asked and path.endswith(_READABLE)]


def read_dialogue(messages: Sequence[Message]) -> Dialogue:
    dialogue = Dialogue()
    users = [message.content for message in messages if message.role == "user"]
    opening = users[0] if users else ""
    dialogue.diagnosis = tagged(opening, "diagnosis")
    dialogue.history = tagged(opening, "history")
    _list(dialogue, tagged(opening, "files"))
    for shown in _SHOWN.finditer(opening.rpartition("</files>")[2]):
        dialogue.asked.add(shown["path"])
        dialogue.files[shown["path"]] = shown["text"]
    for text in users[1:]:
        _take_results(dialogue, text)
    for message in messages:
        found = _HYPOTHESIS.findall(message.content) if message.role == "assistant" else []
        dialogue.hypothesis = found[-1].strip() if found else dialogue.hypothesis
    left = _TURNS_LEFT.findall(users[-1]) if users else []
    dialogue.turns_left = int(left[-1]) if left else None
    return dialogue


def _take_results(dialogue: Dialogue, text: str) -> None:
    results = [
        ActionResult(
            action=found["action"], path=found["path"] or "", ok=found["ok"] == "true", text=found["text"]
        )
        for found in _RESULT.finditer(text)
    ]
    dialogue.rounds.append(results)
    for result in results:
        if result.action == "list" and result.ok:
            _list(dialogue, result.text)
        elif result.action == "read":
            dialogue.asked.add(result.path)
            if result.ok and not dialogue.edits and not _CUT.search(result.text):
                dialogue.files[result.path] = result.text


def _list(dialogue: Dialogue, text: str) -> None:
    for line in text.split("\n"):
        found = _FILE_LINE.match(line.strip())
        if found and found["path"] not in dialogue.listed:
            dialogue.listed.append(found["path"])


_MARKER = re.compile(r"^(<{5,9}|={5,9}|>{5,9})(\s|$)", re.MULTILINE)

MOST_HUNKS = 12


def block(info: str, body: str = "") -> str:
    """A fenced block; its fence is longer than any in the body."""
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{body}\n{fence}" if body else f"{fence}{info}\n{fence}"


def edit_blocks(files: Mapping[str, str], edited: Mapping[str, str | None], whole: bool = False) -> str:
    """One action per changed file: replace if few lines change, otherwise write; None deletes the file."""
    blocks = []
    for path, text in edited.items():
        if text is None:
            blocks.append(block(f"delete {path}"))
        else:
            pairs = None if whole or path not in files else find_pairs(files[path], text)
            blocks.append(
                block(f"replace {path}", _pair_blocks(pairs)) if pairs else block(f"write {path}", text)
            )
    return "\n\n".join(blocks)


def find_pairs(old: str, new: str) -> list[tuple[str, str]] | None:
    """(find, replace) pairs that turn `old` into `new`, applied in order; None if writing is simpler."""
    before, after = old.split("\n"), new.split("\n")
    spans = _changed_spans(before, after)
    if not spans or len(spans) > MOST_HUNKS or _MARKER.search(old) or _MARKER.search(new):
        return None
    pairs = []
    text = old
    for start, end, first, last in reversed(spans):
        grown = _until_unique(text, before, start, end)
        if grown is None:
            return None
        top, bottom = grown
        find = "\n".join(before[top:bottom])
        put = "\n".join([*before[top:start], *after[first:last], *before[end:bottom]])
        text = text.replace(find, put)
        before = [*before[:start], *after[first:last], *before[end:]]
        pairs.append((find, put))
    return pairs if text == new else None


def _changed_spans(before: list[str], after: list[str]) -> list[tuple[int, int, int, int]]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [(i, j, k, m) for tag, i, j, k, m in matcher.get_opcodes() if tag != "equal"]


def _until_unique(text: str, lines: list[str], start: int, end: int) -> tuple[int, int] | None:
    """Lines [top, bottom) around [start, end) whose text occurs exactly once and is not blank."""
    top, bottom = start, end
    while True:
        find = "\n".join(lines[top:bottom])
        if bottom > top and find.strip() and text.count(find) == 1:
            return top, bottom
        if top == 0 and bottom == len(lines):
            return None
        top, bottom = max(0, top - 1), min(len(lines), bottom + (bottom - end <= start - top))


def _pair_blocks(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(f"<<<<<<< FIND\n{find}\n=======\n{put}\n>>>>>>> END" for find, put in pairs)


BROKEN_CODE_SHARE = 0.22
BROKEN_PROMPT_SHARE = 0.04
INEFFECTIVE_SHARE = 0.06
OUTSIDE_SHARE = 0.015
TRY_SHARE = 0.3
MEND_SHARE = 0.7

_TROUBLE = re.compile(
    r"\b(?:not run|crashed|Traceback|timed[_ ]out|out[_ ]of[_ ]limits|protocol[_ ]error|does not compile)\b"
    r"|\b[A-Z]\w*Error\b"
)

NOTHING_FITS = "Left as it is: nothing in these files fits what the diagnosis asks for."


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    hypothesis: str
    edited: Edited
    wants_try: bool = False


def reply(request: ChatRequest) -> str:
    """The next message of the dialogue; the same request always gets the same one."""
    dialogue = read_dialogue(request.messages)
    rng = random.Random(derive_seed(request.seed, "implementer"))
    if dialogue.edits:
        return _after_edit(dialogue, rng)
    if _wants_to_look(dialogue):
        return _look(dialogue)
    return _edit(dialogue, rng)


def _wants_to_look(dialogue: Dialogue) -> bool:
    has_time = dialogue.turns_left is None or dialogue.turns_left > 1
    return has_time and (not dialogue.rounds or bool(dialogue.unread))


def _look(dialogue: Dialogue) -> str:
    reads = [block("read", path) for path in dialogue.unread]
    listing = [] if dialogue.rounds else [block("list")]
    return "\n\n".join(["I look at the files before I change any.", *listing, *reads])


def _edit(dialogue: Dialogue, rng: random.Random) -> str:
    if rng.random() < OUTSIDE_SHARE:
        trespass = draw_trespass(rng)
        return f"Hypothesis: {trespass.hypothesis}\n\n{block(f'write {trespass.path}', trespass.text)}"
    intention = _intend(dialogue, rng)
    if intention is None:
        return block("done", NOTHING_FITS)
    ending = block("try") if intention.wants_try else block("done", intention.hypothesis)
    return (
        f"Hypothesis: {intention.hypothesis}\n\n{edit_blocks(dialogue.files, intention.edited)}\n\n{ending}"
    )


def _intend(dialogue: Dialogue, rng: random.Random) -> Intention | None:
    thought = choose(repertoire(), dialogue.files, dialogue.diagnosis, dialogue.history, rng)
    if thought is None:
        return None
    hypothesis = rng.choice(thought.idea.hypotheses)
    edited: Edited = dict(thought.edited)
    if rng.random() < INEFFECTIVE_SHARE:
        edited = ineffective(dialogue.files, rng)
    elif rng.random() < (BROKEN_CODE_SHARE if thought.idea.touches_code else BROKEN_PROMPT_SHARE):
        edited = broken(dialogue.files, thought.edited, rng)
    wants_try = thought.idea.touches_code and _has_turns(dialogue) and rng.random() < TRY_SHARE
    return Intention(hypothesis=hypothesis, edited=edited, wants_try=wants_try)


def _has_turns(dialogue: Dialogue) -> bool:
    return dialogue.turns_left is None or dialogue.turns_left >= 3


def _after_edit(dialogue: Dialogue, rng: random.Random) -> str:
    """Ends the dialogue, or writes the intended files in full if an edit or a test run failed."""
    done = block("done", dialogue.hypothesis or NOTHING_FITS)
    failed = any(
        result.action in ("replace", "write", "delete") and not result.ok for result in dialogue.last
    )
    if any(result.is_refused for result in dialogue.edits) or dialogue.edit_rounds > 1:
        return done
    trouble = any(result.action == "try" and _TROUBLE.search(result.text) for result in dialogue.last)
    if failed or (trouble and rng.random() < MEND_SHARE):
        intended = _intended(dialogue, rng)
        if intended:
            return (
                f"That did not go as meant.\n\n{edit_blocks(dialogue.files, intended, whole=True)}\n\n{done}"
            )
    return done


def _intended(dialogue: Dialogue, rng: random.Random) -> Mapping[str, str | None]:
    """The edit that the hypothesis's idea makes to the original files."""
    for idea in repertoire():
        if dialogue.hypothesis in idea.hypotheses:
            return dict(idea.edit(dialogue.files, rng))
    return {}


CODE_SHARE = 0.54
"""How often an idea concerns code rather than prompts."""

STRESS = 8.0
"""How much more likely an idea becomes when the first cause supports it."""

SIMILAR = 0.5
"""Similarity above which two hypotheses count as the same idea."""

_FADING: Mapping[str, float] = {
    "rejected": 0.15,
    "duplicate": 0.2,
    "no_change": 0.4,
    "broken": 0.6,
    "admitted": 0.6,
}
"""Factor on the probability of an idea that was already tried, by its verdict in the history."""

_HEADING = re.compile(r"^#{1,6}\s+(?:(\d+)[.)]\s*)?(.*)$")
_NUMBERED = re.compile(r"^\s*(\d+)[.)]\s+")
_SETTLED = re.compile(r"tried before|earlier iterations|not the harness|what happened", re.IGNORECASE)
_FAINT = re.compile(r"lesser|suspicio|minor|guess", re.IGNORECASE)
_VERDICT = re.compile(r":\s*(admitted|rejected|broken|duplicate|no_change)\b")
_TOLD_HYPOTHESIS = re.compile(r"Hypothesis:\s*(.+)$")


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the diagnosis as stems, and its emphasis."""

    words: frozenset[str]
    stress: float


@dataclass(frozen=True, slots=True)
class Thought:
    """An idea with the files it would change."""

    idea: Idea
    edited: dict[str, str]


def choose(
    ideas: Sequence[Idea], files: Files, diagnosis: str, history: str, rng: random.Random
) -> Thought | None:
    """The first drawn idea that fits the files; None if none does."""
    wants_code = rng.random() < CODE_SHARE
    statements = read_diagnosis(diagnosis)
    tried = tuple(read_history(history))
    for touches_code in (wants_code, not wants_code):
        pool = [idea for idea in ideas if idea.touches_code is touches_code]
        weights = [weigh(idea, statements, tried) for idea in pool]
        while pool:
            at = rng.choices(range(len(pool)), weights)[0]
            idea = pool.pop(at)
            weights.pop(at)
            edited = idea.edit(files, rng)
            if edited:
                return Thought(idea, edited)
    return None


def weigh(idea: Idea, statements: Sequence[Statement], tried: Sequence[tuple[str, str]]) -> float:
    wish = idea.weight * (1.0 + STRESS * relevance(idea, statements))
    for verdict, hypothesis in tried:
        if any(likeness(hypothesis, own) >= SIMILAR for own in idea.hypotheses):
            wish *= _FADING.get(verdict, 1.0)
    return wish


def relevance(idea: Idea, statements: Sequence[Statement]) -> float:
    """In [0, 1]: the emphasis of the sentences that support the idea."""
    cues = [content_words(cue) for cue in idea.cues]
    return min(1.0, sum(item.stress for item in statements if any(cue <= item.words for cue in cues)))


@lru_cache(maxsize=64)
def read_diagnosis(text: str) -> tuple[Statement, ...]:
    """Sentences outside quotations; the first cause has full weight, later ones less."""
    return tuple(_statements(text))


def _statements(text: str) -> Iterator[Statement]:
    rank, factor = 1, 0.2
    for line in text.split("\n"):
        if line.lstrip().startswith(">"):
            continue
        heading, numbered = _HEADING.match(line), _NUMBERED.match(line)
        if heading:
            rank = int(heading[1]) if heading[1] else 1
            factor = _factor(heading[2]) if not heading[1] else max(factor, 0.5)
        elif numbered:
            rank = int(numbered[1])
        for sentence in re.split(r"(?<=[.!?;])\s+", line):
            words = content_words(sentence)
            if words and factor:
                yield Statement(words, 0.5 * factor / max(1, rank))


def _factor(title: str) -> float:
    if _SETTLED.search(title):
        return 0.0
    return 0.25 if _FAINT.search(title) else 1.0


def read_history(text: str) -> Iterator[tuple[str, str]]:
    """(verdict, hypothesis) of each line that contains both."""
    for line in text.split("\n"):
        verdict, hypothesis = _VERDICT.search(line), _TOLD_HYPOTHESIS.search(line)
        if verdict and hypothesis:
            yield verdict[1], hypothesis[1]
