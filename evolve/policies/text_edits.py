"""Reads edits that are written as text: FIND … END pairs, those of other tools, and unified diffs.

A pair is complete in itself. Whatever else was cut off is a problem, never applied.
"""

import re
from collections.abc import Sequence

from studbook.evolve.policies.actions import NEEDS_PATH, REPLACE_SHAPE, Action, ActionKind, Hunk

LABEL = re.compile(r"^(?:path|file|filename)\s*[:=]\s*", re.IGNORECASE)
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.\w{1,5}")


def clean_path(raw: str) -> str:
    return LABEL.sub("", raw.strip()).strip().strip("\"'`<>").strip()


def find_path(line: str) -> str:
    """The path, if the line consists of nothing else: `**prompts/a.md**:`, `# File: agent.py`."""
    bare = clean_path(line.strip().strip("*#:`([])").strip()).rstrip(":*`")
    return bare if _PATH.fullmatch(bare) else ""


OPENING = re.compile(r"^\s*<{5,9}(?:\s.*)?$")
_MIDDLE = re.compile(r"^\s*={5,9}\s*$")
CLOSING = re.compile(r"^\s*>{5,9}(?:\s.*)?$")

NOT_CLOSED = "the block was not closed, so nothing was changed; send it again, shorter if it was cut off"


def problem_of(kind: ActionKind, path: str, body: str) -> str:
    if kind in NEEDS_PATH and (not path or "\n" in path):
        return f"`{kind}` needs exactly one path, like: {kind} prompts/example.md"
    if kind is ActionKind.SEARCH and not body.strip():
        return "`search` needs the text to look for in its body"
    return ""


def read_replace(path: str, body: str, *, is_closed: bool) -> Action:
    """Without any sign of old lines the body stays, and the worktree decides what it stands for."""
    kind, problem = ActionKind.REPLACE, problem_of(ActionKind.REPLACE, path, body)
    hunks: tuple[Hunk, ...] = ()
    if any(OPENING.match(line) for line in body.split("\n")):
        try:
            hunks, body = parse_hunks(body, is_closed=is_closed), ""
        except ValueError as error:
            problem = problem or (str(error) if is_closed else NOT_CLOSED)
    elif not is_closed:
        problem = problem or NOT_CLOSED
    elif found := read_diff(body, path):
        return found[0] if len(found) == 1 else Action(kind=kind, path=path, problem="one file per replace")
    return Action(kind=kind, path=path, body=body, hunks=hunks, problem=problem)


def parse_hunks(body: str, *, is_closed: bool = False) -> tuple[Hunk, ...]:
    """The find/replace pairs of a `replace` body; the last END may be missing in a block that is closed.

    Raises:
        ValueError: with a message for the model.
    """
    hunks: list[Hunk] = []
    parts: list[list[str]] = []
    for line in body.split("\n"):
        if OPENING.match(line) and not parts:
            parts = [[]]
        elif parts and CLOSING.match(line):
            hunks.append(_close_hunk(parts))
            parts = []
        elif parts and _MIDDLE.match(line):
            parts.append([])
        elif parts:
            parts[-1].append(line)
    if len(parts) == 2 and is_closed:
        hunks.append(_close_hunk(parts))
        parts = []
    if parts or not hunks:
        raise ValueError(REPLACE_SHAPE)
    return tuple(hunks)


def is_pairs(text: str) -> bool:
    """Whether it begins with a FIND/END pair and holds a whole one: no file looks so."""
    lines = text.strip("\n").split("\n")
    return bool(OPENING.match(lines[0])) and any(_MIDDLE.match(line) for line in lines)


def read_append(path: str, body: str, *, is_closed: bool) -> Action:
    """Lines to add, also where they are written as a pair, or as its second half.

    The pair's hunks are kept: if its old lines occur, it is a replace.
    """
    kind, problem = ActionKind.APPEND, problem_of(ActionKind.APPEND, path, body)
    hunks: tuple[Hunk, ...] = ()
    if is_pairs(body):
        replacing = read_replace(path, body, is_closed=is_closed)
        hunks, problem = replacing.hunks, replacing.problem
        body = "\n".join(hunk.new for hunk in hunks)
    elif not is_closed:
        problem = problem or NOT_CLOSED
    else:
        body = _new_part(body)
    return Action(kind=kind, path=path, body=body, hunks=hunks, problem=problem)


def _new_part(text: str) -> str:
    lines = text.split("\n")
    ends = [at for at, line in enumerate(lines) if CLOSING.match(line)]
    begins = [at for at, line in enumerate(lines) if _MIDDLE.match(line)]
    if not ends:
        return text
    if not begins:
        return "\n".join(lines[: ends[0]])
    return "\n".join(line for line in lines[begins[0] : ends[-1]] if not _MIDDLE.match(line))


