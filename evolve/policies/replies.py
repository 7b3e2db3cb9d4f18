"""Reads the implementer's actions from what models really write; lenient about form only.

Three forms are understood: fenced blocks whose info string names an action; the edits of other tools
(SEARCH/REPLACE blocks, patches, unified diffs, with the file named above or within); and tool calls, by the
endpoint or as text in JSON or XML. Prose and foreign code blocks are skipped (the client has removed
thoughts).

What was cut off is never applied, because half a file is worse than none; only a FIND … END pair is complete
in itself.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studbook.evolve.policies.actions import EDITS, NEEDS_PATH, Action, ActionKind
from studbook.evolve.policies.patches import read_patch
from studbook.evolve.policies.text_edits import (
    CLOSING,
    LABEL,
    NOT_CLOSED,
    OPENING,
    clean_path,
    find_path,
    is_pairs,
    problem_of,
    read_append,
    read_diff,
    read_edits,
    read_replace,
)
from studbook.evolve.policies.tool_calls import action_of_call, calls_in_json, calls_in_xml, end_of_call
from studbook.llm.contracts import ChatReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    info: str
    body: str
    is_closed: bool
    is_ambiguous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Text that is a tool call or a patch, with whatever fences stand in it."""

    text: str


def read_reply(reply: ChatReply) -> tuple[Action, ...]:
    """The endpoint's tool calls if there are any, otherwise the actions in the text, in order."""
    called = [action for call in reply.tool_calls for action in action_of_call(call)]
    return tuple(called) or parse_actions(reply.text)


def parse_actions(reply: str) -> tuple[Action, ...]:
    """Every action of a text without thoughts, in order."""
    text = reply.replace("\r\n", "\n")
    found: list[Action] = []
    above = ""
    for piece in pieces(text):
        if isinstance(piece, Block):
            found += _of_block(piece, above)
        elif isinstance(piece, Call):
            found += read_patch(piece.text) or [*calls_in_xml(piece.text)] or calls_in_json(piece.text)
        else:
            found += _of_prose(piece)
            above = next((line for line in reversed(piece.split("\n")) if line.strip()), above)
    return tuple(found) or _without_fences(text)


def _without_fences(text: str) -> tuple[Action, ...]:
    """A message of nothing but actions without their fences: `append a.md`, then its lines."""
    if any(_fence_of(line)[0] for line in text.split("\n")):
        return ()
    found: list[tuple[ActionKind, str, list[str]]] = []
    for line in text.strip().split("\n"):
        kind, path = _read_info(line)
        if (kind in NEEDS_PATH and find_path(path)) or (kind is ActionKind.DONE and found):
            found.append((kind, path, []))
        elif found:
            found[-1][2].append(line)
        else:
            return ()
    return tuple(
        _to_action(kind, path, Block(info=kind, body="\n".join(body), is_closed=True))
        for kind, path, body in found
    )


_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>.*)$")


def pieces(text: str) -> Iterator[Block | Call | str]:
    """The outermost blocks, calls of tools, and the prose between them.

    Inside a block, a fence with a language opens an inner block, one with an action a new block, and one
    between FIND and END is content.
    """
    lines = text.split("\n")
    fence, info, inner, is_hunk = "", "", 0, False
    held: list[str] = []
    until, is_ambiguous = -1, False
    for number, line in enumerate(lines):
        if number < until:
            held.append(line)
            continue
        mark, word = _fence_of(line)
        if not fence:
            if number == until:
                yield Call(text="\n".join([*held, line]))
                held = []
                continue
            if not mark:
                until = _end_of_call(lines, number, until)
                if until == number:
                    yield Call(text=line)
                    continue
                if until > number:
                    yield "\n".join(held)
                    held = []
                held.append(line)
                continue
            yield "\n".join(held)
            fence, info, held, inner, is_hunk = mark, word, [], 0, False
        elif not _is_at_least(mark, fence) or (is_hunk and _closes_later(lines[number:])):
            is_hunk = bool(OPENING.match(line)) or (is_hunk and not CLOSING.match(line))
            held.append(line)
        elif word and _read_info(word)[0] is not None:
            yield Block(info=info, body="\n".join(held), is_closed=False)
            fence, info, held, inner, is_hunk = mark, word, [], 0, False
        elif word or inner:
            inner += 1 if word else -1
            held.append(line)
        else:
            if number != until and _read_info(info)[0] in {ActionKind.WRITE, ActionKind.APPEND}:
                until, is_ambiguous = _end_of_text(lines, number, fence)
            if number < until:
                held.append(line)
                continue
            yield Block(info=info, body="\n".join(held), is_closed=True, is_ambiguous=is_ambiguous)
            fence, held, is_ambiguous = "", [], False
    yield Block(info=info, body="\n".join(held), is_closed=False) if fence else "\n".join(held)


