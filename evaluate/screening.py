"""Points at text in an example that seems to address a solver, a judge or a verifier instead of the subject.

A hint for the final verifier and for people, and no defense: nothing may rest on it. It matches the words and
undoes the disguises that it was made for, and misses most others (tests/attacks/score counts: 35 of 38 other
languages, encodings and paraphrases). So no finding says nothing about an example, and the final verifier is
told so. A finding never rejects an example by itself either, because a paper about language models
legitimately contains such text. Deterministic and pure.

The words are in `screening_words.toml`. `re` tries the alternatives of an expression one by one at every
position, so forty alternatives with the same prefix cost forty times as much as one; the expressions built
here factor out common prefixes. They match what the lines joined by `|` would match, but where two
alternatives match at the same position, either may be reported.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from studbook.evaluate.decoding import decoded
from studbook.evaluate.text import defuse, lookalikes, plain, skeleton, strip_hidden, visible_line
from studbook.tables import damaged, read_toml

PACKAGE = "studbook.evaluate"
DATA_FILES = ("screening_words.toml",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningWords:
    """`rules`: a kind of finding and the groups that must all match in one sentence. `groups`: lines of
    alternatives, by name. `hints`: no rule matches ASCII text that contains none of them.
    """

    rules: tuple[tuple[str, tuple[str, ...]], ...]
    hints: tuple[str, ...]
    groups: Mapping[str, str]


@cache
def screening_words() -> ScreeningWords:
    """The bundled table; raises IntegrityError when it is damaged."""
    return _checked(read_toml(PACKAGE, DATA_FILES[0]))


def _checked(table: dict[str, Any]) -> ScreeningWords:
    if set(table) != {"rules", "hints", "groups"}:
        raise damaged(PACKAGE, DATA_FILES[0], f"holds {', '.join(table)} instead of rules, hints, groups")
    groups: dict[str, str] = table["groups"]
    for name, lines in groups.items():
        if not isinstance(lines, str) or not lines.strip():
            raise damaged(PACKAGE, DATA_FILES[0], f"the group {name} is no text with lines")
    for rule in table["rules"]:
        unknown = [group for group in rule[1:] if group not in groups]
        if len(rule) < 2 or unknown:
            raise damaged(PACKAGE, DATA_FILES[0], f"the rule {rule} names no group, or an unknown one")
    return ScreeningWords(
        rules=tuple((rule[0], tuple(rule[1:])) for rule in table["rules"]),
        hints=tuple(table["hints"]),
        groups=MappingProxyType(groups),
    )


@cache
def pattern(group: str) -> re.Pattern[str]:
    """Compiled on first use, because commands that only read a run do not need it."""
    return re.compile(joined(screening_words().groups[group]))


def joined(lines: str) -> str:
    """The alternatives of all lines as one expression; the prefix is the text before the first group."""
    together: dict[str, list[str]] = {}
    for line in lines.strip().splitlines():
        for part in _parts(line):
            head, found, rest = part.partition("(")
            together.setdefault(head if found else part, []).append(found + rest)
    return "|".join(_alternative(head, rests) for head, rests in together.items())


def _alternative(head: str, rests: list[str]) -> str:
    return head + (rests[0] if len(rests) == 1 else f"(?:{'|'.join(rests)})")


def _parts(line: str) -> Iterator[str]:
    """Split at each `|` outside groups and character classes."""
    depth, in_class, start, place = 0, False, 0, 0
    while place < len(line):
        sign = line[place]
        if sign == "\\":
            place += 1
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "|" and not depth:
            yield line[start:place]
            start = place + 1
        place += 1
    yield line[start:]


MAX_FINDINGS = 20
MAX_QUOTE = 100
MAX_SCREENED = 60_000  # larger than any valid example
LONGEST = {"question": 3_000, "criterion": 800, "category": 120, "tag": 120}
LONGEST_OTHER = 16_000
_CHUNK = 400
_HARMLESS = "\u00ad\ufeff\u200c\u200d\ufe0e\ufe0f\x0b\x0c\x1c\x1d\x1e\x1f\x85"
MOST_HARMLESS = 24
"""Papers contain a few soft hyphens, joiners and page breaks; more than this many are suspicious."""

_SYMBOLS = frozenset("αβγεηικμντυχωρςϲı")  # Greek letters and ı occur beside Latin ones in ordinary text

_ENDS = re.compile(r"(?<=[.!?])\s|[。！？]|\n[ \t]*+\n++")
_WORD = re.compile(r"[^\W\d_]{4,60}+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One attempt: its kind, its field (`question`, `rubric.2.criterion`), and a short quote."""

    kind: str
    field: str
    quote: str


