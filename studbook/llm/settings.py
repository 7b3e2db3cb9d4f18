"""Where the endpoint is and which key opens it: the environment, then `.env`. The key never shows.

Reads only what it is given; which folder's `.env` and which environment is the caller's choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studbook.errors import UsageError

URL_NAME = "OPENAI_BASE_URL"
KEY_NAME = "OPENAI_API_KEY"
SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A string that does not print itself; `reveal()` is the one way to it."""

    _value: str = ""

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret('****')" if self._value else "Secret('')"

    __str__ = __repr__

    def hide_in(self, text: str) -> str:
        """`text` without the secret; placeholders as short as "x" or "none" are none."""
        return text.replace(self._value, "****") if len(self._value) >= SHORTEST_SECRET else text


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """`base_url` None is OpenAI's own; an empty key is right for servers that want none."""

    base_url: str | None
    api_key: Secret


def read_settings(environment: Mapping[str, str], dotenv: Path | None = None) -> EndpointSettings:
    """The environment wins over the file; an absent file is an empty one."""
    known = {**(read_dotenv(dotenv) if dotenv else {}), **environment}
    return EndpointSettings(base_url=known.get(URL_NAME) or None, api_key=Secret(known.get(KEY_NAME, "")))


def read_dotenv(path: Path) -> dict[str, str]:
    """`NAME=value` lines; `export`, quotes and `#` comments are understood, nothing is expanded.

    Raises UsageError naming file and line (not the line's text: it may hold a key).
    """
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read {path}: {error.__class__.__name__}\nmake it a UTF-8 file you may read"
        ) from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        content = line.strip().removeprefix("export ").strip()
        if not content or content.startswith("#"):
            continue
        name, equals, value = content.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UsageError(
                f"{path}, line {number}: not of the form NAME=value\nmend the line or put a # before it"
            )
        values[name.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] in "\"'" and value[-1] == value[0]:
        return value[1:-1]
    return value.split(" #", 1)[0].strip()