def _end_of_call(lines: Sequence[str], start: int, last: int) -> int:
    """The number of the line that ends the call that begins at `start`; `last` if none does."""
    end = end_of_call(lines[start])
    return next((at for at in range(start, len(lines)) if end and end in lines[at]), last)


def _end_of_text(lines: Sequence[str], first: int, fence: str) -> tuple[int, bool]:
    """Where a text to write ends whose fence could end at `first`, and whether that is doubtful.

    Bare fences that follow before the next action may belong to it. They do if they are in pairs and a colon
    announces the first.
    """
    bare, inner = [first], 0
    for at in range(first + 1, len(lines)):
        mark, word = _fence_of(lines[at])
        if word and _read_info(word)[0] is not None:
            break
        if not _is_at_least(mark, fence):
            continue
        if word or inner:
            inner += 1 if word else -1
        else:
            bare.append(at)
    above = next((line for line in reversed(lines[:first]) if line.strip()), "")
    is_announced = above.rstrip().endswith(":") and len(bare) % 2 == 1
    return bare[-1], len(bare) > 1 and not is_announced


def _closes_later(lines: Sequence[str]) -> bool:
    return next(
        (bool(CLOSING.match(line)) for line in lines if OPENING.match(line) or CLOSING.match(line)), False
    )


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
    return ActionKind(match[1].lower()), clean_path(match[2])


def _of_block(block: Block, above: str) -> list[Action]:
    """`above`: the last line of prose before it, which may name a file."""
    kind, rest = _read_info(block.info)
    if kind not in {ActionKind.WRITE, ActionKind.APPEND} and (patched := read_patch(block.body)):
        return patched
    if kind is not None:
        return [_to_action(kind, rest, block)]
    path = find_path(block.info.split()[-1] if block.info else "") or find_path(above)
    return (
        read_edits(block.body, path)
        or read_diff(block.body, path)
        or [*calls_in_xml(block.body)]
        or calls_in_json(block.body)
    )


def _of_prose(text: str) -> list[Action]:
    return [
        *calls_in_xml(text),
        *calls_in_json(text),
        *(read_patch(text) or read_edits(text, "") or read_diff(text, "")),
    ]


def _to_action(kind: ActionKind, rest: str, block: Block) -> Action:
    body = block.body
    path = rest if kind in NEEDS_PATH else ""
    if kind in {ActionKind.READ, ActionKind.DELETE} and not path:
        path, body = clean_path(body), ""
    elif kind in EDITS and not path:
        path, body = _path_from_body(body)
    elif kind in {ActionKind.SEARCH, ActionKind.DONE} and not body.strip():
        body = rest
    if block.is_ambiguous:
        return Action(kind=kind, path=path, body=body, problem=AMBIGUOUS.format(kind=kind, path=path))
    if kind is ActionKind.APPEND:
        return read_append(path, body, is_closed=block.is_closed)
    if kind is ActionKind.REPLACE or (kind is ActionKind.WRITE and is_pairs(body)):
        return read_replace(path, body, is_closed=block.is_closed)
    problem = NOT_CLOSED if kind is ActionKind.WRITE and not block.is_closed else ""
    return Action(kind=kind, path=path, body=body, problem=problem or problem_of(kind, path, body))


AMBIGUOUS = (
    "it is unclear which fence ends the text, so nothing was changed; send it again with a longer fence than "
    "any in the text: ````{kind} {path}"
)


def _path_from_body(body: str) -> tuple[str, str]:
    first, _, others = body.partition("\n")
    if LABEL.match(first.strip()) or find_path(first):
        return clean_path(first), others
    return "", body
