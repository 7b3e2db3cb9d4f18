"""Actions as the implementer writes them: fenced blocks, and edits as the smallest find-and-replace pairs."""

import difflib
import re
from collections.abc import Mapping

_MARKER = re.compile(r"^(<{5,9}|={5,9}|>{5,9})(\s|$)", re.MULTILINE)

MOST_HUNKS = 12


def block(info: str, body: str = "") -> str:
    """A fenced block; its fence is longer than any in the body."""
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{body}\n{fence}" if body else f"{fence}{info}\n{fence}"


def edit_blocks(files: Mapping[str, str], edited: Mapping[str, str | None], whole: bool = False) -> str:
    """One action for each changed file: replace where few lines change, else write; None deletes."""
    blocks = []
    for path, text in edited.items():
        if text is None:
            blocks.append(block(f"delete {path}"))
        else:
            pairs = None if whole or path not in files else find_pairs(files[path], text)
            blocks.append(block(f"replace {path}", _body(pairs)) if pairs else block(f"write {path}", text))
    return "\n\n".join(blocks)


def find_pairs(old: str, new: str) -> list[tuple[str, str]] | None:
    """(find, replace) pairs that, applied in order, turn `old` into `new`; None when writing is simpler."""
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


def _body(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(f"<<<<<<< FIND\n{find}\n=======\n{put}\n>>>>>>> END" for find, put in pairs)
