"""Detects a foreign package that stands in front of one of ours.

Studbook's folders are top-level packages of an application with an environment of its own. Hugging Face's
`evaluate` in the same environment may be found first; an import would then fail somewhere deep, or
worse, not at all.
Finds without importing.
"""

import importlib.util
from pathlib import Path

from studbook.errors import UsageError

PACKAGES = ("studbook", "populations", "harnesses", "evaluate", "evolve", "experiments")


def find_shadowed(ours: Path | None = None) -> dict[str, str]:
    """Our package names that would import something else, with the folder it would come from."""
    home = ours or Path(__file__).resolve().parent.parent
    found = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        places = [Path(place).resolve() for place in (spec.submodule_search_locations or [])] if spec else []
        if home / name not in places:
            found[name] = places[0].as_posix() if places else "nothing at all"
    return found


def complain_about_shadows(ours: Path | None = None) -> None:
    """Raises UsageError naming the first shadow and what to do."""
    for name, place in find_shadowed(ours).items():
        raise UsageError(
            f"the package {name} of this environment is not Studbook's: import finds {place}\n"
            f"  give Studbook an environment of its own (make demo does), or: pip uninstall {name}"
        )
