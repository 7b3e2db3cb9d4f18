"""A harness as an immutable value: relative POSIX paths and bytes, and the manifest read from them.

`harness.yaml` gives a harness's name, its entry function, the roles it calls and the files that may be
edited. It is untrusted input: every error names the file, the key and, for an unknown key, the closest known
one. Setting a knob changes only its `value` in the text and keeps everything else, including comments. Runs
no harness code; `harnesses/folder.py` reads and writes folders.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from studbook.errors import ManifestError
from studbook.harnesses.strict_yaml import load_mapping, scalar_span
from studbook.identity import hash_bytes, hash_json
from studbook.llm.contracts import HARNESS_ROLES

MANIFEST_NAME = "harness.yaml"
DIGITS = 4


@dataclass(frozen=True)
class HarnessTree:
    """Files of one harness. Equal trees have equal `tree_hash` (exact bytes). Derived values are cached."""

    files: Mapping[str, bytes]

    @staticmethod
    def of(files: Mapping[str, bytes]) -> "HarnessTree":
        return HarnessTree(MappingProxyType(dict(sorted(files.items()))))

    @cached_property
    def tree_hash(self) -> str:
        return hash_json({path: hash_bytes(data) for path, data in self.files.items()})

    @cached_property
    def manifest(self) -> "Manifest":
        """The validated manifest; raises ManifestError naming file and key."""
        return read_manifest(self.files)

    def replace(self, changes: Mapping[str, bytes | None]) -> "HarnessTree":
        """A new tree with `changes` applied; None deletes."""
        files = {**self.files, **{path: data for path, data in changes.items() if data is not None}}
        deleted = {path for path, data in changes.items() if data is None}
        return HarnessTree.of({path: data for path, data in files.items() if path not in deleted})


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A number that may be mutated: `low` <= `value` <= `high`; an integer if `is_integer`."""

    name: str
    low: float
    high: float
    value: float
    is_integer: bool

    def fit(self, value: float) -> int | float:
        """The value as a mutation writes it: an integer or a short decimal, within the range."""
        if self.is_integer:
            return int(value)
        return min(self.high, max(self.low, round(value, DIGITS)))


@dataclass(frozen=True, kw_only=True)  # no slots: it caches its knob values
class Manifest:
    """`entry` is "file.py:function"; the function takes one `harness_kit.Box`."""

    name: str
    entry: str
    roles: tuple[str, ...]
    editable: tuple[str, ...]
    knobs: tuple[Knob, ...]
    description: str = ""

    @cached_property
    def knob_values(self) -> dict[str, float]:
        """Integers for integer knobs. The dict is cached; do not modify it."""
        return {knob.name: int(knob.value) if knob.is_integer else knob.value for knob in self.knobs}

    def is_editable(self, path: str) -> bool:
        """May a mutation edit this file? Never the manifest itself: knobs have a mutation of their own."""
        return path != MANIFEST_NAME and any(
            _matches(path.split("/"), glob.split("/")) for glob in self.editable
        )


def read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """Parse and validate; raises ManifestError naming file and key."""
    if MANIFEST_NAME not in files:
        raise ManifestError(f"{MANIFEST_NAME} is missing: a harness folder needs one beside its code.")
    manifest = _parse(files[MANIFEST_NAME])
    _check_entry(manifest.entry, files)
    return manifest


@lru_cache(maxsize=64)  # called for every paper and every edit, and most harnesses share a manifest
def _parse(data: bytes) -> Manifest:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{MANIFEST_NAME} is not UTF-8 text (byte {error.start}).") from error
    try:
        parsed = _ManifestModel.model_validate(load_mapping(text, MANIFEST_NAME))
    except ValidationError as error:
        raise ManifestError(_explain(error)) from error
    _check_globs(parsed.editable)
    return Manifest(
        name=parsed.name,
        entry=parsed.entry,
        roles=tuple(parsed.roles),
        editable=tuple(parsed.editable),
        knobs=tuple(_read_knob(name, knob) for name, knob in parsed.knobs.items()),
        description=parsed.description.strip(),
    )


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_Number = Annotated[float, Field(allow_inf_nan=False)]
_KnobName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_Glob = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_*?\[\].-]+(/[A-Za-z0-9_*?\[\].-]+)*$", max_length=200)
]


class _KnobModel(_Closed):
    type: Literal["int", "float"]
    low: _Number
    high: _Number
    value: _Number


class _ManifestModel(_Closed):
    version: Literal[1]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    description: Annotated[str, StringConstraints(max_length=2000)] = ""
    entry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+\.py:[A-Za-z_]\w*$", max_length=200)]
    roles: Annotated[list[Literal["challenger", "verifier", "orchestrator"]], Field(min_length=1)]
    editable: Annotated[list[_Glob], Field(min_length=1, max_length=50)]
    knobs: Annotated[dict[_KnobName, _KnobModel], Field(max_length=32)] = Field(default_factory=dict)


