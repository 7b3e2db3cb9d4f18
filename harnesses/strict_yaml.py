"""YAML as outside bytes: plain values only, no aliases, no key twice, and errors that name the line.

Also finds where a scalar stands, so that one value can be changed without touching the rest of a file.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import yaml

from studbook.errors import ManifestError

MAX_CHARACTERS = 64 * 1024


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses aliases (they can multiply) and keys given twice (one would be lost)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]  # untyped in types-PyYAML
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key `{key.value}` is given twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def load_mapping(text: str, name: str) -> dict[str, Any]:
    """The mapping that a whole file holds; raises ManifestError naming `name` and the line."""
    if len(text) > MAX_CHARACTERS:
        raise ManifestError(f"{name} is longer than {MAX_CHARACTERS} characters.")
    try:
        value = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ManifestError(f"{name}{line}: {error.problem or 'not valid YAML'}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # bad characters, bad dates, hostile depth
        raise ManifestError(f"{name} is not valid YAML: {str(error)[:200]}") from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ManifestError(f"{name} must hold a mapping of keys to values.")
    return value


def scalar_span(text: str, path: Sequence[str]) -> tuple[int, int]:
    """Start and end of the scalar at `path`; raises KeyError when there is none."""
    node = yaml.compose(text, Loader=_StrictLoader)
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            raise KeyError(part)
        node = {key.value: value for key, value in node.value}[part]
    if not isinstance(node, yaml.ScalarNode):
        raise KeyError(path[-1])
    return node.start_mark.index, node.end_mark.index
