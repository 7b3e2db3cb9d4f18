"""What a failed `replace` shows: where the file comes closest to the text that was looked for. Pure."""

from difflib import SequenceMatcher

MAX_COMPARED_LINES = 2000
ROUGHLY_COMPARED = 2000
"""Characters of a window that are counted, which takes time in proportion."""

CLOSELY_COMPARED = 500
"""Characters of the best windows that are aligned, which takes up to the cube."""

BEST = 4


def nearest_lines(text: str, wanted: str) -> str:
    """The window of `text` most like `wanted`, with line numbers and one line of margin."""
    lines = text.split("\n")[:MAX_COMPARED_LINES]
    wanted_lines = wanted.split("\n")
    size = min(len(wanted_lines), len(lines), 30)
    windows = ["\n".join(lines[at : at + size]) for at in range(len(lines) - size + 1)]
    start = _most_like(windows, "\n".join(wanted_lines[:size]))
    return numbered(lines, start - 1, start + size + 1)


def describe_matches(text: str, wanted: str) -> str:
    """The line numbers at which `wanted` begins."""
    numbers: list[str] = []
    at = text.find(wanted)
    while at >= 0 and len(numbers) < 10:
        numbers.append(str(text.count("\n", 0, at) + 1))
        at = text.find(wanted, at + 1)
    return f"it begins at lines {', '.join(numbers)}"


def numbered(lines: list[str], start: int, stop: int) -> str:
    chosen = range(max(0, start), min(len(lines), stop))
    return "\n".join(f"{at + 1:4d} | {lines[at]}" for at in chosen)


def _most_like(windows: list[str], target: str) -> int:
    """Its number: the closest of those that hold most of the same characters, the first of equals."""
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
