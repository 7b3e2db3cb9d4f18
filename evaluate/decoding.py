"""Decodes text hidden in an example in an encoding that people do not read but a model might.

Each decoder takes time linear in its input and returns a bounded amount. Does not decide whether the decoded
text means anything.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Iterator
from types import MappingProxyType

MAX_RUNS = 50
MAX_RUN = 20_000

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}+={0,2}")
_HEX = re.compile(r"(?:(?:\\x|0x)?+[0-9a-fA-F]{2}[ :,]?+){12,}+")
_NOT_HEX = re.compile(r"\\x|0x|[^0-9a-fA-F]")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){1,}+")
_ENTITY = re.compile(r"&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));|\\u([0-9a-fA-F]{4})")
_SPACED = re.compile(r"(?:(?<!\w)\w(?!\w)[ .*_|\-\u00b7]{0,3}+){9,}+")
_BITS = re.compile(r"(?:[01]{8}[ ,]?+){6,}+")
_LEET = str.maketrans("431057@$!8", "aeiostasib")
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
READABLE = 0.85


def decoded(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name of the encoding, decoded text) for everything in `text` that decodes to readable text."""
    for name, decode in _DECODERS.items():
        for found in decode(text):
            if len(found) >= 8 and _is_readable(found):
                yield name, found[:MAX_RUN]


def _base64(text: str) -> Iterator[str]:
    joined = re.sub(r"(?<=[A-Za-z0-9+/])\r?\n(?=[A-Za-z0-9+/])", "", text) if "\n" in text else text
    for run in _runs(_BASE64, joined):
        kept = run.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
        kept = kept[: len(kept) - (len(kept) % 4 == 1)]
        try:
            data = base64.b64decode(kept + "=" * (-len(kept) % 4))
        except (binascii.Error, ValueError):
            continue
        yield _utf8(data)


def _hex(text: str) -> Iterator[str]:
    for run in _runs(_HEX, text):
        digits = _NOT_HEX.sub("", run)
        yield _utf8(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _percent(text: str) -> Iterator[str]:
    if text.count("%") >= 4:
        yield _PERCENT.sub(lambda match: _utf8(bytes.fromhex(match.group().replace("%", ""))), text)


def _entities(text: str) -> Iterator[str]:
    if _ENTITY.search(text):
        yield _ENTITY.sub(lambda match: _character(match), text)


def _character(match: re.Match[str]) -> str:
    code = int(match[1] or match[3], 16) if match[1] or match[3] else int(match[2])
    return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else ""


def _rot13(text: str) -> Iterator[str]:
    yield codecs.encode(text, "rot13")


def _reversed(text: str) -> Iterator[str]:
    yield text[::-1]
    yield " ".join(word[::-1] for word in text.split())


def _leet(text: str) -> Iterator[str]:
    read = " ".join(word.translate(_LEET) if _mixes(word) else word for word in text.split())
    if read != " ".join(text.split()):
        yield read


def _mixes(word: str) -> bool:
    return any(map(str.isalpha, word)) and not word.isalpha()


def _spaced(text: str) -> Iterator[str]:
    """Letters written one at a time; two or more separators in a row separate words."""
    for run in _runs(_SPACED, text):
        words = re.split(r"[ .*_|\-\u00b7]{2,3}", run)
        yield " ".join(re.sub(r"[ .*_|\-\u00b7]", "", word) for word in words)


def _bits(text: str) -> Iterator[str]:
    for run in _runs(_BITS, text):
        digits = re.sub(r"[^01]", "", run)
        yield _utf8(bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits) - 7, 8)))


def _zero_width(text: str) -> Iterator[str]:
    """Two kinds of invisible characters read as bits, in both assignments of 0 and 1."""
    marks = [character for character in text if character in _ZERO_WIDTH][:MAX_RUN]
    kinds = sorted(set(marks))
    if len(marks) >= 64 and len(kinds) >= 2:
        for zero, one in ((kinds[0], kinds[1]), (kinds[1], kinds[0])):
            bits = "".join("01"[mark == one] for mark in marks if mark in (zero, one))
            yield _utf8(bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8)))


def _tags(text: str) -> Iterator[str]:
    """Unicode tag characters: invisible copies of ASCII."""
    found = [chr(ord(character) - 0xE0000) for character in text if 0xE0020 <= ord(character) <= 0xE007E]
    if found:
        yield "".join(found)


def _selectors(text: str) -> Iterator[str]:
    """Variation selectors: there are 256 of them, one for each byte value."""
    values = [
        code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16
        for code in map(ord, text)
        if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    ]
    if len(values) >= 8:
        yield _utf8(bytes(values))


_DECODERS: "MappingProxyType[str, Callable[[str], Iterator[str]]]" = MappingProxyType(
    {
        "base64": _base64,
        "hex": _hex,
        "percent": _percent,
        "entities": _entities,
        "rot13": _rot13,
        "reversed": _reversed,
        "leet": _leet,
        "spaced": _spaced,
        "bits": _bits,
        "zero width": _zero_width,
        "tags": _tags,
        "selectors": _selectors,
    }
)


def _runs(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for number, match in enumerate(pattern.finditer(text)):
        if number == MAX_RUNS:
            return
        yield match.group()[:MAX_RUN]


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _is_readable(text: str) -> bool:
    sample = text[:2000]
    readable = sum(map(str.isprintable, sample)) + sum(map(sample.count, "\n\r\t\f\v"))
    readable -= sample.count("\ufffd")
    return readable >= READABLE * len(sample)
