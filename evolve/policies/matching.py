"""Finds the place in a file that an edit means, when its old text misses only by whitespace; pure.

Models copy text with other indentation, joined lines, trailing blanks, or with the line numbers they were
shown. A place counts only if there is exactly one. In Python, where indentation is meaning, lines must
correspond one to one and be shifted by the same amount; the new lines are shifted likewise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from studbook.evolve.policies.actions import Hunk

MAX_COMPARED_LINES = 2000
ROUGHLY_COMPARED = 2000
"""Characters of a window that are counted, in linear time."""

CLOSELY_COMPARED = 500
"""Characters of the best windows that are aligned, in up to cubic time."""

BEST = 4

MOST_TOKENS = 5_000
"""An old text with more words must match exactly."""

_NUMBERED = re.compile(r"^\s*\d+ \| ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Put `new` in place of text[start:end]."""

    start: int
    end: int
    new: str

    def apply(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


def without_numbers(hunk: Hunk) -> Hunk:
    """The hunk without the line numbers with which the old lines were shown."""
    lines = [line for line in hunk.old.split("\n") if line.strip()]
    if not lines or not all(_NUMBERED.match(line) for line in lines):
        return hunk
    return Hunk(old=_unnumbered(hunk.old), new=_unnumbered(hunk.new))


def _unnumbered(text: str) -> str:
    return "\n".join(_NUMBERED.sub("", line) for line in text.split("\n"))


def find_loosely(text: str, hunk: Hunk, *, is_python: bool) -> Change | None:
    """The only place where `hunk.old` occurs apart from whitespace; None if there is none, or several."""
    words = hunk.old.split()
    if not words or len(words) > MOST_TOKENS:
        return None
    found = list(re.finditer(r"\s+".join(map(re.escape, words)), text))
    if len(found) != 1:
        return None
    start, end = found[0].span()
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    last = len(text) if last < 0 else last
    if text[first:start].strip() or text[end:last].strip():  # a part of a line
        return None if is_python else Change(start=start, end=end, new=hunk.new.strip())
    place = text[first:last]
    if is_python and not _is_shifted(hunk.old, place):
        return None
    new = _shift(hunk.new.strip("\n").rstrip(), _indent(hunk.old), _indent(place))
    if not new and last < len(text):
        last += 1  # with its lines goes their line break
    return Change(start=first, end=last, new=new)


def _indent(text: str) -> str:
    """The whitespace before the first line that is not blank."""
    line = next((line for line in text.split("\n") if line.strip()), "")
    return line[: len(line) - len(line.lstrip())]


def _shift(text: str, before: str, after: str) -> str:
    """Every line that begins with the indent `before` gets `after` instead."""
    return "\n".join(
        after + line[len(before) :] if line.strip() and line.startswith(before) else line
        for line in text.split("\n")
    )


def _is_shifted(old: str, place: str) -> bool:
    """Whether the lines correspond, and differ in indentation by the same amount."""
    return _filled(_shift(old, _indent(old), _indent(place))) == _filled(place)


def _filled(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def nearest_lines(text: str, wanted: str) -> str:
    """The window of `text` most similar to `wanted`, with line numbers and one line of margin."""
    lines = text.split("\n")[:MAX_COMPARED_LINES]
    wanted_lines = wanted.split("\n")
    size = min(len(wanted_lines), len(lines), 30)
    windows = ["\n".join(lines[at : at + size]) for at in range(len(lines) - size + 1)]
    start = _most_like(windows, "\n".join(wanted_lines[:size]))
    return numbered(lines, start - 1, start + size + 1)


def describe_matches(text: str, wanted: str) -> str:
    """The line numbers at which `wanted` starts."""
    numbers: list[str] = []
    at = text.find(wanted)
    while at >= 0 and len(numbers) < 10:
        numbers.append(str(text.count("\n", 0, at) + 1))
        at = text.find(wanted, at + 1)
    return f"it begins at lines {', '.join(numbers)}"


def numbered(lines: Sequence[str], start: int, stop: int) -> str:
    chosen = range(max(0, start), min(len(lines), stop))
    return "\n".join(f"{at + 1:4d} | {lines[at]}" for at in chosen)


def is_whole(old: str, new: str) -> bool:
    """Whether `new` is a revision of all of `old`: at least half of their lines are common, in order."""
    return SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False).ratio() >= 0.5


def _most_like(windows: list[str], target: str) -> int:
    """The index of the closest of the windows that share the most characters; ties go to the first."""
    rough = SequenceMatcher(None, "", target[:ROUGHLY_COMPARED], autojunk=False)
    close = SequenceMatcher(None, "", target[:CLOSELY_COMPARED], autojunk=False)
    scores = []
    for at, window in enumerate(windows):
        rough.set_seq1(window[:ROUGHLY_COMPARED])
        scores.append((-rough.quick_ratio(), at))
    best: list[tuple[float, int]] = []
    for _, at in sorted(scores)[:BEST]:
        close.set_seq1(windows[at][:CLOSELY_COMPARED])
        best.append((-close.ratio(), at))
    return min(best)[1]
