"""The implementer: a chat that edits the parent's files by actions which we carry out, until it says `done`.

The dialogue is bounded in turns, sizes and tries. A useless dialogue ends as a proposal equal to the parent,
which the gates call NO_CHANGE; only the world's failures (InfrastructureError, BudgetExceeded) are raised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from evaluate.metering import MeteredChat
from evolve.actions import parse_actions
from evolve.contracts import Diagnosis, HistoryEntry, Proposal, TryHarness
from evolve.dialogue import Workbench, cut_middle, one_line
from evolve.history import summarize
from evolve.worktree import Worktree, changed_paths, list_files
from harnesses.tree import HarnessTree
from populations.records import MutationKind
from studbook.errors import RequestFailed
from studbook.identity import derive_seed
from studbook.llm.contracts import Chat, ChatCall, Message
from studbook.llm.seals import Rests

SHRINKS = (1, 4)
"""A dialogue that the model refuses is sent again with older results left out, to this fraction."""

NO_ACTION = (
    "No action was found in your message. Every message must hold at least one fenced block whose first line "
    "names an action: list, read, search, replace PATH, write PATH, delete PATH, try or done."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueLimits:
    """`idle_turns`: so many replies in a row without any action end the dialogue."""

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
            reply = self._ask(chat, messages, derive_seed("implementer", seed, turn))
            if reply is None:
                break
            results = bench.carry_out(parse_actions(reply))
            messages.append(Message(role="assistant", content=reply))
            idle = 0 if results else idle + 1
            if bench.hypothesis is not None or idle >= limits.idle_turns:
                break
            room = limits.prompt_characters // 2 // max(1, len(results))
            share = min(limits.result_characters, max(1000, room))
            answer = "\n".join(result.render(share) for result in results) or NO_ACTION
            messages.append(Message(role="user", content=f"{answer}\n\n{_turns_left(limits.turns - turn)}"))
        return _proposal(parent, bench, chat.rests)

    def _ask(self, chat: Chat, messages: Sequence[Message], seed: int) -> str | None:
        """None when the model refuses even a shortened dialogue; then what was edited so far counts."""
        for shrink in SHRINKS:
            kept = fit(messages, self._limits.prompt_characters // shrink)
            try:
                return chat.chat(ChatCall(role="implementer", messages=kept, seed=seed)).text
            except RequestFailed:  # too long, filtered, silent: the model's, not the world's
                continue
        return None

    def _opening(self, parent: HarnessTree, diagnosis: Diagnosis, history: Sequence[HistoryEntry]) -> str:
        limits = self._limits
        return (
            f"<diagnosis>\n{cut_middle(diagnosis.text, limits.diagnosis_characters)}\n</diagnosis>\n"
            f"<history>\n{summarize(history, limits.history_characters)}\n</history>\n"
            f"<files>\n{list_files(parent.files)}\n</files>\n\n"
            f"Editable: {', '.join(parent.manifest.editable)}. Tries: {limits.tries}. "
            f"{_turns_left(limits.turns)}"
        )


def load_prompt(name: str) -> str:
    """A prompt of ours, shipped beside the code."""
    return files("evolve").joinpath("prompts", name).read_text(encoding="utf-8")


def fit(messages: Sequence[Message], limit: int) -> tuple[Message, ...]:
    """The messages within `limit` characters: the oldest results make room first, the last two stay whole."""
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


def _proposal(parent: HarnessTree, bench: Workbench, rests: Rests) -> Proposal:
    tree = bench.worktree.tree
    changed = ", ".join(bench.worktree.changed_paths)
    return Proposal(
        tree=tree,
        kind=kind_of_change(parent.files, tree.files),
        hypothesis=bench.hypothesis or one_line(f"(no hypothesis given) changed: {changed or 'nothing'}"),
        refused_actions=bench.refused_actions,
        rests=rests,
    )
