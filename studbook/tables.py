"""TOML tables that ship with the code, for people to read and edit.

Reads from inside the package, so an installed wheel works like a checkout. Does not know the structure of a
table: the module that owns a table checks it, and names the file in `DATA_FILES`, so that it becomes part of
a run's identity. Never used for users' files.
"""

import tomllib
from importlib.resources import files
from typing import Any

from studbook.errors import IntegrityError


def read_toml(package: str, name: str) -> dict[str, Any]:
    """The parsed file `name` of a package; raises IntegrityError if it is missing or not TOML."""
    try:
        text = (files(package) / name).read_text(encoding="utf-8")
        return tomllib.loads(text)
    except FileNotFoundError as error:
        raise IntegrityError(f"{package} lacks its file {name}. Reinstall Studbook.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise damaged(package, name, str(error)) from error


def damaged(package: str, name: str, reason: str) -> IntegrityError:
    """The error for a table with the wrong structure."""
    return IntegrityError(f"{package}, file {name}: {reason}. Undo the edit, or reinstall Studbook.")
