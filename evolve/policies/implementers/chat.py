"""The implementer: a chat in which the model edits the parent's files through actions, until it says `done`.

The dialogue is bounded in turns, sizes and tries. A useless dialogue gives a proposal equal to the parent,
for which the gates return NO_CHANGE; a model that does not answer raises Unanswered. Otherwise only
InfrastructureError and BudgetExceeded are raised. Edits are applied only through `Worktree`, which confines
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from studbook.errors import RequestFailed
from studbook.evaluate.metering import MeteredChat
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Proposal, TryHarness, Unanswered
from studbook.evolve.gates import check_static
from studbook.evolve.policies.actions import EDITS, Action, ActionKind, parse_actions, parse_hunks
from studbook.evolve.policies.worktree import EditFailed, Refused, Worktree
from studbook.evolve.prompting import cut_middle, load_prompt, summarize
from studbook.harnesses.tree import HarnessTree, changed_paths, list_files
from studbook.identity import derive_seed
from studbook.llm.contracts import Chat, ChatCall, Evidence, Message
from studbook.populations.records import MutationKind

DATA_FILES = ("../../prompts/implementer.md",)
"""Its prompt: part of what a run is bound to."""

MAX_ACTIONS = 40
"""Per message: a model that repeats itself writes thousands, each answered with a whole file."""


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
        if action.problem:
            return Result(action=action, ok=False, text=action.problem)
        if action.kind is ActionKind.DONE:
            return self._finish(action, earlier)
        try:
            return Result(action=action, ok=True, text=self._act(action))
        except Refused as error:
            return Result(action=action, ok=False, text=f"refused: {error}", refused=action.kind in EDITS)
        except (EditFailed, ValueError) as error:
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
            case ActionKind.DELETE:
                return worktree.delete(action.path)
            case ActionKind.REPLACE:
                return worktree.replace(action.path, parse_hunks(action.body))
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
        self.hypothesis = clean_line(action.body)
        return Result(action=action, ok=True, text="finished")


def clean_line(text: str, limit: int = 300) -> str:
    """One line for a journal or commit message: visible characters, single spaces, bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


SHRINKS = (1, 4)
"""The size limit is divided by these in turn, leaving out older results, if the model refuses a dialogue."""

NO_ACTION = (
    "No action was found in your message. Every message must hold at least one fenced block whose first line "
    "names an action: list, read, search, replace PATH, write PATH, delete PATH, try or done."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueLimits:
    """`idle_turns`: the dialogue ends after this many replies in a row without any action."""

    turns: int = 16
    tries: int = 2
    idle_turns: int = 3
    result_characters: int = 60_000
    prompt_characters: int = 300_000
    diagnosis_characters: int = 20_000
    history_characters: int = 12_000


class ChatImplementer:
    """An `Implementer` that talks to the role `implementer`. Thread-safe: a dialogue's state is its own."""

    def __init__(self, chat: Chat, limits: DialogueLimits | None = None) -> None:
        self._chat = chat
        self._limits = limits or DialogueLimits()
        self._system = Message(role="system", content=load_prompt("implementer.md"))

    def implement(
        self,
        parent: HarnessTree,
        diagnosis: Diagnosis,
        history: Sequence[HistoryEntry],
        try_harness: TryHarness,
        seed: int,
    ) -> Proposal:
        limits = self._limits
        bench = Workbench(
            parent=parent, worktree=Worktree(parent), try_harness=try_harness, tries_left=limits.tries
        )
        opening = Message(role="user", content=self._opening(parent, diagnosis, history))
        messages = [self._system, opening]
        idle, chat = 0, MeteredChat(self._chat)
        for turn in range(1, limits.turns + 1):
            try:
                reply = self._ask(chat, messages, derive_seed("implementer", seed, turn))
            except RequestFailed as error:
                if not bench.worktree.changed_paths:
                    message = f"the implementer's model did not answer: {error}"
                    raise Unanswered(message, chat.evidence) from error
                break  # the edits so far count
            results = bench.execute(parse_actions(reply))
            messages.append(Message(role="assistant", content=reply))
            idle = 0 if results else idle + 1
            if bench.hypothesis is not None or idle >= limits.idle_turns:
                break
            room = limits.prompt_characters // 2 // max(1, len(results))
            share = min(limits.result_characters, max(1000, room))
            answer = "\n".join(result.render(share) for result in results) or NO_ACTION
            messages.append(Message(role="user", content=f"{answer}\n\n{_turns_left(limits.turns - turn)}"))
        return _proposal(parent, bench, chat.evidence)

    def _ask(self, chat: Chat, messages: Sequence[Message], seed: int) -> str:
        """Raises RequestFailed if the model refuses even a shortened dialogue."""
        refused: RequestFailed | None = None
        for shrink in SHRINKS:
            kept = fit(messages, self._limits.prompt_characters // shrink)
            try:
                return chat.chat(ChatCall(role="implementer", messages=kept, seed=seed)).text
            except RequestFailed as error:  # too long, filtered, empty: a shorter dialogue may get an answer
                refused = error
        assert refused is not None  # SHRINKS is not empty
        raise refused

    def _opening(self, parent: HarnessTree, diagnosis: Diagnosis, history: Sequence[HistoryEntry]) -> str:
        limits = self._limits
        return (
            f"<diagnosis>\n{cut_middle(diagnosis.text, limits.diagnosis_characters)}\n</diagnosis>\n"
            f"<history>\n{summarize(history, limits.history_characters)}\n</history>\n"
            f"<files>\n{list_files(parent.files)}\n</files>\n\n"
            f"Editable: {', '.join(parent.manifest.editable)}. Tries: {limits.tries}. "
            f"{_turns_left(limits.turns)}"
        )


def fit(messages: Sequence[Message], limit: int) -> tuple[Message, ...]:
    """The messages within `limit` characters: drops the oldest results first, keeps the last two in full."""
    kept = list(messages)
    excess = sum(len(message.content) for message in kept) - limit
    for at in range(2, len(kept) - 2):
        if excess <= 0:
            break
        note = "[left out to save room; ask again if you need it]"
        if kept[at].role == "user" and len(kept[at].content) > len(note):
            excess -= len(kept[at].content) - len(note)
            kept[at] = Message(role="user", content=note)
    return tuple(kept)


def kind_of_change(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> MutationKind:
    """CODE when any Python file changed, else PROMPT."""
    touched = changed_paths(before, after)
    return MutationKind.CODE if any(path.endswith(".py") for path in touched) else MutationKind.PROMPT


def _turns_left(count: int) -> str:
    return f"Turns left: {count}."


def _proposal(parent: HarnessTree, bench: Workbench, evidence: Evidence) -> Proposal:
    tree = bench.worktree.tree
    changed = ", ".join(bench.worktree.changed_paths)
    return Proposal(
        tree=tree,
        kind=kind_of_change(parent.files, tree.files),
        hypothesis=bench.hypothesis or clean_line(f"(no hypothesis given) changed: {changed or 'nothing'}"),
        refused_actions=bench.refused_actions,
        evidence=evidence,
    )


plugin = ChatImplementer
