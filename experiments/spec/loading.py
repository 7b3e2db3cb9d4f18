"""Finds, layers and writes specs: a YAML file or a bundled name, then `.env`, the environment and flags.

Bundled specs and harnesses are found by name from anywhere. The resolved spec stored in a run is read back
strictly; `experiments/spec/resuming.py` says which of its keys a resume may change.
"""

import difflib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from studbook.errors import IntegrityError, ManifestError, SpecError, UsageError
from studbook.experiments.spec.model import DEFAULT_HARNESS, SHORTHANDS, Spec
from studbook.harnesses.folder import find_left_out
from studbook.harnesses.strict_yaml import load_mapping
from studbook.identity import hash_bytes
from studbook.llm.contracts import ROLES
from studbook.populations.storage import check_kind

FIRST_SPEC = "quickstart"
"""Listed first, because it is the one to start with."""
MAX_SPEC_BYTES = 1024 * 1024
TEMPLATE = "new_harness"
"""The harness that `studbook init` copies: a starting point, not meant to be run unchanged."""


def application_root() -> Path:
    """The folder that contains `experiments/` and `harnesses/`: a checkout or the installed package."""
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
        raise SpecError(f"cannot read the spec {path}: not a file\n  {_names('specs', specs)}")
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


MOST_LEFT_OUT = 6


def left_out_note(harness: str) -> str:
    """One line for the user: what in a harness folder is no part of the harness; "" if nothing is."""
    names = find_left_out(Path(harness)) if Path(harness).is_dir() else ()
    if not names:
        return ""
    more = f" and {len(names) - MOST_LEFT_OUT} more" if len(names) > MOST_LEFT_OUT else ""
    shown = ", ".join(names[:MOST_LEFT_OUT])
    return f"not part of the harness: {shown}{more} (hidden files and backups are left out)"


def bundled_harness_name(path: Path) -> str | None:
    """The name of the bundled harness that `path` names or points to, wherever Studbook is installed."""
    harnesses = bundled_harnesses()
    if path.as_posix() in _spellings(path, "harnesses", "") and path.name in harnesses:
        return path.name
    return next((name for name, folder in harnesses.items() if path.absolute() == folder), None)


def _spellings(path: Path, folder: str, suffix: str) -> tuple[str, ...]:
    """How a bundled spec or harness may be written: by name, or by its path in a checkout."""
    name = path.name.removesuffix(suffix)
    return (name, f"{name}{suffix}", f"{folder}/{name}{suffix}")


