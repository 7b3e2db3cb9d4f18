"""How prompt ideas are made: rules with several wordings, put into the prompt where each belongs.

What the rules say stands in the modules that build ideas with this.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from studbook.testbed.ideas.idea import Edit, Files, Idea, changed_only
from studbook.testbed.ideas.text import (
    find_prompt,
    find_prompts,
    insert_first,
    insert_rule,
    rewrite,
    says,
)

FIRST_SHARE = 0.25
"""How often a new rule is put at the head of its prompt instead of beside its like."""


ELSEWHERE_SHARE = 0.2
"""How often the second-best prompt is thought of as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule in some wordings, for the prompt that serves `purpose`.

    `instead_of` matches sentences that it replaces; `swaps` are words that change along with it.
    """

    purpose: str
    wordings: tuple[str, ...]
    about: str = ""
    instead_of: str = ""
    swaps: tuple[tuple[str, str], ...] = ()


def rule(
    purpose: str,
    *wordings: str,
    about: str = "",
    instead_of: str = "",
    swaps: tuple[tuple[str, str], ...] = (),
) -> Rule:
    return Rule(purpose=purpose, wordings=wordings, about=about, instead_of=instead_of, swaps=swaps)


def prompt_idea(
    name: str, cues: Sequence[str], rules: Sequence[Rule], *hypotheses: str, weight: float = 1.0
) -> Idea:
    return Idea(
        name=name,
        hypotheses=hypotheses,
        cues=tuple(cues),
        edit=with_rules(rules),
        touches_code=False,
        weight=weight,
    )


def with_rules(rules: Sequence[Rule]) -> Edit:
    """All rules that find a place; none at all when the first finds none, for it is the point of the idea."""

    def edit(files: Files, luck: random.Random) -> dict[str, str]:
        edited: dict[str, str] = {}
        for number, item in enumerate(rules):
            paths = find_prompts(files, item.purpose)
            if not paths:
                if number == 0:
                    return {}
                continue
            path = luck.choice(paths[:2]) if luck.random() < ELSEWHERE_SHARE else paths[0]
            edited[path] = _with_rule(edited.get(path, files[path]), item, luck)
        return changed_only(files, edited)

    return edit


def _with_rule(text: str, item: Rule, luck: random.Random) -> str:
    wording, is_first = luck.choice(item.wordings), luck.random() < FIRST_SHARE
    if any(says(text, known) for known in item.wordings):
        return text
    for old, new in item.swaps:
        text = re.sub(old, new, text)
    if item.instead_of:
        rewritten = rewrite(text, item.instead_of, wording)
        if rewritten != text:
            return rewritten
    return insert_first(text, wording) if is_first else insert_rule(text, wording, item.about)


def removing(purpose: str, pattern: str) -> Edit:
    """Takes the matching sentences out of the prompt."""

    def edit(files: Files, luck: random.Random) -> dict[str, str]:  # noqa: ARG001  # an Edit is given luck
        path = find_prompt(files, purpose)
        return changed_only(files, {path: rewrite(files[path], pattern, "")}) if path else {}

    return edit