def screen(fields: Iterable[tuple[str, str]]) -> tuple[Finding, ...]:
    """At most MAX_FINDINGS, one per kind and field. `fields` are names and texts, as they were sent."""
    return _screen(tuple(fields))


@lru_cache(maxsize=32)
def _screen(fields: tuple[tuple[str, str], ...]) -> tuple[Finding, ...]:
    """Cached: an example is submitted twice, for weak and for strong rollouts."""
    found: dict[tuple[str, str], Finding] = {}
    for name, text in fields:
        for kind, said in _look(name, text):
            found.setdefault((kind, name), Finding(kind=kind, field=name, quote=quote(said)))
            if len(found) == MAX_FINDINGS:
                return tuple(found.values())
    return tuple(found.values())


def _look(name: str, text: str) -> Iterator[tuple[str, str]]:
    if len(text) > LONGEST.get(name.rsplit(".", 1)[-1], LONGEST_OTHER):
        yield "too_long", f"{len(text)} characters: {text[:60]}"
    text = text[:MAX_SCREENED]
    visible, hidden = strip_hidden(text)
    if hidden and _hides(text, hidden):
        yield "hidden_characters", f"{hidden} hidden characters"
    if defuse(visible).count:
        yield "role_mark", visible[: MAX_QUOTE * 2]
    odd = _mixed_word(visible)
    if odd:
        yield "look_alikes", odd
    plainly = dict(_orders(visible))
    yield from plainly.items()
    for encoding, said in decoded(text):
        if said.isascii() and not _hints(said):
            continue
        for kind, order in _orders(strip_hidden(said)[0]):
            if kind not in plainly:
                yield "encoded", f"{encoding}, {kind}: {order}"


def _hides(text: str, hidden: int) -> bool:
    harmless = sum(map(text.count, _HARMLESS))
    return hidden > harmless or harmless > MOST_HARMLESS


def _mixed_word(text: str) -> str | None:
    """A word that mixes Latin letters with look-alikes from other scripts."""
    if text.isascii():
        return None
    table = lookalikes()
    for match in _WORD.finditer(text):
        word = match.group()
        strange = sum(ord(letter) in table and letter not in _SYMBOLS for letter in word.casefold())
        latin = sum(letter.isascii() for letter in word)
        if strange and latin >= 2 and strange + latin == len(word) and skeleton(word).isascii():
            return word
    return None


def _hints(text: str) -> bool:
    read = plain(text)
    return any(hint in read for hint in screening_words().hints)


def _orders(text: str) -> Iterator[tuple[str, str]]:
    """(kind, sentence) for every rule that a sentence matches, as written or with look-alikes resolved."""
    read = plain(text)
    views = {read, skeleton(text)}
    for view in sorted(views):
        for sentence in _sentences(view):
            for kind in _kinds(sentence):
                yield kind, sentence


@lru_cache(maxsize=4096)
def _kinds(sentence: str) -> tuple[str, ...]:
    """The kinds of the rules that match. Cached: most sentences of a context recur from round to round."""
    known: dict[str, bool] = {}
    rules = screening_words().rules
    return tuple(kind for kind, groups in rules if all(_has(sentence, group, known) for group in groups))


def _has(sentence: str, group: str, known: dict[str, bool]) -> bool:
    if group not in known:
        known[group] = pattern(group).search(sentence) is not None
    return known[group]


def _sentences(text: str) -> Iterator[str]:
    """Sentences in order; long ones are cut into overlapping pieces, which bounds each search."""
    for part in _ENDS.split(text):
        for start in range(0, max(1, len(part)), _CHUNK // 2):
            piece = part[start : start + _CHUNK]
            if len(piece) > 3:
                yield piece
            if start + _CHUNK >= len(part):
                break


def quote(text: str) -> str:
    """A quote that is safe to display and to put into a prompt: one visible line, tags defused."""
    return defuse(visible_line(text[: MAX_QUOTE * 4])).text[:MAX_QUOTE]