def _nearest(text: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(names), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def _names(kind: str, names: Iterable[str]) -> str:
    return f"Bundled {kind}: {', '.join(names)}"


DOTENV = ".env"
FLAG = "-s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One `key.path=value`, and its origin (for error messages)."""

    path: tuple[str, ...]
    value: Any
    origin: str

    @property
    def key(self) -> str:
        return ".".join(self.path)

    @property
    def is_from_dotenv(self) -> bool:
        return self.origin.startswith(f"{DOTENV} ")


WORDINGS = {
    "model_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "invalid_key": "keys are words",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
}
"""What pydantic found wrong, in the words of a spec's author; its own words for the rest."""
SECRETIVE = "endpoints"
"""A wrong value below this key may be a secret, so errors do not repeat it."""


def explain(error: ValidationError, source: str, overrides: tuple[Override, ...]) -> str:
    """The first error, unknown keys before wrong values: a typo often causes the other errors."""
    details = error.errors(include_url=False)
    return _explain_one(min(details, key=lambda each: each["type"] != "extra_forbidden"), source, overrides)


def _explain_one(error: ErrorDetails, source: str, overrides: tuple[Override, ...]) -> str:
    loc = tuple(str(part) for part in error["loc"])
    if loc and loc[-1] == "[key]":
        return _unknown_key(loc[:-1], list(ROLES), source, overrides)
    if error["type"] == "extra_forbidden":
        return _unknown_key(loc, _known_keys(loc[:-1]), source, overrides)
    said = WORDINGS.get(error["type"])
    what = said.format_map(error.get("ctx", {})) if said else error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{_origin(loc, source, overrides)}: the key {'.'.join(loc)} is missing\n  {_example()}"
    given = "" if isinstance(error["input"], dict) or SECRETIVE in loc else f", got {error['input']!r}"
    return f"{_where(loc, source, overrides)}: {what[0].lower() + what[1:]}{given}"


def _where(loc: tuple[str, ...], source: str, overrides: tuple[Override, ...]) -> str:
    for override in reversed(overrides):
        if override.path == loc[: len(override.path)] or (loc[:1] == override.path and loc[0] in SHORTHANDS):
            return f"{override.origin} {override.key}"
    return f"{source}: {'.'.join(loc)}" if loc else source


def _unknown_key(loc: tuple[str, ...], known: list[str], source: str, overrides: tuple[Override, ...]) -> str:
    near = difflib.get_close_matches(loc[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean {'.'.join((*loc[:-1], near[0]))}?" if near else f"known here: {', '.join(known)}"
    return f"{_origin(loc, source, overrides)}: unknown key {'.'.join(loc)}\n  {hint}"


def _origin(loc: tuple[str, ...], source: str, overrides: tuple[Override, ...]) -> str:
    """The flag, variable or file that set the key."""
    given = [each.origin for each in overrides if loc == each.path[: len(loc)]]
    return given[-1] if given else source


def _known_keys(loc: tuple[str, ...]) -> list[str]:
    """Keys of the section at `loc`; endpoints and roles are mappings of sections under free names."""
    section: type[BaseModel] = Spec
    steps = iter(loc)
    for step in steps:
        annotation = section.model_fields[step].annotation
        if annotation is not None and not isinstance(annotation, type):
            next(steps, None)
            annotation = get_args(annotation)[-1]
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        section = annotation
    return list(section.model_fields)


VARIABLE_PREFIX = "STUDBOOK_SPEC_"
"""STUDBOOK_SPEC_SEARCH__TEMPERATURE=0.05 means the same as `-s search.temperature=0.05`."""

PATH_KEYS = frozenset({"harness", "corpus.path", "corpus.train", "corpus.validation", "corpus.test"})
DEFAULT_SPEC: Mapping[str, Any] = MappingProxyType({"version": 1, "name": "default"})
RESOLVED_HEADER = (
    "# Written by Studbook: the spec of this run with every default filled in. `resume` and `replay` read\n"
    "# this file. Keys of endpoints are never here, only the names of the variables that hold them.\n"
)


def parse_override(text: str, origin: str = FLAG) -> Override:
    """Parses `a.b=value`; the value is YAML."""
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise SpecError(f"{origin} {text!r} is not key=value\n  write it like -s search.iterations=30")
    return Override(path=path, value=_yaml_value(value, f"{origin} {key}"), origin=origin)


def environment_overrides(environment: Mapping[str, str], origin: str = "environment") -> list[Override]:
    """STUDBOOK_SPEC_A__B for `a.b`, and OPENAI_BASE_URL for the endpoint `openai`."""
    found = []
    if url := environment.get("OPENAI_BASE_URL"):
        found.append(
            Override(
                path=("models", "endpoints", "openai", "base_url"),
                value=url,
                origin=f"{origin} OPENAI_BASE_URL",
            )
        )
    for name in sorted(environment):
        if name.startswith(VARIABLE_PREFIX):
            key = name.removeprefix(VARIABLE_PREFIX).lower().replace("__", ".")
            found.append(parse_override(f"{key}={environment[name]}", f"{origin} {name}"))
    return found


def all_overrides(
    flags: Iterable[str], environment: Mapping[str, str], dotenv: Mapping[str, str]
) -> list[Override]:
    """Later ones override earlier ones."""
    return [
        *environment_overrides(dotenv, DOTENV),
        *environment_overrides(environment),
        *(parse_override(text) for text in flags),
    ]


def load_spec(
    path: Path | None,
    flags: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    dotenv: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Spec:
    """The effective spec; `path` is a file or the name of a bundled spec, None for the default one.

    `folder`: where paths in flags are looked up.
    """
    path = None if path is None else find_spec(path)
    raw = DEFAULT_SPEC if path is None else _read_yaml(path)
    here = folder or Path()
    home = here if path is None else path.parent
    overrides = all_overrides(flags, environment or {}, dotenv or {})
    named = {} if path is None else {"name": name_after(path)}
    spelled = {**named, "harness": DEFAULT_HARNESS, **_spell_out(raw)}
    for key in PATH_KEYS:
        _relocate(spelled, key, [home, here])
    for override in overrides:
        value = override.value
        if override.key in PATH_KEYS and isinstance(value, str):
            value = locate_path(override.key, value, here)
        set_key(spelled, override, value)
    return validate_spec(spelled, "the default spec" if path is None else path.as_posix(), overrides)


def name_after(path: Path) -> str:
    """The name of a spec without one: its file name, restricted to the characters allowed in names."""
    return re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_")[:64] or "experiment"


def read_resolved(path: Path) -> Spec:
    """spec.resolved.yaml of a run: no environment, no overrides, no lookups."""
    if not os.path.lexists(path):
        raise IntegrityError(
            f"{path} is missing: the run folder is incomplete\n  restore the file from a backup of the run"
        )
    check_kind(path, stat.S_ISREG)
    return validate_spec(_read_yaml(path), path.as_posix())


def write_resolved(spec: Spec) -> str:
    body = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    text = RESOLVED_HEADER + body
    return f"{text}# sha256 of the lines above: {hash_bytes(text.encode('utf-8'))}\n"


def _example() -> str:
    return f"see {bundled_specs()[FIRST_SPEC]} for an example"


def validate_spec(raw: Mapping[str, Any], source: str, overrides: Iterable[Override] = ()) -> Spec:
    try:
        return Spec.model_validate(dict(raw))
    except ValidationError as error:
        raise SpecError(explain(error, source, tuple(overrides))) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SPEC_BYTES + 1)
        if len(data) > MAX_SPEC_BYTES:
            raise SpecError(f"the spec {path} has more than {MAX_SPEC_BYTES:,} bytes\n  {_example()}")
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"the spec {path} is not UTF-8 text (byte {error.start:,})\n  {_example()}") from None
    except OSError as error:
        raise SpecError(f"cannot read the spec {path}: {error.strerror}\n  give a YAML file") from None
    try:
        return load_mapping(text, path.as_posix())
    except ManifestError as error:  # the manifest reader: no duplicate keys, no aliases, errors with lines
        raise SpecError(str(error)) from None


def _yaml_value(text: str, source: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:  # str(error) quotes the value, which may be a key
        raise SpecError(f"{source}: not YAML: {error.problem or 'it cannot be read'}") from None
    except yaml.YAMLError:
        raise SpecError(f"{source}: not YAML: it holds a character that YAML does not allow") from None
    except RecursionError:
        raise SpecError(f"{source}: nested too deeply to be a spec") from None


def _spell_out(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of the mappings, with shorthands written in full."""
    copy = {key: _spell_out(value) if isinstance(value, dict) else value for key, value in raw.items()}
    for key, inner in SHORTHANDS.items():
        if isinstance(copy.get(key), str):
            copy[key] = {inner: copy[key]}
    return copy


def set_key(raw: dict[str, Any], override: Override, value: Any) -> None:
    """Sets the key in the nested mappings `raw`, which get missing sections."""
    *parents, last = override.path
    if len(override.path) == 1 and last in SHORTHANDS and isinstance(value, str):
        parents, last = [last], SHORTHANDS[last]
    place = raw
    for parent in parents:
        if not isinstance(place.get(parent), dict):
            place[parent] = {}
        place = place[parent]
    place[last] = value


def _relocate(raw: dict[str, Any], key: str, folders: list[Path]) -> None:
    *parents, last = key.split(".")
    place: Any = raw
    for parent in parents:
        place = place.get(parent) if isinstance(place, dict) else None
    if isinstance(place, dict) and isinstance(place.get(last), str):
        place[last] = _locate(key, place[last], folders)


def locate_path(key: str, value: str, here: Path = Path()) -> str:
    """An existing path, absolute; a bundled harness keeps its name."""
    return _locate(key, value, [here])


def _locate(key: str, value: str, folders: list[Path]) -> str:
    """The first existing path, absolute; a path that exists nowhere stays as written: its reader reports it.

    A bundled harness keeps its name, which means the same on another machine.
    """
    wanted = Path(value).expanduser()
    found = next((path.resolve() for folder in folders if (path := folder / wanted).exists()), None)
    if key == "harness" and (name := bundled_harness_name(found or wanted)) is not None:
        return name
    return value if found is None else found.as_posix()
