"""Keys that never print themselves, reading `.env` files, and masking keys in text.

Reads only the given file; the caller chooses which `.env`, and what overrides it.

An endpoint knows the key of every request, and some echo it in an error, a debugging field or a reply. So all
text from an endpoint is masked before it is raised, recorded, shown or sent into a box. Masking finds a key
as it is, with spaces or line breaks in it, reversed, and in common encodings. It does not protect against a
malicious endpoint, which already has the key and can disguise it.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from studbook.errors import UsageError


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A string that does not print itself; only `reveal()` returns it."""

    _value: str = ""

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret('****')" if self._value else "Secret('')"

    __str__ = __repr__


_DOTENV = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*
    (?: "(?P<double>(?:\\.|[^"\\])*)" | '(?P<single>[^']*)' | (?P<bare>[^\n]*) )""",
    re.MULTILINE | re.VERBOSE,
)


def read_dotenv(path: Path) -> dict[str, str]:
    """Reads `NAME=value` assignments with `export`, quotes (also multi-line) and `#` comments.

    The file belongs to a whole project, so anything else in it is skipped. Nothing is expanded. Raises
    UsageError if the file cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read {path}: {error.__class__.__name__}\nmake it a UTF-8 file you may read"
        ) from error
    values: dict[str, str] = {}
    for found in _DOTENV.finditer(text.replace("\r\n", "\n")):
        if found["double"] is not None:
            value = re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), found["double"])
        elif found["single"] is not None:
            value = found["single"]
        else:
            value = re.split(r"(?:^|\s)#", found["bare"], maxsplit=1)[0].strip()
        values[found["name"]] = value
    return values


MASK = "****"
SHORTEST_SECRET = 8
"""Placeholders as short as "x", "none" and "ollama" are words, not keys."""


@dataclass(frozen=True, slots=True, repr=False)
class Mask:
    """Created once per endpoint; `hide_in` is cheap enough for every reply."""

    _pattern: "re.Pattern[str] | None"

    @staticmethod
    def of(secrets: Iterable[Secret]) -> "Mask":
        values = {secret.reveal() for secret in secrets}
        forms = {form for value in values if len(value) >= SHORTEST_SECRET for form in forms_of(value)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        parts = [r"\s*".join(map(re.escape, form)) for form in longest_first]
        return Mask(re.compile("|".join(parts), re.IGNORECASE) if parts else None)

    def hide_in(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def forms_of(value: str) -> set[str]:
    """The spellings of a key that are recognized; case is ignored."""
    data = value.encode("utf-8", "surrogatepass")
    quoted = {json.dumps(value)[1:-1], json.dumps(json.dumps(value)[1:-1])[1:-1], repr(value)[1:-1]}
    in_urls = {quote(value, safe=""), quote_plus(value), quote(value)}
    return {value, value[::-1], data.hex(), *quoted, *in_urls, *_base64_forms(data)}


def _base64_forms(data: bytes) -> set[str]:
    """The base64 forms of a key inside longer data: its inner letters, for each of three offsets."""
    found = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data).decode("ascii").rstrip("=")
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        found |= {text[first:last], text[first:last].replace("+", "-").replace("/", "_")}
    return found
