"""Makes text from a harness, a model or a paper safe for a frozen prompt, and comparable.

Safe: invisible characters are removed, and anything that looks like our section tags or a chat template's
role marks is defused. Both are counted, so that attempts can be shown. Comparable: `skeleton` is what a text
looks like to a reader, following Unicode Technical Standard 39 (section 4) with the part of its table of
confusables that can be typed for Latin letters; it is used only for comparing and searching, never shown.
Does not judge the content of a text.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

SECTION_TAGS = (
    "source_document",
    "context",
    "question",
    "answer",
    "criteria",
    "reference_answer",
    "rubric",
    "screening",
    "check",
)

# Possessive (`*+`): a `<` before a long run of spaces must not take quadratic time.
_TAG = re.compile(rf"<(?=\s*+/?\s*+(?:{'|'.join(SECTION_TAGS)})\b)", re.IGNORECASE)
_ROLE_MARK = re.compile(
    r"<(?=[|\N{FULLWIDTH VERTICAL LINE}])|<(?=<\s*+/?SYS>>)"
    r"|<(?=/?(?:(?:start|end)_of_turn|bos|eos|think|(?-i:s))>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
_DEFUSED = {"<": "‹", "[": "⁅"}
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Cn"}
_HIDDEN_RANGES = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers: letters that render as nothing
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors: 256 of them, so each can carry a byte of hidden text
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)
"""These render as nothing, although Unicode classifies them as letters and marks."""
_KEPT = {"\n", "\t"}
_PLAIN = re.compile(r"[\t\n -~]*+")  # fast path: most texts need no lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Defused:
    """`count` is the number of tags and role marks that were defused."""

    text: str
    count: int


def strip_hidden(text: str) -> tuple[str, int]:
    """Remove control, format, filler, private-use and unassigned characters; also returns their number.

    Line ends become newlines; newlines and tabs are kept.
    """
    if _PLAIN.fullmatch(text):
        return text, 0
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    hidden = {c for c in set(text) - _KEPT if _is_hidden(c)}
    if not hidden:
        return text, 0
    kept = text.translate(dict.fromkeys(map(ord, hidden)))
    return kept, len(text) - len(kept)


@lru_cache(maxsize=4_096)
def _is_hidden(character: str) -> bool:
    if unicodedata.category(character) in _HIDDEN_CATEGORIES:
        return True
    return any(first <= ord(character) <= last for first, last in _HIDDEN_RANGES)


def defuse(text: str) -> Defused:
    """Defuse our own tags and chat role marks inside data by replacing their first character."""
    text, tags = _TAG.subn("‹", text)
    text, marks = _ROLE_MARK.subn(lambda match: _DEFUSED[match.group()], text)
    return Defused(text=text, count=tags + marks)


def section(tag: str, data: str) -> str:
    """`<tag>` data `</tag>`, with nothing inside that could close it or open another."""
    visible, _ = strip_hidden(data)
    return f"<{tag}>\n{defuse(visible).text.strip()}\n</{tag}>"


def one_line(text: str) -> str:
    """Runs of whitespace become single spaces, so that a list item stays on one line."""
    return " ".join(text.split())


def visible_line(text: str) -> str:
    """Untrusted text as one line without hidden characters, safe to show in a terminal."""
    return one_line(strip_hidden(text.replace("\n", " "))[0])


_LOOKALIKES = {
    # Cyrillic
    "аӑӓ": "a",
    "в": "b",
    "сҫ": "c",
    "ԁ": "d",
    "еёєҽ": "e",
    "ғ": "f",
    "ԍ": "g",
    "нһ": "h",
    "іїӏ": "i",
    "ј": "j",
    "кқ": "k",
    "м": "m",
    "п": "n",
    "оөӧ": "o",
    "рҏ": "p",
    "ԛ": "q",
    "г": "r",
    "ѕ": "s",
    "т": "t",
    "уүұ": "y",
    "ѵ": "v",
    "ԝшѡ": "w",
    "хҳ": "x",
    # Greek
    "α": "a",
    "β": "b",
    "ϲς": "c",
    "ε": "e",
    "η": "n",
    "ι": "i",
    "κ": "k",
    "μ": "m",
    "ν": "v",
    "ο": "o",
    "ρ": "p",
    "τ": "t",
    "υ": "u",
    "χ": "x",
    "ω": "w",
    "γ": "y",
    # Armenian, Latin and others
    "ցɡ": "g",
    "հհ": "h",
    "յ": "j",
    "ոռ": "n",
    "օ": "o",
    "զ": "q",
    "սմ": "u",
    "ɑ": "a",
    "ɩıɪ": "i",
    "ʟ": "l",
    "ɴ": "n",
    "ʀ": "r",
    "ꜱ": "s",
    "ᴀ": "a",
    "ʙ": "b",
    "ᴄ": "c",
    "ᴅ": "d",
    "ᴇ": "e",
    "ꜰ": "f",
    "ɢ": "g",
    "ʜ": "h",
    "ᴊ": "j",
    "ᴋ": "k",
    "ᴍ": "m",
    "ᴏ": "o",
    "ᴘ": "p",
    "ᴛ": "t",
    "ᴜ": "u",
    "ᴠ": "v",
    "ᴡ": "w",
    "ʏ": "y",
    "ᴢ": "z",
}

_VOICED = frozenset("\u3099\u309a")  # these change the kana itself; they are not accents


@cache
def lookalikes() -> dict[int, str]:
    """For `str.translate`: maps lowercase letters of other scripts to the Latin letter they look like."""
    return {ord(letter): latin for letters, latin in _LOOKALIKES.items() for letter in letters}


def plain(text: str) -> str:
    """Text without compatibility forms, case and accents; the script is kept."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    marks = {character for character in set(decomposed) - _VOICED if unicodedata.combining(character)}
    kept = decomposed.translate(dict.fromkeys(map(ord, marks)))
    return unicodedata.normalize("NFC", kept)


def skeleton(text: str) -> str:
    """`plain`, with look-alike letters of other scripts read as Latin. Spaces and punctuation are kept."""
    read = plain(text)
    return read if read.isascii() else read.translate(lookalikes())
