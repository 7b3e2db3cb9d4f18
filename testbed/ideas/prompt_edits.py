"""Edits of prompts: inserts a rule into the prompt where it belongs, or removes sentences.

Works on items (a bullet or a paragraph with its continuation lines), leaves fenced blocks and lines with
placeholders alone, and never requires a particular file name: names only help to guess what a prompt is for.
The texts of the rules are in prompt_ideas.toml.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import with_config

from studbook.testbed.ideas.files import Edit, Files, changed_only, prompt_files
from studbook.testbed.models.words import content_words

FIRST_SHARE = 0.25
"""How often a new rule goes to the start of its prompt instead of beside similar rules."""

ELSEWHERE_SHARE = 0.2
"""How often the second-best prompt is considered as well."""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRule:
    """A rule in several wordings, for the prompt that serves `purpose`.

    `instead_of` matches sentences that it replaces; `swaps` are words that are replaced along with it.
    """

    purpose: str
    wordings: tuple[str, ...]
    about: str = ""
    instead_of: str = ""
    swaps: tuple[tuple[str, str], ...] = ()


def with_rules(rules: Sequence[PromptRule]) -> Edit:
    """Inserts all rules that fit somewhere, or none if the first does not: it is the main one."""

    def edit(files: Files, rng: random.Random) -> dict[str, str]:
        edited: dict[str, str] = {}
        for number, item in enumerate(rules):
            paths = find_prompts(files, item.purpose)
            if not paths:
                if number == 0:
                    return {}
                continue
            path = rng.choice(paths[:2]) if rng.random() < ELSEWHERE_SHARE else paths[0]
            edited[path] = _with_rule(edited.get(path, files[path]), item, rng)
        return changed_only(files, edited)

    return edit


def _with_rule(text: str, item: PromptRule, rng: random.Random) -> str:
    wording, is_first = rng.choice(item.wordings), rng.random() < FIRST_SHARE
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
    """Removes the matching sentences from the prompt."""

    def edit(files: Files, rng: random.Random) -> dict[str, str]:  # noqa: ARG001  # an Edit is given a generator
        path = find_prompt(files, purpose)
        return changed_only(files, {path: rewrite(files[path], pattern, "")}) if path else {}

    return edit


_NAMES = {
    "challenger": re.compile(
        r"challeng|writer|author|generat|question|create|propos|instruct", re.IGNORECASE
    ),
    "rubric": re.compile(r"rubric|criteri|grading", re.IGNORECASE),
    "verifier": re.compile(r"verif|quality|check|review|screen|critic", re.IGNORECASE),
    "feedback": re.compile(r"feedback|refine|retry|again|fail|revis", re.IGNORECASE),
    "form": re.compile(r"output|format|reply|schema", re.IGNORECASE),
}

_WORDS = {
    "challenger": "question context paper write answer example",
    "rubric": "rubric criteria criterion weight negative positive",
    "verifier": "pass fail check verify feedback leak",
    "feedback": "failed earlier again different angle easy",
    "form": "json object reply output keys",
}

_KIN = {"rubric": "challenger", "form": "challenger"}
"""The prompt for rules that have no prompt of their own."""

_BULLET = re.compile(r"^(\s*)([-*+]|\d+[.)])\s+")
_TURNING = re.compile(r"\b(not|never|no|avoid|without|ban\w*|consists? of)\b", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}\s")
_PLACEHOLDER = re.compile(r"^\s*(</?\w+>|\{\w*\}|\$\w+)\s*$")


@dataclass(slots=True)
class TextItem:
    """Consecutive lines that belong together; `kind` is bullet, prose, heading, fence or blank."""

    kind: str
    lines: list[str]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.lines).split())


def find_prompts(files: Files, purpose: str) -> list[str]:
    """Prompts that may serve the purpose, most likely first; empty when there is none."""
    scored = [(_fitness(path, files[path], purpose), path) for path in prompt_files(files)]
    likely = sorted((pair for pair in scored if pair[0] >= 2), key=lambda pair: (-pair[0], pair[1]))
    return [path for _, path in likely]


def find_prompt(files: Files, purpose: str) -> str:
    return next(iter(find_prompts(files, purpose)), "")


def _fitness(path: str, text: str, purpose: str) -> float:
    """Its name counts most, its words a little; a name that fits another purpose counts against it."""
    name = path.rsplit("/", 1)[-1]
    words = len(content_words(text) & content_words(_WORDS[purpose]))
    if _NAMES[purpose].search(name):
        return 10.0 + words
    if purpose in _KIN and _NAMES[_KIN[purpose]].search(name):
        return 3.0 + words
    return words - 8.0 * any(pattern.search(name) for pattern in _NAMES.values())


def items_of(text: str) -> list[TextItem]:
    items: list[TextItem] = []
    in_fence = False
    for line in text.split("\n"):
        is_fence = line.lstrip().startswith(("```", "~~~"))
        if in_fence or is_fence:
            if not in_fence:
                items.append(TextItem("fence", []))
            items[-1].lines.append(line)
            in_fence = in_fence != is_fence
        elif not line.strip():
            items.append(TextItem("blank", [line]))
        elif _HEADING.match(line):
            items.append(TextItem("heading", [line]))
        elif _BULLET.match(line):
            items.append(TextItem("bullet", [line]))
        elif _PLACEHOLDER.match(line) or line.lstrip().startswith(("{", "[", '"', "}", "]")):
            items.append(TextItem("fixed", [line]))
        elif items and items[-1].kind in ("bullet", "prose"):
            items[-1].lines.append(line)
        else:
            items.append(TextItem("prose", [line]))
    return items


def join(items: list[TextItem]) -> str:
    return "\n".join(line for item in items for line in item.lines)


def says(text: str, rule: str) -> bool:
    """Does the text already contain the rule verbatim?"""
    return " ".join(rule.split()) in " ".join(text.split())


def insert_rule(text: str, rule: str, about: str) -> str:
    """Insert the rule as a bullet in the list of rules it resembles most, or as a separate paragraph."""
    items = items_of(text)
    near = content_words(about) | content_words(rule)
    bullets = [index for index in _indices(items, "bullet") if _is_rule_list(items, index)]
    if bullets:
        at = _end_of_list(items, max(bullets, key=lambda index: (_nearness(items, index, near), index)))
        items.insert(at, TextItem("bullet", _wrapped(rule, _marker_after(items[at - 1]))))
        return join(items)
    prose = [index for index in _indices(items, "prose") if not items[index].text.endswith(":")]
    at = prose[-1] + 1 if prose else len(items)
    items[at:at] = [TextItem("blank", [""]), TextItem("prose", _wrapped(rule, ""))]
    return join(items)


def insert_first(text: str, rule: str) -> str:
    """Insert the rule as a paragraph right after the title, or as the first line."""
    items = items_of(text)
    at = 1 if items and items[0].kind == "heading" else 0
    before = [TextItem("blank", [""])] if at else []
    after = [] if at and len(items) > 1 and items[1].kind == "blank" else [TextItem("blank", [""])]
    items[at:at] = [*before, TextItem("prose", _wrapped(rule, "")), *after]
    return join(items)


def rewrite(text: str, pattern: str, rule: str) -> str:
    """Replace the matching sentences with one copy of the rule; unchanged when nothing matches."""
    found = re.compile(pattern, re.IGNORECASE)
    items, is_said, kept = items_of(text), False, list[TextItem]()
    for item in items:
        if item.kind not in ("bullet", "prose") or not found.search(item.text):
            kept.append(item)
            continue
        marker = _BULLET.match(item.lines[0])
        prefix = marker.group() if marker else ""
        body = item.text.removeprefix(prefix.strip()).strip()
        sentences = [part for part in _sentences(body) if not found.search(part)]
        if rule and not is_said:
            sentences.append(rule)
            is_said = True
        if sentences:
            kept.append(TextItem(item.kind, _wrapped(" ".join(sentences), prefix)))
    return join(kept) if kept != items else text


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"(?<=[.!?;:])\s+(?=[A-Z0-9*“\"])", text) if part)


def _indices(items: list[TextItem], kind: str) -> list[int]:
    return [index for index, item in enumerate(items) if item.kind == kind]


def _nearness(items: list[TextItem], index: int, near: frozenset[str]) -> int:
    """Number of words shared with the bullet and its heading."""
    heading = next((items[at].text for at in range(index, -1, -1) if items[at].kind == "heading"), "")
    return 2 * len(content_words(items[index].text) & near) + len(content_words(heading) & near)


def _end_of_list(items: list[TextItem], index: int) -> int:
    """The index just after the last bullet of the list that contains this one."""
    at = index + 1
    while at < len(items) and items[at].kind == "bullet":
        at += 1
    return at


def _is_rule_list(items: list[TextItem], index: int) -> bool:
    """Are the bullets rules, without a lead-in that would reverse a rule or make it a definition?"""
    start = index
    while start > 0 and items[start - 1].kind == "bullet":
        start -= 1
    before = next((item.text for item in reversed(items[:start]) if item.kind != "blank"), "")
    bodies = [_BULLET.sub("", item.lines[0]) for item in items[start : _end_of_list(items, index)]]
    names_fields = sum(body.startswith(("`", "**")) for body in bodies) * 2 > len(bodies)
    return not names_fields and not (before.endswith(":") and _TURNING.search(before))


def _marker_after(item: TextItem) -> str:
    """The next number in a numbered list, otherwise the same bullet character."""
    found = _BULLET.match(item.lines[0])
    marker = found.group() if found else "- "
    number = re.match(r"(\s*)(\d+)([.)]\s+)", marker)
    return f"{number[1]}{int(number[2]) + 1}{number[3]}" if number else marker


def _wrapped(text: str, prefix: str, width: int = 100) -> list[str]:
    words, lines, line = text.split(), list[str](), prefix
    for word in words:
        if len(line) + len(word) + 1 > width and line.strip():
            lines.append(line.rstrip())
            line = " " * len(prefix)
        line += word + " "
    return [*lines, line.rstrip()]
