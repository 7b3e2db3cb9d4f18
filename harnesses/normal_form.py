"""Telling a new harness from one seen before: a hash that layout and comments do not change.

Two trees with the same normal form behave alike; two that behave alike may still differ here.
"""

import io
import tokenize
from collections.abc import Iterator
from functools import lru_cache

from studbook.errors import ManifestError
from studbook.harnesses.folder import TEXT_SUFFIXES
from studbook.harnesses.manifest import FILE_NAME
from studbook.harnesses.strict_yaml import load_mapping
from studbook.harnesses.tree import HarnessTree
from studbook.identity import Json, hash_bytes, hash_json

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}

_SHAPE = {tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE}


def normal_hash(tree: HarnessTree) -> str:
    """Equal for trees that differ only in Python layout and comments, YAML layout, or trailing space."""
    return hash_json({path: _file_hash(path, data) for path, data in tree.files.items()})


@lru_cache(maxsize=512)
def _file_hash(path: str, data: bytes) -> str:
    """A mutant shares most of its files with its parent, and reading Python takes milliseconds."""
    return hash_json(_normal_file(path, data))


def _normal_file(path: str, data: bytes) -> Json:
    if not path.endswith(TEXT_SUFFIXES):
        return hash_bytes(data)
    text = data.decode("utf-8", "replace")
    if path.endswith(".py"):
        return _normal_python(text)
    if path == FILE_NAME:
        try:
            return _normal_value(load_mapping(text, path))
        except ManifestError:  # an unreadable manifest is compared as text
            return _normal_text(text)
    return _normal_text(text)


def _normal_value(value: object) -> str:
    """Any YAML value with the keys of its mappings in order, whatever types they have."""
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{key!r}: {_normal_value(each)}' for key, each in value.items()))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_normal_value, value))}]"
    return repr(value)


def _normal_text(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(lines).strip("\n")


def _normal_python(text: str) -> Json:
    try:
        return [list(token) for token in _tokens(text)]
    except (tokenize.TokenError, SyntaxError):  # does not parse: compared as text
        return _normal_text(text)


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT:
            yield token.type, "" if token.type in _SHAPE else token.string
