"""Checks a JSON schema that a harness wants a model's reply to follow.

It goes to an endpoint that compiles it to a grammar, so it is hostile input: only keywords that describe the
shape of a reply are allowed, in bounded number. References are not: some servers would fetch them, which
would be a way out of the box. Patterns and long repetitions can stall a server.
"""

from collections.abc import Iterator, Mapping
from typing import Any

MAX_NODES = 200
MAX_DEPTH = 12
MAX_CHARACTERS = 10_000
MAX_ITEMS = 100

KEYWORDS: Mapping[str, type | tuple[type, ...]] = {
    "type": str,
    "description": str,
    "title": str,
    "properties": dict,
    "required": list,
    "additionalProperties": bool,
    "items": dict,
    "minItems": int,
    "maxItems": int,
    "enum": list,
    "anyOf": list,
    "minimum": (int, float),
    "maximum": (int, float),
}
"""Every keyword that is allowed, and the type of its value."""
SHAPES = ("type", "enum", "anyOf")
"""A nested schema has at least one of them: endpoints refuse a schema that allows anything."""
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")


def check_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself. Raises ValueError with what is not allowed in it."""
    if schema.get("type") != "object":
        raise ValueError('the outermost `type` must be "object"')
    if len(repr(schema)) > MAX_CHARACTERS:
        raise ValueError(f"more than {MAX_CHARACTERS} characters")
    for number, node in enumerate(_nodes(schema, 1), 1):
        if number > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} nested schemas")
        _check_node(node)
    return schema


def _nodes(schema: Any, depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        raise ValueError("a nested schema is not an object")
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    yield schema
    for name in ("properties", "items", "anyOf"):
        inner = schema.get(name)
        if name == "properties" and isinstance(inner, dict):
            children = list(inner.values())
        elif name == "anyOf" and isinstance(inner, list):
            children = inner
        else:
            children = [] if inner is None else [inner]
        for child in children:
            yield from _nodes(child, depth + 1)


def _check_node(node: dict[str, Any]) -> None:
    for name, value in node.items():
        if name not in KEYWORDS:
            raise ValueError(f"the keyword `{name[:40]}` is not allowed; allowed are {', '.join(KEYWORDS)}")
        is_number = not isinstance(value, bool) or name == "additionalProperties"
        if not isinstance(value, KEYWORDS[name]) or not is_number:
            raise ValueError(f"`{name}` has a value of the wrong type")
    if not any(name in node for name in SHAPES):
        raise ValueError("every nested schema needs `type`, `enum` or `anyOf`")
    if not all(node.get(name, True) for name in ("enum", "anyOf")):
        raise ValueError("`anyOf` and `enum` must not be empty")
    if "type" in node and node["type"] not in TYPES:
        raise ValueError(f"`type` must be one of {', '.join(TYPES)}")
    for name in ("minItems", "maxItems"):
        if not 0 <= node.get(name, 0) <= MAX_ITEMS:
            raise ValueError(f"`{name}` must be from 0 to {MAX_ITEMS}")
    if not all(isinstance(value, str) for value in node.get("required", ())):
        raise ValueError("`required` must list names")
    if any(isinstance(value, dict | list) for value in node.get("enum", ())):
        raise ValueError("`enum` must list plain values")
