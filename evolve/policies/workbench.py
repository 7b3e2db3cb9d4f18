"""Executes the implementer's actions on the worktree of one dialogue, and says what came of each.

Every change goes through `Worktree`, which confines it. Knows nothing about models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from studbook.evolve.contracts import TryHarness
from studbook.evolve.gates import check_static
from studbook.evolve.policies.actions import EDITS, Action, ActionKind, read_help
from studbook.evolve.policies.replies import parse_actions
from studbook.evolve.policies.worktree import EditFailed, Refused, Worktree
from studbook.evolve.prompting import cut_middle
from studbook.harnesses.tree import HarnessTree

MAX_ACTIONS = 40
"""Per message: a model that repeats itself writes thousands, each answered with a whole file."""


NOTHING_CHANGED = (
    "not finished: no file has changed yet. Change one first: `replace PATH` for a part of a file, "
    "`append PATH` to add lines, `write PATH` for the whole; then `done`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    action: Action
    ok: bool
    text: str
    refused: bool = False

    def render(self, limit: int) -> str:
        path = f' path="{self.action.path}"' if self.action.path else ""
        head = f'<result action="{self.action.kind}"{path} ok="{str(self.ok).lower()}">'
        text = cut_middle(self.text.removesuffix("\n"), limit)
        return f"{head}\n{text}\n</result>"


@dataclass(slots=True, kw_only=True)
class Workbench:
    """The worktree of one dialogue and the tries it has used. Owned by one dialogue, not thread-safe."""

    parent: HarnessTree
    worktree: Worktree
    try_harness: TryHarness
    tries_left: int
    refused_actions: int = 0
    hypothesis: str | None = None
    last_try: tuple[str, str] = field(default=("", ""))

    def execute(self, actions: Sequence[Action]) -> tuple[Result, ...]:
        """Execute the first MAX_ACTIONS actions in order. Refuses `done` after a failed edit among them."""
        results: list[Result] = []
        for action in actions[:MAX_ACTIONS]:
            result = self._execute_one(action, results)
            results.append(result)
            self.refused_actions += result.refused
        for action in actions[MAX_ACTIONS : MAX_ACTIONS + 1]:
            left_out = f"neither this nor what follows: at most {MAX_ACTIONS} actions a message"
            results.append(Result(action=action, ok=False, text=left_out))
        return tuple(results)

    def _execute_one(self, action: Action, earlier: Sequence[Result]) -> Result:
        problem = action.problem or copied_example(action)
        if problem:
            return Result(action=action, ok=False, text=problem)
        if action.kind is ActionKind.DONE:
            return self._finish(action, earlier)
        try:
            return Result(action=action, ok=True, text=self._act(action))
        except Refused as error:
            return Result(action=action, ok=False, text=f"refused: {error}", refused=action.kind in EDITS)
        except EditFailed as error:
            return Result(action=action, ok=False, text=str(error))

    def _act(self, action: Action) -> str:
        worktree = self.worktree
        match action.kind:
            case ActionKind.LIST:
                return worktree.list_files()
            case ActionKind.READ:
                return worktree.read(action.path)
            case ActionKind.SEARCH:
                return worktree.search(action.body)
            case ActionKind.WRITE:
                return worktree.write(action.path, action.body)
            case ActionKind.APPEND:
                return worktree.append(action.path, action.body, action.hunks)
            case ActionKind.DELETE:
                return worktree.delete(action.path)
            case ActionKind.REPLACE if action.hunks:
                return worktree.replace(action.path, action.hunks)
            case ActionKind.REPLACE:
                return worktree.replace_whole(action.path, action.body)
            case _:
                return self._try()

    def _try(self) -> str:
        tree = self.worktree.tree
        if self.last_try[0] == tree.tree_hash:
            return f"nothing has changed since the last try:\n{self.last_try[1]}"
        problem = check_static(self.parent, tree)
        if problem is not None:
            return f"not run: {problem.reason}"
        if self.tries_left <= 0:
            raise EditFailed("no tries are left; finish with `done`")
        self.tries_left -= 1
        self.last_try = (tree.tree_hash, self.try_harness(tree))
        return self.last_try[1]

    def _finish(self, action: Action, earlier: Sequence[Result]) -> Result:
        if any(not result.ok and result.action.kind in EDITS for result in earlier):
            return Result(action=action, ok=False, text="not finished: an edit above failed")
        if not self.worktree.changed_paths:
            return Result(action=action, ok=False, text=NOTHING_CHANGED)
        self.hypothesis = "" if action.body.strip() in example_lines() else clean_line(action.body)
        return Result(action=action, ok=True, text="finished")


def copied_example(action: Action) -> str:
    """Small models send back an example as it is: the problem, if this is one."""
    written = [
        line for text in (action.body, *(hunk.new for hunk in action.hunks)) for line in text.split("\n")
    ]
    examples = [line.rstrip(".") for line in example_lines()]
    if action.kind in EDITS and any(example in line for line in written for example in examples):
        return "this is the text of an example, of another program; write what the diagnosis asks for"
    return ""


@cache
def example_lines() -> frozenset[str]:
    shown = [action for told in read_help().values() for action in parse_actions(told.example)]
    texts = [
        text
        for edit in shown
        for text in (edit.body, *(hunk.new for hunk in edit.hunks))
        if edit.kind in EDITS | {ActionKind.DONE}
    ]
    return frozenset(line.strip() for text in texts for line in text.split("\n") if line.strip())


def clean_line(text: str, limit: int = 300) -> str:
    """One line for a journal or commit message: visible characters, single spaces, bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
