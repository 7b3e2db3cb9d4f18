"""Makes untrusted text (from a harness, a model, a paper or a run) fit to print on a terminal.

Control characters, escape sequences, bidirectional overrides and invisible characters are removed; nothing is
interpreted. `experiments/views/printing.py` applies it to everything that is written. The report does its own
HTML escaping.
"""

import re
import unicodedata

ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)|[@-Z\\-_])")
"""An operating system command (`]`) only with its end, so that it cannot hide the text behind it."""
KEPT = frozenset("\n\t")
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that are drawn as nothing, although their category is that of letters or marks."""
LINE_BREAKS = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")


def clean_block(text: str) -> str:
    """Keeps line breaks and tabs, removes everything else that could control a terminal."""
    if text.isprintable() and (text.isascii() or not INVISIBLE.search(text)):
        return text  # nearly always, and 100 times faster than checking each letter
    bare = INVISIBLE.sub("", ESCAPE_SEQUENCE.sub("", text))
    return "".join(letter for letter in bare if letter in KEPT or _is_visible(letter))


def clean_inline(text: str) -> str:
    """`clean_block`, with a space in place of every line break, so that no text can add lines of its own."""
    return clean_block(text if text.isprintable() else LINE_BREAKS.sub(" ", text))


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter) not in FORBIDDEN_CATEGORIES


def clean_line(text: str, limit: int = 120) -> str:
    """One line of at most `limit` characters, ending in … if it was cut."""
    line = " ".join(clean_inline(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def count(number: int, noun: str, plural: str = "") -> str:
    """Like 1 paper, 2 papers."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Like 8 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def about_dollars(amount: float) -> str:
    """Two significant digits, because an expectation has no more: $1,300, $14, $1.20, $0.057."""
    rounded = float(f"{amount:.2g}")
    if rounded == 0 or 0.1 <= rounded < 10:
        return f"${rounded:.2f}"
    return f"${rounded:,.0f}" if rounded >= 10 else f"${rounded:.2g}"


def dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.4f}"
