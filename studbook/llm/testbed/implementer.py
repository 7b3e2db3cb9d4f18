"""The testbed's implementer: looks at the harness's real files and changes them, well or badly.

A text program, not a language model. It sees nothing but the chat, finds its files by looking, draws an idea
that the diagnosis makes likely, and writes the edit from what the files hold. Some edits are slips, some
change nothing, a rare one reaches outside and is given up when refused. It keeps nothing between turns.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from studbook.identity import derive_seed
from studbook.llm.contracts import ChatRequest
from studbook.llm.testbed.ideas_accidents import OUTSIDE, Edited, broken, ineffective
from studbook.llm.testbed.ideas_all import REPERTOIRE
from studbook.llm.testbed.implementer_actions import block, edit_blocks
from studbook.llm.testbed.implementer_choice import choose
from studbook.llm.testbed.implementer_dialogue import Dialogue, read_dialogue

BROKEN_CODE_SHARE = 0.22
BROKEN_PROMPT_SHARE = 0.04
INEFFECTIVE_SHARE = 0.06
OUTSIDE_SHARE = 0.015
TRY_SHARE = 0.3
MEND_SHARE = 0.7

_TROUBLE = re.compile(
    r"\b(?:not run|crashed|Traceback|timed[_ ]out|out[_ ]of[_ ]limits|protocol[_ ]error|does not compile)\b"
    r"|\b[A-Z]\w*Error\b"
)

NOTHING_FITS = "Left as it is: nothing in these files fits what the diagnosis asks for."


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    hypothesis: str
    edited: Edited
    wants_try: bool = False


def reply(request: ChatRequest) -> str:
    """The next message of the dialogue; the same request always gets the same one."""
    dialogue = read_dialogue(request.messages)
    luck = random.Random(derive_seed(request.seed, "implementer"))
    if dialogue.edits:
        return _after_edit(dialogue, luck)
    if _wants_to_look(dialogue):
        return _look(dialogue)
    return _edit(dialogue, luck)


def _wants_to_look(dialogue: Dialogue) -> bool:
    has_time = dialogue.turns_left is None or dialogue.turns_left > 1
    return has_time and (not dialogue.rounds or bool(dialogue.unread))


def _look(dialogue: Dialogue) -> str:
    reads = [block("read", path) for path in dialogue.unread]
    listing = [] if dialogue.rounds else [block("list")]
    return "\n\n".join(["I look at the files before I change any.", *listing, *reads])


def _edit(dialogue: Dialogue, luck: random.Random) -> str:
    if luck.random() < OUTSIDE_SHARE:
        path, text, hypothesis = luck.choice(OUTSIDE)
        return f"Hypothesis: {hypothesis}\n\n{block(f'write {path}', text)}"
    plan = _plan(dialogue, luck)
    if plan is None:
        return block("done", NOTHING_FITS)
    ending = block("try") if plan.wants_try else block("done", plan.hypothesis)
    return f"Hypothesis: {plan.hypothesis}\n\n{edit_blocks(dialogue.files, plan.edited)}\n\n{ending}"


def _plan(dialogue: Dialogue, luck: random.Random) -> Plan | None:
    thought = choose(REPERTOIRE, dialogue.files, dialogue.diagnosis, dialogue.history, luck)
    if thought is None:
        return None
    hypothesis = luck.choice(thought.idea.hypotheses)
    edited: Edited = dict(thought.edited)
    if luck.random() < INEFFECTIVE_SHARE:
        edited = ineffective(dialogue.files, luck)
    elif luck.random() < (BROKEN_CODE_SHARE if thought.idea.touches_code else BROKEN_PROMPT_SHARE):
        edited = broken(dialogue.files, thought.edited, luck)
    wants_try = thought.idea.touches_code and _has_turns(dialogue) and luck.random() < TRY_SHARE
    return Plan(hypothesis=hypothesis, edited=edited, wants_try=wants_try)


def _has_turns(dialogue: Dialogue) -> bool:
    return dialogue.turns_left is None or dialogue.turns_left >= 3


def _after_edit(dialogue: Dialogue, luck: random.Random) -> str:
    """Ends the dialogue, or writes the intended files whole when an edit failed or a try showed trouble."""
    done = block("done", dialogue.hypothesis or NOTHING_FITS)
    failed = any(
        result.action in ("replace", "write", "delete") and not result.ok for result in dialogue.last
    )
    if any(result.is_refused for result in dialogue.edits) or dialogue.edit_rounds > 1:
        return done
    trouble = any(result.action == "try" and _TROUBLE.search(result.text) for result in dialogue.last)
    if failed or (trouble and luck.random() < MEND_SHARE):
        intended = _intended(dialogue, luck)
        if intended:
            return (
                f"That did not go as meant.\n\n{edit_blocks(dialogue.files, intended, whole=True)}\n\n{done}"
            )
    return done


def _intended(dialogue: Dialogue, luck: random.Random) -> Mapping[str, str | None]:
    """What the idea behind the hypothesis makes of the files as they were at first."""
    for idea in REPERTOIRE:
        if dialogue.hypothesis in idea.hypotheses:
            return dict(idea.edit(dialogue.files, luck))
    return {}
