"""Reads `.env`: KEY=value lines. Expands no variables, runs no shell, changes no environment."""

from pathlib import Path

from studbook.errors import UsageError


def read_dotenv(path: Path) -> dict[str, str]:
    """Empty when there is no such file; raises UsageError naming the line that is not KEY=value."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip().removeprefix("export ")
        if not entry or entry.startswith("#"):
            continue
        key, equals, value = entry.partition("=")
        if not equals or not key.strip().isidentifier():
            raise UsageError(f"{path}, line {number}: not KEY=value")  # the line itself may hold a secret
        values[key.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()
