"""The implementer's actions: their names, what prompt and tools say about them, and how one is written.

`actions.toml` is the one table of them. Knows nothing about files: an invalid action has a `problem`, which
the dialogue reports to the model. `replies.py` reads actions from a model's reply.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

from studbook.llm.contracts import Tool
from studbook.tables import read_toml

PACKAGE, TABLE = "studbook.evolve.policies", "actions.toml"


class ActionKind(StrEnum):
    LIST = "list"
    READ = "read"
    SEARCH = "search"
    REPLACE = "replace"
    APPEND = "append"
    WRITE = "write"
    DELETE = "delete"
    TRY = "try"
    DONE = "done"


REPLACE_SHAPE = "a replace body is: <<<<<<< FIND, old lines, =======, new lines, >>>>>>> END"

EDITS = frozenset({ActionKind.REPLACE, ActionKind.APPEND, ActionKind.WRITE, ActionKind.DELETE})

NEEDS_PATH = EDITS | {ActionKind.READ}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """A change of lines: `old` must occur exactly once in the file."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`problem` says why the action cannot be executed as written; empty if it can.

    A `replace` has its `hunks`; with only a `body` it names no old text.
    """

    kind: ActionKind
    path: str = ""
    body: str = ""
    hunks: tuple[Hunk, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionHelp:
    """What a model is told about an action. `arguments` are all required."""

    says: str
    arguments: tuple[str, ...]
    example: str


@cache
def read_help() -> Mapping[ActionKind, ActionHelp]:
    return MappingProxyType(
        {
            ActionKind(row["name"]): ActionHelp(
                says=row["says"], arguments=tuple(row["arguments"]), example=row["example"].strip("\n")
            )
            for row in read_toml(PACKAGE, TABLE)["action"]
        }
    )


@cache
def foreign_names(table: str) -> Mapping[str, tuple[str, ...]]:
    """What other programs call the actions (`tools`) or their arguments (`arguments`)."""
    return MappingProxyType({name: tuple(names) for name, names in read_toml(PACKAGE, TABLE)[table].items()})


@cache
def tools() -> tuple[Tool, ...]:
    """One tool per action, for endpoints that know tools."""
    described = read_toml(PACKAGE, TABLE)["argument"]
    return tuple(
        Tool(name=kind.value, description=told.says, parameters=_schema(told.arguments, described))
        for kind, told in read_help().items()
    )


def _schema(arguments: tuple[str, ...], described: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": described[name]} for name in arguments},
        "required": list(arguments),
    }


def describe_actions() -> str:
    """The list in the prompt: what each action is for, and an example of it."""
    return "\n\n".join(f"{told.says}\n\n{told.example}" for told in read_help().values())


def render_action(action: Action) -> str:
    """The block for an action, with a fence longer than any in its body."""
    body = action.body or "\n".join(render_hunk(hunk) for hunk in action.hunks)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    head = f"{fence}{action.kind} {action.path}".rstrip()
    return f"{head}\n{body}\n{fence}" if body else f"{head}\n{fence}"


def render_hunk(hunk: Hunk) -> str:
    return f"<<<<<<< FIND\n{hunk.old}\n=======\n{hunk.new}\n>>>>>>> END"
