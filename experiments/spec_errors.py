"""Says what is wrong with a spec: the place, the value, and the nearest thing that would have worked.

Reads nothing; gets pydantic's complaint and the overrides, and returns one to two lines for people.
"""

import difflib
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from experiments.spec import SHORTHANDS, Spec
from studbook.llm.contracts import ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One `key.path=value`, and where it was said (for the error)."""

    path: tuple[str, ...]
    value: Any
    origin: str

    @property
    def key(self) -> str:
        return ".".join(self.path)


WORDINGS = {"model_type": "must be a mapping of keys", "invalid_key": "keys are words"}
SECRETIVE = "endpoints"
"""Below this key a wrong value may hold a secret: it is not repeated."""


def explain(error: ValidationError, source: str, overrides: tuple[Override, ...]) -> str:
    """The first complaint, unknown keys before wrong values: a typo often causes the rest."""
    details = error.errors(include_url=False)
    return _explain_one(min(details, key=lambda each: each["type"] != "extra_forbidden"), source, overrides)


def _explain_one(error: ErrorDetails, source: str, overrides: tuple[Override, ...]) -> str:
    loc = tuple(str(part) for part in error["loc"])
    if loc and loc[-1] == "[key]":
        return _unknown_key(loc[:-1], list(ROLES), source, overrides)
    if error["type"] == "extra_forbidden":
        return _unknown_key(loc, _known_keys(loc[:-1]), source, overrides)
    what = WORDINGS.get(error["type"], error["msg"].removeprefix("Value error, "))
    if error["type"] == "missing":
        return f"{source}: the key {'.'.join(loc)} is missing\n  experiments/quickstart.yaml shows how"
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
    """The flag, the variable or the file that gave a key which stands nowhere else."""
    given = [each.origin for each in overrides if loc == each.path[: len(loc)]]
    return given[-1] if given else source


def _known_keys(loc: tuple[str, ...]) -> list[str]:
    """Keys of the section at `loc`; endpoints and roles are free mappings of sections."""
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