def _close_hunk(parts: list[list[str]]) -> Hunk:
    if len(parts) != 2:
        raise ValueError(f"exactly one ======= line must stand between old and new lines: {REPLACE_SHAPE}")
    old, new = ("\n".join(part) for part in parts)
    if not old.strip():
        raise ValueError("the old text is empty; to add text, find a line and repeat it, or use write")
    return Hunk(old=old, new=new)


def read_edits(text: str, path: str) -> list[Action]:
    """FIND/END pairs in the style of other tools: a line above a pair names its file."""
    found: list[tuple[str, list[str]]] = []
    is_inside = False
    for line in text.split("\n"):
        if not is_inside and OPENING.match(line):
            is_inside = True
            if not found or found[-1][0] != path:
                found.append((path, []))
        if is_inside:
            found[-1][1].append(line)
            is_inside = not CLOSING.match(line)
        else:
            path = find_path(line) or path
    return [read_replace(name, "\n".join(lines), is_closed=not is_inside) for name, lines in found]


_OLD_FILE = re.compile(r"^--- (?:a/)?(?P<path>[^\t\n]+)")
_NEW_FILE = re.compile(r"^\+\+\+ (?:b/)?(?P<path>[^\t\n]+)")
NOWHERE = "/dev/null"


_COUNTS = re.compile(r"^@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")


def _find_headers(lines: Sequence[str]) -> list[int]:
    """Where files begin: not among the lines that `@@` announces, where a removed `-- x` looks like a header.

    Models miscount. So a header before another `@@` is one all the same, unless it makes the count right.
    """
    found: list[int] = []
    old = new = 0
    for at, (line, after, *rest) in enumerate(zip(lines, lines[1:], [*lines[2:], ""], strict=False)):
        if _OLD_FILE.match(line) and _NEW_FILE.match(after):
            is_announced = old > 0 and new > 0
            if not is_announced or (rest[0].startswith("@@") and (old, new) != (1, 1)):
                found.append(at)
                old = new = 0
                continue
        if counts := _COUNTS.match(line):
            old, new = int(counts["old"] or 1), int(counts["new"] or 1)
        else:
            old -= line[:1] in {" ", "-", ""}
            new -= line[:1] in {" ", "+", ""}
    return found


def read_diff(text: str, path: str) -> list[Action]:
    """The files of a unified diff; `path` is that of a diff without a header. [] if it is no diff."""
    lines = text.strip("\n").split("\n")
    headers = _find_headers(lines)
    of_headers = {at + line for at in headers for line in (0, 1)}
    marked = [
        line
        for at, line in enumerate(lines)
        if line[:1] in {"+", "-"} and at not in of_headers and (headers or line[:3] not in {"---", "+++"})
    ]
    if not marked or not (headers or (path and _is_bare_diff(lines))):
        return []
    if not headers:
        return [_of_changes(path, path, lines)]
    ends = [*headers[1:], len(lines)]
    found = []
    for start, end in zip(headers, ends, strict=True):
        old, new = _OLD_FILE.match(lines[start]), _NEW_FILE.match(lines[start + 1])
        assert old is not None and new is not None  # they were found above
        found.append(_of_changes(old["path"].strip(), new["path"].strip(), lines[start + 2 : end]))
    return found


def _is_bare_diff(lines: Sequence[str]) -> bool:
    """With line numbers, or with nothing but removed, added and repeated lines."""
    if any(line.startswith("@@") for line in lines):
        return True
    starts = {line[:1] for line in lines}
    return {"+", "-"} <= starts <= {"+", "-", " ", ""}


def _of_changes(old_path: str, path: str, lines: Sequence[str]) -> Action:
    hunks: list[Hunk] = []
    old: list[str] = []
    new: list[str] = []
    for line in [*lines, "@@"]:
        if line.startswith("@@"):
            if old != new:
                hunks.append(Hunk(old="\n".join(old), new="\n".join(new)))
            old, new = [], []
        elif line[:1] in {" ", "-", "+", ""}:
            old += [line[1:]] if line[:1] != "+" else []
            new += [line[1:]] if line[:1] != "-" else []
    if path == NOWHERE:
        return Action(
            kind=ActionKind.DELETE, path=old_path, problem=problem_of(ActionKind.DELETE, old_path, "")
        )
    if old_path == NOWHERE:
        return Action(kind=ActionKind.WRITE, path=path, body="\n".join(hunk.new for hunk in hunks))
    problem = (
        "" if hunks and all(hunk.old.strip() for hunk in hunks) else "the diff repeats no line of the file"
    )
    return Action(kind=ActionKind.REPLACE, path=path, hunks=tuple(hunks), problem=problem)
