"""Keys that do not show themselves, and the `.env` file they may stand in.

Reads only what it is given; which `.env`, and what wins over it, is the caller's choice.
"""

from dataclasses import dataclass
from pathlib import Path

from studbook.errors import UsageError


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
