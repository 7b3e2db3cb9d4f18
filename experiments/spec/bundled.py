"""The specs and harnesses that an installation brings, found by name from any folder.

A path that exists always wins over a bundled name. Reads folders only; what a spec or a harness says is read
by `experiments/spec/loading.py` and `harnesses/folder.py`.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path

from studbook.errors import SpecError, UsageError

FIRST_SPEC = "quickstart"
"""Named first wherever specs are listed: the one to begin with."""
TEMPLATE = "new_harness"
"""The harness that `studbook init` copies: a starting point, not something to run as it is."""


def application_root() -> Path:
    """The folder that holds `experiments/` and `harnesses/`: a checkout, or the installed package."""
    return Path(__file__).resolve().parents[2]


def bundled_specs() -> dict[str, Path]:
    """Name → file."""
    files = {path.stem: path for path in (application_root() / "experiments").glob("*.yaml")}
    return {name: files[name] for name in sorted(files, key=lambda name: (name != FIRST_SPEC, name))}


def bundled_harnesses() -> dict[str, Path]:
    """Name → folder."""
    manifests = sorted((application_root() / "harnesses").glob("*/harness.yaml"))
    return {path.parent.name: path.parent for path in manifests}


def find_spec(path: Path) -> Path:
    """The file that `path` names: itself, or a bundled spec (`quickstart`, or `experiments/quickstart.yaml`).

    Raises SpecError with the nearest name.
    """
    if path.is_file():
        return path
    specs = bundled_specs()
    if path.as_posix() in _spellings(path, "experiments", ".yaml") and path.stem in specs:
        return specs[path.stem]
    if path.exists():
        raise SpecError(f"cannot read the spec {path}: it is not a file\n  {_names('specs', specs)}")
    beside = [found.as_posix() for found in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    hint = _nearest(path.as_posix(), [*beside, *specs]) or _names("specs", specs)
    raise SpecError(f"no spec at {path}\n  {hint}")


def harness_folder(text: str) -> Path:
    """The folder that `text` names: itself, or a bundled harness. Raises UsageError with the nearest name."""
    if (folder := Path(text)).is_dir():
        return folder
    if (name := bundled_harness_name(folder)) is not None:
        return bundled_harnesses()[name]
    harnesses = bundled_harnesses()
    hint = _nearest(text, harnesses) or _names("harnesses", harnesses)
    raise UsageError(f"no harness at {text!r}: neither a folder nor a bundled harness\n  {hint}")


def bundled_harness_name(path: Path) -> str | None:
    """The name of the bundled harness that `path` names or is, wherever this installation lies."""
    harnesses = bundled_harnesses()
    if path.as_posix() in _spellings(path, "harnesses", "") and path.name in harnesses:
        return path.name
    return next((name for name, folder in harnesses.items() if path.absolute() == folder), None)


def _spellings(path: Path, folder: str, suffix: str) -> tuple[str, ...]:
    """How a bundled thing may be written: by its name, or by its path in a checkout."""
    name = path.name.removesuffix(suffix)
    return (name, f"{name}{suffix}", f"{folder}/{name}{suffix}")


def _nearest(text: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(names), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def _names(kind: str, names: Iterable[str]) -> str:
    return f"Bundled {kind}: {', '.join(names)}"