_HINTS = {
    "name": "lower-case letters, digits, `-` and `_`",
    "entry": "`file.py:function`, such as `agent.py:main`",
    "roles": f"a list of roles out of {', '.join(HARNESS_ROLES)}",
    "editable": "globs of paths inside the folder, such as `*.py` or `prompts/*.md`",
    "knobs": "`{type: int, low: 1, high: 8, value: 5}`",
    "version": "1",
}


def _explain(error: ValidationError) -> str:
    lines = [_explain_one(item) for item in error.errors(include_url=False, include_input=False)[:5]]
    return "\n".join(lines)


def _explain_one(item: Any) -> str:  # pydantic's ErrorDetails, whose `loc` mixes str and int
    place = [str(part) for part in item["loc"] if part != "[key]"]
    where = f"{MANIFEST_NAME}: {'.'.join(place)[:200]}"
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key.{_nearest(place)}"
    if item["type"] == "missing":
        return f"{where}: this key is missing; expected {_HINTS.get(place[0], item['msg'])}."
    hint = _HINTS.get(place[0]) if place else None
    return f"{where}: {item['msg']}" + (f" (expected {hint})." if hint else ".")


def _nearest(place: list[str]) -> str:
    model = _KnobModel if len(place) > 1 else _ManifestModel
    near = difflib.get_close_matches(place[-1], model.model_fields, n=1, cutoff=0.5)
    known = ", ".join(model.model_fields)
    return f" Did you mean `{near[0]}`?" if near else f" Known keys: {known}."


def _read_knob(name: str, model: _KnobModel) -> Knob:
    where = f"{MANIFEST_NAME}: knobs.{name}"
    numbers = {"low": model.low, "high": model.high, "value": model.value}
    for key, number in numbers.items():
        if model.type == "int" and not number.is_integer():
            raise ManifestError(f"{where}.{key}: {number:g} is not an integer, and the knob's type is int.")
    if model.low > model.high:
        raise ManifestError(f"{where}.low: {model.low:g} is over high: {model.high:g}.")
    if not model.low <= model.value <= model.high:
        raise ManifestError(f"{where}.value: {model.value:g} is outside {model.low:g} to {model.high:g}.")
    return Knob(name=name, is_integer=model.type == "int", **numbers)


def _check_globs(globs: list[str]) -> None:
    outside = next((glob for glob in globs if {".", ".."} & set(glob.split("/"))), None)
    if outside is not None:
        raise ManifestError(f"{MANIFEST_NAME}: editable: `{outside}` must stay inside the folder.")


def _check_entry(entry: str, files: Mapping[str, bytes]) -> None:
    path, function = entry.split(":")
    if path not in files:
        near = difflib.get_close_matches(path, files, n=1)
        hint = f" Did you mean `{near[0]}:{function}`?" if near else ""
        raise ManifestError(f"{MANIFEST_NAME}: entry: there is no file `{path}`.{hint}")
    source = files[path].decode("utf-8", "replace")
    if not re.search(rf"\b{function}\b", source):  # running it shows whether it can be called
        near = difflib.get_close_matches(function, re.findall(r"^def (\w+)", source, re.MULTILINE), n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise ManifestError(f"{MANIFEST_NAME}: entry: `{path}` defines no `{function}`.{hint}")


def _matches(path: list[str], glob: list[str]) -> bool:
    """`*` matches within one folder, `**` matches any number of folders."""
    if not glob:
        return not path
    if glob[0] == "**":
        return _matches(path, glob[1:]) or (bool(path) and _matches(path[1:], glob))
    return bool(path) and fnmatchcase(path[0], glob[0]) and _matches(path[1:], glob[1:])


def set_knobs(tree: HarnessTree, values: Mapping[str, float]) -> HarnessTree:
    """A tree with these knob values; the text of unchanged knobs is left alone.

    Raises ManifestError for an unknown knob or a value out of its range.
    """
    knobs = {knob.name: knob for knob in tree.manifest.knobs}
    data = tree.files[MANIFEST_NAME]
    text = data.decode("utf-8-sig")  # with a byte order mark, the places of values would be off by one
    mark = data[: len(data) - len(text.encode("utf-8"))]
    for name, value in values.items():
        if name not in knobs:
            known = ", ".join(knobs) or "none"
            raise ManifestError(f"{MANIFEST_NAME}: there is no knob `{name}`. Knobs: {known}.")
        if value == knobs[name].value:
            continue
        start, end = scalar_span(text, ("knobs", name, "value"))
        text = text[:start] + _spell(knobs[name], value) + text[end:]
    changed = tree.replace({MANIFEST_NAME: mark + text.encode("utf-8")})
    read_manifest(changed.files)
    return changed


def _spell(knob: Knob, value: float) -> str:
    """Format the number so that YAML parses it back: an exponent needs a decimal point."""
    if knob.is_integer and float(value).is_integer():
        return str(int(value))
    text = repr(float(value))
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def changed_paths(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[str, ...]:
    """Paths that were added, changed or deleted, sorted."""
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def list_files(files: Mapping[str, bytes]) -> str:
    """One path and size per line."""
    return "\n".join(f"{path} {len(data)}" for path, data in sorted(files.items()))
