"""What a text looks like to a reader, so that two spellings of one text compare equal.

After the skeletons of Unicode Technical Standard 39 (section 4), with the small part of its table of
confusables that can be typed for Latin letters. For comparing and searching only: never for what is shown.
"""

import unicodedata
from functools import cache

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

_VOICED = frozenset("\u3099\u309a")  # they make another kana, not an accent


@cache
def lookalikes() -> dict[int, str]:
    """For `str.translate`: letters of other scripts, in lower case, to the Latin letter they look like."""
    return {ord(letter): latin for letters, latin in _LOOKALIKES.items() for letter in letters}


def plain(text: str) -> str:
    """Compatibility forms, case and accents taken away; the script stays."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    marks = {character for character in set(decomposed) - _VOICED if unicodedata.combining(character)}
    kept = decomposed.translate(dict.fromkeys(map(ord, marks)))
    return unicodedata.normalize("NFC", kept)


def skeleton(text: str) -> str:
    """`plain`, with look-alike letters of other scripts read as Latin. Spaces and signs stay."""
    read = plain(text)
    return read if read.isascii() else read.translate(lookalikes())
