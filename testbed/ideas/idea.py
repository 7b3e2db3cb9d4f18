"""What an idea of the testbed's implementer is: words about a change, and the change as pure text work.

An idea sees the harness's files as they are and returns the files it would change; it knows no mutant, score
or order of trials. Which ideas help is not written here or anywhere: it shows when the harness is run.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Files = Mapping[str, str]

Edit = Callable[[Files, random.Random], dict[str, str]]
"""The files that would change, with their new text; empty when the idea does not fit these files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """`cues`: groups of words; a sentence of the diagnosis with all words of a group speaks for the idea.

    `weight` is how readily an engineer thinks of it without any cue.
    """

    name: str
    hypotheses: tuple[str, ...]
    cues: tuple[str, ...]
    edit: Edit
    touches_code: bool
    weight: float = 1.0


def changed_only(files: Files, edited: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in edited.items() if files.get(path) != text}


def python_files(files: Files) -> list[str]:
    return sorted(path for path in files if path.endswith(".py"))


def prompt_files(files: Files) -> list[str]:
    """Text files that some code names, by file name or stem: a prompt nobody reads is not worth an edit."""
    code = "\n".join(files[path] for path in python_files(files))
    texts = sorted(path for path in files if path.endswith((".md", ".txt")))
    return [path for path in texts if _is_named(path, code)]


def _is_named(path: str, code: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    stem = name.rsplit(".", 1)[0]
    return name in code or f'"{stem}"' in code or f"'{stem}'" in code
