"""What a failed `replace` shows: where the file comes closest to the text that was looked for. Pure."""

from difflib import SequenceMatcher

MAX_COMPARED_LINES = 2000


def nearest_lines(text: str, wanted: str) -> str:
    """The window of `text` most like `wanted`, with line numbers and one line of margin."""
    lines = text.split("\n")[:MAX_COMPARED_LINES]
    wanted_lines = wanted.split("\n")
    size = min(len(wanted_lines), len(lines), 30)
    target = "\n".join(wanted_lines[:size])
    start = max(range(len(lines) - size + 1), key=lambda at: (_likeness(lines[at : at + size], target), -at))
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


def _likeness(window: list[str], target: str) -> float:
    """A cheap upper bound of likeness decides most windows; only promising ones are compared in full."""
    matcher = SequenceMatcher(None, "\n".join(window), target, autojunk=False)
    rough = matcher.quick_ratio()
    return matcher.ratio() if rough > 0.6 else rough / 2
