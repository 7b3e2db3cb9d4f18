"""Tables that ship beside the code as TOML, for people to read and edit.

Reads from inside the package, so that an installed wheel works as a checkout does. Knows no shape of a
table: the module that owns a table checks it, and names the file in `DATA_FILES`, by which it counts in the
identity of a run. Nothing a user writes comes this way.
"""

import tomllib
from importlib.resources import files
from typing import Any

from studbook.errors import IntegrityError


def read_toml(package: str, name: str) -> dict[str, Any]:
    """The parsed file `name` of a package; raises IntegrityError when it is missing or is not TOML."""
    try:
        text = (files(package) / name).read_text(encoding="utf-8")
        return tomllib.loads(text)
    except FileNotFoundError as error:
        raise IntegrityError(f"{package} lacks its file {name}. Reinstall Studbook.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise damaged(package, name, str(error)) from error


def damaged(package: str, name: str, reason: str) -> IntegrityError:
    """The error for a table that does not have the shape its reader needs."""
    return IntegrityError(f"{package}, file {name}: {reason}. Undo the edit, or reinstall Studbook.")
