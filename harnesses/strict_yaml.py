"""Parses untrusted YAML: plain values only, no aliases, no duplicate keys, and errors that name the line.

Also finds the position of a scalar, so that one value can be changed without touching the rest of a file.
"""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from studbook.errors import ManifestError

MAX_CHARACTERS = 64 * 1024
MAX_DEPTH = 64

if TYPE_CHECKING:
    _Base = yaml.SafeLoader
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if libyaml is installed


class _StrictLoader(_Base):
    """Rejects duplicate keys: one of the values would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _refusal(f"key `{key.value}` is given twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refusal(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _check_shape(text: str) -> None:
    """Rejects aliases, which can expand exponentially, and deep nesting: libyaml's loader recurses in C."""
    depth = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases are not allowed", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _refusal(f"nested deeper than {MAX_DEPTH}", event.start_mark)


def load_mapping(text: str, name: str) -> dict[str, Any]:
    """Parse a file that contains one mapping; raises ManifestError naming `name` and the line."""
    if len(text) > MAX_CHARACTERS:
        raise ManifestError(f"{name} is longer than {MAX_CHARACTERS} characters.")
    try:
        _check_shape(text)
        value = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ManifestError(f"{name}{line}: {error.problem or 'not valid YAML'}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: invalid characters or dates
        raise ManifestError(f"{name} is not valid YAML: {str(error)[:200]}") from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ManifestError(f"{name} must hold a mapping of keys to values.")
    return value


def scalar_span(text: str, path: Sequence[str]) -> tuple[int, int]:
    """Start and end of the scalar at `path` in a text that `load_mapping` accepts; raises KeyError."""
    node = yaml.compose(text, Loader=_StrictLoader)
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            raise KeyError(part)
        node = {key.value: value for key, value in node.value}[part]
    if not isinstance(node, yaml.ScalarNode):
        raise KeyError(path[-1])
    return node.start_mark.index, node.end_mark.index
