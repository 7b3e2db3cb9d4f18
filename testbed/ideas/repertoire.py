"""The repertoire: every idea the testbed's implementer can have, in a fixed order, read from two tables.

An idea is a description of a change, and the change as a pure text edit: it sees the harness's current files
and returns the files it would change; it knows no mutant, score or order of trials. Nothing states which
ideas help: only running the harness shows that.
"""

from dataclasses import dataclass
from functools import cache

from pydantic import with_config

from studbook.testbed.ideas.code_edits import BUILDERS
from studbook.testbed.ideas.files import Edit
from studbook.testbed.ideas.prompt_edits import PromptRule, removing, with_rules
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.ideas"
DATA_FILES = ("prompt_ideas.toml", "code_ideas.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """`cues`: groups of words; a sentence of the diagnosis with all words of a group supports the idea.

    `weight`: how readily an engineer thinks of it without any cue.
    """

    name: str
    hypotheses: tuple[str, ...]
    cues: tuple[str, ...]
    edit: Edit
    touches_code: bool
    weight: float = 1.0


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Removal:
    purpose: str
    pattern: str


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _PromptRow:
    name: str
    hypotheses: tuple[str, ...]
    cues: tuple[str, ...]
    weight: float = 1.0
    rule: tuple[PromptRule, ...] = ()
    removing: _Removal | None = None

    def build(self) -> Edit:
        if self.removing is not None:
            return removing(self.removing.purpose, self.removing.pattern)
        return with_rules(self.rule)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _CodeRow:
    """In `edit`, `by` names the builder and the other keys are its arguments."""

    name: str
    hypotheses: tuple[str, ...]
    cues: tuple[str, ...]
    weight: float = 1.0
    edit: dict[str, str | bool | tuple[str, ...]]

    def build(self) -> Edit:
        arguments = {name: value for name, value in self.edit.items() if name != "by"}
        return BUILDERS[str(self.edit["by"])](**arguments)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _PromptIdeas:
    idea: tuple[_PromptRow, ...]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _CodeIdeas:
    idea: tuple[_CodeRow, ...]


@cache
def repertoire() -> tuple[Idea, ...]:
    """Ideas about prompts, then those about code."""
    prompts = read_table(PACKAGE, DATA_FILES[0], _PromptIdeas).idea
    code = read_table(PACKAGE, DATA_FILES[1], _CodeIdeas).idea
    return (
        *(_idea(row, touches_code=False) for row in prompts),
        *(_idea(row, touches_code=True) for row in code),
    )


def _idea(row: _PromptRow | _CodeRow, *, touches_code: bool) -> Idea:
    return Idea(
        name=row.name,
        hypotheses=row.hypotheses,
        cues=row.cues,
        edit=row.build(),
        touches_code=touches_code,
        weight=row.weight,
    )
