"""Every way a gullible reader can read a text: as it stands, and as what it hides.

Zero-width and tag characters, look-alike letters, base64, hexadecimal, rot13, reversed text, entities, spaced
letters. Written for models that obey; the evaluator's screening has its own and shares nothing with it.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :,]?){12,}")
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|%([0-9A-Fa-f]{2})")
_SPACED = re.compile(r"(?:\b\w[ .\-_*]){6,}\w\b")
_TAGS = range(0xE0020, 0xE007F)
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЅαοενιρτυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhqwABEKMHOPCTXISaoevipTuABEZHIKMNOPTYX",
)
_DISGUISED = re.compile(r"[a-z][013457@$]+[a-z]")
_DIGITS_FOR_LETTERS = str.maketrans("013457@$", "oieastas")


def views(text: str) -> tuple[str, ...]:
    """Distinct readings, the plain one first; each is text that may hold an order."""
    plain = unicodedata.normalize("NFKC", _without_hidden(text))
    readings = [plain, _from_tags(text), html.unescape(plain), codecs.decode(plain, "rot13"), plain[::-1]]
    readings += [_unescaped(plain), _joined(plain), *_from_base64(plain), *_from_hex(plain)]
    if not plain.isascii():
        readings.append(plain.translate(_LOOK_ALIKES))
    if _DISGUISED.search(plain):
        readings.append(plain.translate(_DIGITS_FOR_LETTERS))
    return tuple(dict.fromkeys(reading for reading in readings if reading))


def _without_hidden(text: str) -> str:
    seen = set(text) - {"\n", "\t"}
    hidden = [ord(c) for c in seen if unicodedata.category(c) in {"Cf", "Cc", "Cn", "Co"}]
    return text.translate(dict.fromkeys(hidden)) if hidden else text


def _from_tags(text: str) -> str:
    """What Unicode's invisible tag characters spell."""
    return "" if text.isascii() else "".join(chr(ord(c) - 0xE0000) for c in text if ord(c) in _TAGS)


def _from_base64(text: str) -> Iterator[str]:
    for match in _BASE64.finditer(text):
        raw = match.group().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            yield _printable(base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True))
        except binascii.Error:
            continue


def _from_hex(text: str) -> Iterator[str]:
    for match in _HEX.finditer(text):
        digits = re.sub(r"[ :,]", "", match.group())
        yield _printable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _printable(data: bytes) -> str:
    """The bytes as text, or nothing when they are not text: most long words decode to rubbish."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if all(c.isprintable() or c == "\n" for c in text) else ""


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _joined(text: str) -> str:
    """S p a c e d letters put together; two spaces stand between words."""

    def join(match: re.Match[str]) -> str:
        return re.sub(r"(?<=\w)[ .\-_*](?=\w)", "", match.group())

    return _SPACED.sub(join, text)
