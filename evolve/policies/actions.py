"""Parses the implementer's actions from the fenced blocks of a reply; lenient about form only.

It knows nothing about files: an invalid action becomes an `Action` with a `problem`, which the dialogue
reports to the model. A truncated block is never applied, because half a file is worse than none.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from studbook.llm.answers import split_thoughts


class ActionKind(StrEnum):
    LIST = "list"
    READ = "read"
    SEARCH = "search"
    REPLACE = "replace"
    WRITE = "write"
    DELETE = "delete"
    TRY = "try"
    DONE = "done"


EDITS = frozenset({ActionKind.REPLACE, ActionKind.WRITE, ActionKind.DELETE})

NEEDS_PATH = EDITS | {ActionKind.READ}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`problem` says why the action cannot be executed as written; empty if it can."""

    kind: ActionKind
    path: str = ""
    body: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    info: str
    body: str
    is_closed: bool


_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>.*)$")
_PATH_LABEL = re.compile(r"^(?:path|file|filename)\s*[:=]\s*", re.IGNORECASE)


def parse_actions(reply: str) -> tuple[Action, ...]:
    """Every action of a reply, in order; prose, foreign code blocks and thoughts are skipped."""
    text, _ = split_thoughts(reply.replace("\r\n", "\n"))
    found = []
    for block in fenced_blocks(text):
        kind, rest = _read_info(block.info)
        if kind is not None:
            found.append(_to_action(kind, rest, block))
    return tuple(found)


def fenced_blocks(text: str) -> Iterator[Block]:
    """Outermost blocks. Inside one, a fence with a language opens an inner block, with an action a new."""
    fence, info, inner = "", "", 0
    body: list[str] = []
    for line in text.split("\n"):
        mark, word = _fence_of(line)
        if not fence:
            fence, info, body, inner = mark, word, [], 0
        elif not _is_at_least(mark, fence):
            body.append(line)
        elif word and _read_info(word)[0] is not None:
            yield Block(info=info, body="\n".join(body), is_closed=False)
            fence, info, body, inner = mark, word, [], 0
        elif word or inner:
            inner += 1 if word else -1
            body.append(line)
        else:
            yield Block(info=info, body="\n".join(body), is_closed=True)
            fence = ""
    if fence:
        yield Block(info=info, body="\n".join(body), is_closed=False)


def render_action(kind: ActionKind, path: str = "", body: str = "") -> str:
    """The block for an action, with a fence longer than any in its body."""
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    head = f"{fence}{kind} {path}".rstrip()
    return f"{head}\n{body}\n{fence}" if body else f"{head}\n{fence}"


def _fence_of(line: str) -> tuple[str, str]:
    match = _FENCE.match(line)
    if match is None:
        return "", ""
    fence, info = match["fence"], match["info"].strip()
    if info.endswith("```"):
        return "", ""  # ```inline``` code, not a fence
    return fence, info


def _is_at_least(mark: str, fence: str) -> bool:
    return bool(mark) and mark[0] == fence[0] and len(mark) >= len(fence)


def _read_info(info: str) -> tuple[ActionKind | None, str]:
    """The action that an info string names, and its argument: `Replace: path=x.md` -> (REPLACE, "x.md")."""
    words = re.sub(r"^action\s*[:=]\s*", "", info.strip(), flags=re.IGNORECASE)
    match = re.match(r"[\"'{]?([A-Za-z]+)[\"'}]?:?(?:\s+|$)(.*)$", words)
    if match is None or match[1].lower() not in ActionKind.__members__.values():
        return None, ""
    return ActionKind(match[1].lower()), _clean_path(match[2])


def _clean_path(raw: str) -> str:
    return _PATH_LABEL.sub("", raw.strip()).strip().strip("\"'`<>").strip()


def _to_action(kind: ActionKind, rest: str, block: Block) -> Action:
    body = block.body
    path = rest if kind in NEEDS_PATH else ""
    if kind in {ActionKind.READ, ActionKind.DELETE} and not path:
        path, body = _clean_path(body), ""
    elif kind in {ActionKind.WRITE, ActionKind.REPLACE} and not path:
        path, body = _path_from_body(body)
    elif kind in {ActionKind.SEARCH, ActionKind.DONE} and not body.strip():
        body = rest
    return Action(kind=kind, path=path, body=body, problem=_problem(kind, path, body, block))


def _path_from_body(body: str) -> tuple[str, str]:
    first, _, others = body.partition("\n")
    if _PATH_LABEL.match(first.strip()):
        return _clean_path(first), others
    return "", body


def _problem(kind: ActionKind, path: str, body: str, block: Block) -> str:
    if kind in {ActionKind.WRITE, ActionKind.REPLACE} and not block.is_closed:
        return "the block was not closed, so nothing was changed; send it again, shorter if it was cut off"
    if kind in NEEDS_PATH and (not path or "\n" in path):
        return f"`{kind}` needs exactly one path, like: {kind} prompts/example.md"
    if kind is ActionKind.SEARCH and not body.strip():
        return "`search` needs the text to look for in its body"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    old: str
    new: str


_OPEN = re.compile(r"^<{5,9}(?:\s.*)?$")
_MIDDLE = re.compile(r"^={5,9}\s*$")
_CLOSE = re.compile(r"^>{5,9}(?:\s.*)?$")


def parse_hunks(body: str) -> tuple[Hunk, ...]:
    """The find/replace pairs of a `replace` body; several may follow one another.

    Raises:
        ValueError: with a message for the model.
    """
    hunks: list[Hunk] = []
    parts: list[list[str]] = []
    for line in body.split("\n"):
        if _OPEN.match(line) and not parts:
            parts = [[]]
        elif parts and _CLOSE.match(line):
            hunks.append(_close_hunk(parts))
            parts = []
        elif parts and _MIDDLE.match(line):
            parts.append([])
        elif parts:
            parts[-1].append(line)
    if parts or not hunks:
        raise ValueError("a replace body is: <<<<<<< FIND, old lines, =======, new lines, >>>>>>> END")
    return tuple(hunks)


def _close_hunk(parts: list[list[str]]) -> Hunk:
    if len(parts) != 2:
        raise ValueError("a replace needs exactly one ======= line between old and new; else use write")
    old, new = ("\n".join(part) for part in parts)
    if not old.strip():
        raise ValueError("the old text is empty; to add text, find a line and repeat it, or use write")
    return Hunk(old=old, new=new)
