"""The implementer: a chat in which the model edits the parent's files through actions, until it says `done`.

The dialogue is bounded in turns, sizes and tries. A useless dialogue gives a proposal equal to the parent,
for which the gates return NO_CHANGE; a model that does not answer raises Unanswered. Otherwise only
InfrastructureError and BudgetExceeded are raised.

Actions come as text or, where the endpoint has tools, as tool calls. Both are kept in the dialogue as text,
so that records, replay and endpoints without tools need to know nothing about tools.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from studbook.errors import RequestFailed
from studbook.evaluate.metering import MeteredChat
from studbook.evolve.contracts import Diagnosis, HistoryEntry, Proposal, TryHarness, Unanswered
from studbook.evolve.policies.actions import (
    EDITS,
    Action,
    ActionKind,
    describe_actions,
    render_action,
    tools,
)
from studbook.evolve.policies.replies import read_reply
from studbook.evolve.policies.workbench import Result, Workbench, clean_line
from studbook.evolve.policies.worktree import Worktree
from studbook.evolve.prompting import PROMPT_TOKENS, cut_middle, load_prompt, summarize
from studbook.harnesses.text_files import read_text
from studbook.harnesses.tree import HarnessTree, changed_paths, list_files
from studbook.identity import derive_seed
from studbook.llm.contracts import CHARACTERS_PER_TOKEN, Chat, ChatCall, ChatReply, Evidence, Message
from studbook.populations.records import MutationKind

DATA_FILES = ("../../prompts/implementer.md", "../actions.toml")
"""Its prompt: part of what a run is bound to."""

SHRINK = 4
"""The size limit is divided by this if the model refuses a dialogue, and a smaller one is at least halved."""

LEAST_SHOWN = 400
"""Characters of a message that are shown in any case."""

FILES_SHARE = 3
"""The files that fit into this part of the prompt are shown at once, which saves turns."""

NO_ACTION = (
    "No action was found in your message. Every message must hold at least one fenced block whose first line "
    f"names an action: {', '.join(kind.value for kind in ActionKind)}. For example:\n\n"
    "```read prompts/example.md\n```"
)

CUT_OFF = "Your message was cut off at its limit. Send shorter messages: one action each, small replaces."

WHEN_DONE = (
    "If this removes the first cause, send a `done` block: one line that says what you changed and what it "
    "should bring about."
)

TOLD_AFTER = 2
"""Turns in a row without progress, after which the model is told."""

STUCK = (
    "This is the second message in a row that repeats an earlier one or in which nothing worked. After a "
    "third the dialogue ends. Do something else: read the file you want to change, then send `write PATH` "
    "with its whole new text."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueLimits:
    """`stuck_turns`: the dialogue ends after so many turns in a row that fail or repeat earlier ones."""

    turns: int = 16
    tries: int = 2
    stuck_turns: int = 3
    result_characters: int = 60_000
    prompt_characters: int = 300_000
    diagnosis_characters: int = 20_000
    history_characters: int = 12_000

    def within(self, characters: int) -> "DialogueLimits":
        """The same, with a prompt of at most so many characters, of which each part gets its share."""
        return replace(
            self,
            prompt_characters=min(self.prompt_characters, characters),
            result_characters=min(self.result_characters, characters // 3),
            diagnosis_characters=min(self.diagnosis_characters, characters // 5),
            history_characters=min(self.history_characters, characters // 10),
        )


@dataclass(slots=True, kw_only=True)
class Progress:
    """Counts turns in a row in which nothing worked, or that repeat an earlier one since the last change."""

    stuck: int = 0
    seen: set[tuple[Action, ...]] = field(default_factory=set)
    tree_hash: str = ""

    def note(self, results: Sequence[Result], tree: HarnessTree) -> None:
        actions = tuple(result.action for result in results)
        if tree.tree_hash != self.tree_hash:
            self.tree_hash, self.seen = tree.tree_hash, set()
        if actions in self.seen:
            self.stuck = max(self.stuck, 1) + 1
        else:
            self.stuck = 0 if any(result.ok for result in results) else self.stuck + 1
        self.seen.add(actions)


class ChatImplementer:
    """An `Implementer` that talks to the role `implementer`. Thread-safe: a dialogue's state is its own.

    `prompt_tokens` bounds a prompt, and `answer_tokens` an answer (None: as the role's settings say).
    """

    def __init__(
        self,
        chat: Chat,
        limits: DialogueLimits | None = None,
        prompt_tokens: int = PROMPT_TOKENS,
        answer_tokens: int | None = None,
    ) -> None:
        self._chat = chat
        self._answer_tokens = answer_tokens
        text = load_prompt("implementer.md").replace("{actions}", describe_actions())
        self._system = Message(role="system", content=text)
        self._limits = (limits or DialogueLimits()).within(prompt_tokens * CHARACTERS_PER_TOKEN)

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
        progress, chat = Progress(tree_hash=parent.tree_hash), MeteredChat(self._chat)
        for turn in range(1, limits.turns + 1):
            try:
                reply = self._ask(chat, messages, derive_seed("implementer", seed, turn))
            except RequestFailed as error:
                if not bench.worktree.changed_paths:
                    message = f"the implementer's model did not answer: {error}"
                    raise Unanswered(message, chat.evidence) from error
                break  # the edits so far count
            results = bench.execute(read_reply(reply))
            progress.note(results, bench.worktree.tree)
            if bench.hypothesis is not None or progress.stuck >= limits.stuck_turns:
                break
            messages.append(Message(role="assistant", content=_as_text(reply, results)))
            hint = self._hint(parent, diagnosis, bench, results)
            answer = self._answer(reply, results, progress, hint, limits.turns - turn)
            messages.append(Message(role="user", content=answer))
        return _proposal(parent, bench, chat.evidence)

    def _ask(self, chat: Chat, messages: Sequence[Message], seed: int) -> ChatReply:
        """Raises RequestFailed if the model refuses even a shortened dialogue."""
        most = self._limits.prompt_characters
        try:
            return self._send(chat, fit(messages, most), seed)
        except RequestFailed:  # too long, filtered, empty: a shorter dialogue may get an answer
            return self._send(chat, fit(messages, min(most // SHRINK, _size(messages) // 2)), seed)

    def _send(self, chat: Chat, messages: Sequence[Message], seed: int) -> ChatReply:
        return chat.chat(
            ChatCall(
                role="implementer",
                messages=tuple(messages),
                seed=seed,
                max_tokens=self._answer_tokens,
                tools=tools(),
            )
        )

    def _opening(self, parent: HarnessTree, diagnosis: Diagnosis, history: Sequence[HistoryEntry]) -> str:
        limits = self._limits
        return (
            f"<diagnosis>\n{cut_middle(diagnosis.text, limits.diagnosis_characters)}\n</diagnosis>\n"
            f"<history>\n{summarize(history, limits.history_characters)}\n</history>\n"
            f"<files>\n{list_files(parent.files)}\n</files>\n"
            f"{_shown(parent, diagnosis.text, limits.prompt_characters // FILES_SHARE)}\n"
            f"{how_to_change(parent, diagnosis.text)}\n\n"
            f"Editable: {', '.join(parent.manifest.editable)}. Tries: {limits.tries}. "
            f"{_turns_left(limits.turns)}"
        )

    def _hint(
        self, parent: HarnessTree, diagnosis: Diagnosis, bench: Workbench, results: Sequence[Result]
    ) -> str:
        """What to do next, after a change or where nothing worked."""
        if any(result.ok and result.action.kind in EDITS for result in results):
            return f"Changed so far: {', '.join(bench.worktree.changed_paths)}. {WHEN_DONE}"
        is_lost = not bench.worktree.changed_paths and not any(result.ok for result in results)
        return how_to_change(parent, diagnosis.text) if is_lost else ""

    def _answer(
        self, reply: ChatReply, results: Sequence[Result], progress: Progress, hint: str, turns: int
    ) -> str:
        """What came of the model's actions, and what it should know besides."""
        limits = self._limits
        room = limits.prompt_characters // 2 - sum(len(result.render(0)) for result in results)
        share = min(limits.result_characters, _even_share([len(result.text) for result in results], room))
        parts = ["\n".join(result.render(share) for result in results) or NO_ACTION]
        parts += [CUT_OFF] if reply.is_truncated else []
        parts += [STUCK] if progress.stuck >= TOLD_AFTER else []
        return "\n\n".join(part for part in (*parts, hint, _turns_left(turns)) if part)


def how_to_change(parent: HarnessTree, diagnosis: str) -> str:
    """The task in one line, with a real file, after the long material.

    In words: small models send back a form that stands last, as it is.
    """
    editable = [path for path in parent.files if parent.manifest.is_editable(path)]
    path = min(
        editable, key=lambda each: (diagnosis.find(each) < 0, diagnosis.find(each)), default="agent.py"
    )
    return (
        "Now make the change that the diagnosis asks for, as one block, written for the model that reads "
        f"{path}. The block's first line is ```append {path} and its last line is ```; the lines between "
        "are added to that file."
    )


def _shown(parent: HarnessTree, diagnosis: str, room: int) -> str:
    """The editable files that fit, those that the diagnosis names first, in the order of the list."""
    texts = {
        path: f'<file path="{path}">\n{read_text(data)}\n</file>\n'
        for path, data in parent.files.items()
        if parent.manifest.is_editable(path)
    }
    shown = set()
    for path in sorted(texts, key=lambda path: path not in diagnosis):
        if len(texts[path]) <= room:
            shown.add(path)
            room -= len(texts[path])
    return "".join(text for path, text in texts.items() if path in shown)


def _as_text(reply: ChatReply, results: Sequence[Result]) -> str:
    """The model's message as text: tool calls as the blocks that would have done the same."""
    if not reply.tool_calls:
        return reply.text
    blocks = (render_action(result.action) for result in results)
    text = "\n\n".join(part for part in (reply.text.strip(), *blocks) if part)
    return text or "(calls of tools that do not exist)"  # some endpoints refuse an empty message


def fit(messages: Sequence[Message], limit: int) -> tuple[Message, ...]:
    """The messages within `limit` characters; the first is kept in full, and LEAST_SHOWN of each other one.

    Drops the oldest results first, then what the model itself wrote; then cuts its last
    message, and the longest of the others.
    """
    kept = list(messages)
    excess = _size(kept) - limit
    for role, note in LEFT_OUT.items():
        for at in range(2, len(kept) - 2):
            if excess > 0 and kept[at].role == role and len(kept[at].content) > len(note):
                excess -= len(kept[at].content) - len(note)
                kept[at] = replace(kept[at], content=note)
    if excess > 0 and len(kept) > 2:
        own = kept[-2].content
        kept[-2] = replace(kept[-2], content=_cut_to(own, max(LEAST_SHOWN, len(own) - excess)))
    if _size(kept) > limit:
        system, *others = kept
        room = limit - len(system.content)
        share = max(LEAST_SHOWN, _even_share([len(each.content) for each in others], room))
        kept = [system, *(replace(each, content=_cut_to(each.content, share)) for each in others)]
    return tuple(kept)


def _size(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


def _even_share(lengths: Sequence[int], room: int) -> int:
    """The most characters that each text may have, so that all are within `room`; short ones leave theirs."""
    for count, length in zip(range(len(lengths), 0, -1), sorted(lengths), strict=True):
        if length * count > room:
            return max(0, room // count)
        room -= length
    return max(lengths, default=0)


CUT_NOTE = 50
"""Most characters of the line with which `cut_middle` says how much it left out."""


def _cut_to(text: str, limit: int) -> str:
    return text if len(text) <= limit else cut_middle(text, limit - CUT_NOTE)


LEFT_OUT: Mapping[str, str] = {
    "user": "[left out to save room; ask again if you need it]",
    "assistant": "[left out to save room]",
}


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
