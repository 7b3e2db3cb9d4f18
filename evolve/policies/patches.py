"""Reads patches of the form `*** Begin Patch` … `*** End Patch`, which some models are trained to write.

Without its end a patch was cut off: its last file is a problem, never applied.
"""

import re
from collections.abc import Sequence

from studbook.evolve.policies.actions import Action, ActionKind
from studbook.evolve.policies.text_edits import NOT_CLOSED, clean_path, problem_of, read_diff

BEGIN, END = "*** Begin Patch", "*** End Patch"

_FILE = re.compile(r"^\*\*\* (?P<verb>Add|Update|Delete) File:(?P<path>.*)$")
_KINDS = {"Add": ActionKind.WRITE, "Update": ActionKind.REPLACE, "Delete": ActionKind.DELETE}


def read_patch(text: str) -> list[Action]:
    """One action per file of the first patch in the text; [] if there is none."""
    _, begin, rest = text.partition(BEGIN)
    if not begin:
        return []
    body, end, _ = rest.partition(END)
    files: list[tuple[ActionKind, str, list[str]]] = []
    for line in body.split("\n"):
        head = _FILE.match(line)
        if head:
            files.append((_KINDS[head["verb"]], clean_path(head["path"]), []))
        elif files and line.strip() != "*** End of File":
            files[-1][2].append(line)
    found = [_of_file(kind, path, lines) for kind, path, lines in files]
    if found and not end:
        found[-1] = Action(kind=found[-1].kind, path=found[-1].path, problem=NOT_CLOSED)
    return found


def _of_file(kind: ActionKind, path: str, lines: Sequence[str]) -> Action:
    if kind is ActionKind.DELETE or not path:
        return Action(kind=kind, path=path, problem=problem_of(kind, path, ""))
    if kind is ActionKind.WRITE:
        added = "\n".join(line[1:] for line in lines if line.startswith("+"))
        odd = [line for line in lines if line.strip() and not line.startswith("+")]
        return Action(
            kind=kind, path=path, body=added, problem="each line to add begins with +" if odd else ""
        )
    if any(line.startswith("*** Move to:") for line in lines):
        return Action(
            kind=kind, path=path, problem="files cannot be moved; write the new one, delete the old"
        )
    changes = "\n".join(lines).strip("\n")
    found = read_diff(f"--- a/{path}\n+++ b/{path}\n@@\n{changes}", path)
    return found[0] if len(found) == 1 else Action(kind=kind, path=path, problem="the patch changes no line")
