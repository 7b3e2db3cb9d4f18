"""The testbed as unkind as a small model: it thinks aloud, cuts answers, misformats, forgets to edit.

`testbed-unkind-judge` answers like `testbed-judge`, and then one of the things in `Vice` may happen to the
reply, at the rates of the preset `unkind` in unkind.toml. Other presets have the rates that were measured on
real models, or treat random seeds as some servers do. What happens is drawn from the whole request, so the
same request gets the same reply; only a preset that ignores seeds answers differently each time.

It spoils form, attention and diligence, never the evaluator's procedure: whatever a run makes of it must be
right, or a pause. Its numbers say even less about language models than those of the testbed.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from fractions import Fraction
from functools import cache
from itertools import count
from typing import Any

from pydantic import with_config

from studbook.code_identity import code_hash
from studbook.identity import derive_seed, hash_json
from studbook.llm.contracts import Backend, ChatReply, ChatRequest, count_tokens
from studbook.llm.json_reader import find_objects
from studbook.testbed.models.backend import MODELS, PREFIX, program_hash
from studbook.testbed.models.request import SeededDraws
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.models"
DATA_FILES = ("unkind.toml",)
GULLIBLE = "gullible-"


class Vice(StrEnum):
    """What can happen to a reply. The first three may come together with another."""

    THINK = "think"  # thinks aloud before the answer
    CUT = "cut"  # ends in the middle, with finish_reason "length"
    UNTIDY = "untidy"  # JSON that a lenient reader reads as it was meant
    GARBLE = "garble"  # JSON that nobody can read, or a text without its form
    COPY = "copy"  # returns the form that its prompt shows
    GUESS = "guess"  # marks without looking
    IDLE = "idle"  # talks about actions and takes none
    FORGET = "forget"  # says it is done instead of editing
    MISS = "miss"  # an edit of a text that is not in the file


class Seeds(StrEnum):
    """How a preset treats the random seed of a request."""

    HONORED = "honored"
    IGNORED = "ignored"  # every request is a new sample
    SAME = "same"  # every sample of one prompt is the same


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Shares such as "3/10" by model, `all` for those not named."""

    like: str = ""
    seeds: Seeds = Seeds.HONORED
    think: Mapping[str, str] = field(default_factory=dict)
    cut: Mapping[str, str] = field(default_factory=dict)
    untidy: Mapping[str, str] = field(default_factory=dict)
    garble: Mapping[str, str] = field(default_factory=dict)
    copy: Mapping[str, str] = field(default_factory=dict)
    guess: Mapping[str, str] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)
    forget: Mapping[str, str] = field(default_factory=dict)
    miss: Mapping[str, str] = field(default_factory=dict)

    def share(self, vice: Vice, model: str) -> float:
        shares: Mapping[str, str] = getattr(self, vice)
        return float(Fraction(shares.get(model, shares.get("all", "0"))))


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    met_share: str
    thoughts: tuple[str, ...]
    talk: tuple[str, ...]
    presets: Mapping[str, Preset]


@cache
def _table() -> _Table:
    return read_table(PACKAGE, DATA_FILES[0], _Table)


@cache
def presets() -> Mapping[str, Preset]:
    """By name; `testbed-NAME` is what a spec calls the model."""
    found = _table().presets
    return {name: _over(found[each.like], each) if each.like else each for name, each in found.items()}


def _over(base: Preset, more: Preset) -> Preset:
    given = {each.name: getattr(more, each.name) for each in fields(more)}
    return replace(base, **{name: value for name, value in given.items() if value != getattr(Preset(), name)})


def unkind_models() -> tuple[str, ...]:
    return tuple(f"{PREFIX}{name}-{model.removeprefix(PREFIX)}" for name in presets() for model in MODELS)


def split_model(model: str) -> tuple[str, str]:
    """The preset and the kind model of `testbed-unkind-judge`; ("", the model) for any other."""
    for name in sorted(presets(), key=len, reverse=True):
        if model.startswith(f"{PREFIX}{name}-"):
            return name, PREFIX + model.removeprefix(f"{PREFIX}{name}-")
    return "", model


def version_of(model: str) -> str:
    """The hash of everything that decides a reply; of a kind model it is its program's."""
    name, kind = split_model(model)
    if not name:
        return program_hash(model)
    return hash_json([program_hash(kind), code_hash([__name__]), name, asdict(presets()[name])])


class UnkindBackend:
    """Implements `studbook.llm.contracts.Backend`; models without a preset in their name are unchanged."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self._samples = count()

    def complete(self, request: ChatRequest) -> ChatReply:
        name, kind = split_model(request.model)
        if not name:
            return self._inner.complete(request)
        preset = presets()[name]
        asked = replace(request, model=kind, seed=self._seed(preset.seeds, request.seed))
        reply = self._inner.complete(asked)
        role = kind.removeprefix(PREFIX).removeprefix(GULLIBLE)
        return replace(_spoil(reply, asked, preset, role), model=request.model)

    def _seed(self, seeds: Seeds, seed: int) -> int:
        if seeds is Seeds.HONORED:
            return seed
        return 0 if seeds is Seeds.SAME else derive_seed("unseeded", next(self._samples))


def _spoil(reply: ChatReply, request: ChatRequest, preset: Preset, role: str) -> ChatReply:
    words = [[message.role, message.content] for message in request.messages]
    draws = SeededDraws(derive_seed("unkind", hash_json([request.model, words]), request.seed))
    text = reply.text
    for vice, change in _CHANGES.items():
        if draws.happens(preset.share(vice, role), vice):
            changed = change(_Said(text, request, draws))
            if changed != text:
                text = changed
                break
    else:
        if draws.happens(preset.share(Vice.UNTIDY, role), Vice.UNTIDY):
            text = untidy(text, draws)
    if draws.happens(preset.share(Vice.THINK, role), Vice.THINK):
        text = _think(text, request, draws)
    finish_reason = reply.finish_reason
    if len(text) > 1 and draws.happens(preset.share(Vice.CUT, role), Vice.CUT):
        text, finish_reason = text[: draws.between(1, len(text) - 1, "where it is cut")], "length"
    usage = replace(reply.usage, completion_tokens=count_tokens(text))
    return replace(reply, text=text, usage=usage, finish_reason=finish_reason)


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    request: ChatRequest
    draws: SeededDraws


def _think(text: str, request: ChatRequest, draws: SeededDraws) -> str:
    prompt = re.findall(r"[A-Za-z]{4,}", request.messages[-1].content)
    start = draws.between(0, max(0, len(prompt) - 40), "where it reads")
    thought = draws.pick(_table().thoughts, "its thought").replace("{words}", " ".join(prompt[start:][:40]))
    opening = "" if draws.happens(0.3, "the template opened the thought") else "<think>\n"
    return f"{opening}{thought}\n</think>\n\n{text}"


def untidy(text: str, draws: SeededDraws) -> str:
    """The same JSON object as a model would write it; a text without one is unchanged."""
    found = next(find_objects(text), None)
    if found is None:
        return text
    written = json.dumps(found, ensure_ascii=False, indent=2)
    written = {
        "fenced": written,
        "trailing comma": re.sub(r"\n\}$", ",\n}", written),
        "comment": written.replace("{\n", "{\n  // as asked\n", 1),
        "in Python's words": repr(found),
        "all in quotes": json.dumps(_quoted(found), ensure_ascii=False),
    }[draws.pick(_FORMS, "its form")]
    return f"Sure! Here is the JSON you asked for:\n\n```json\n{written}\n```\n\nLet me know if it helps."


_FORMS = ("fenced", "trailing comma", "comment", "in Python's words", "all in quotes")


def _quoted(value: Any) -> Any:
    """Numbers and truth values as texts."""
    if isinstance(value, dict):
        return {name: _quoted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_quoted(each) for each in value]
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _garble(said: _Said) -> str:
    """Without what gives it its form: brackets, members, headings."""
    if next(find_objects(said.text), None) is None:
        return re.sub(r"^[#*\-`].*\n?", "", said.text, flags=re.MULTILINE) or "I am not sure."
    if said.draws.happens(0.5, "it answers in prose"):
        return "Overall this is well done. The main points are there, and I would accept it."
    return re.sub(r"[}\]\"]", "", said.text)


_SHOWN = re.compile(r'\{"check".*?\}(?=\n\n|\Z)', re.DOTALL)
_PLACEHOLDER = re.compile(r"<([^<>]*)>")


def _copy(said: _Said) -> str:
    """The form that its prompt shows: as it stands, as JSON, or with every verdict favorable."""
    shown = _SHOWN.findall("\n\n".join(message.content for message in said.request.messages))
    if not shown:
        return said.text
    favorable = _PLACEHOLDER.sub(lambda found: _filled(found[1]), shown[-1])
    quoted = _PLACEHOLDER.sub(lambda found: json.dumps(found[1]), shown[-1])
    copied: str = said.draws.pick((shown[-1], quoted, favorable), "how it copies")
    return copied


def _filled(placeholder: str) -> str:
    return "true" if placeholder == "true or false" else json.dumps(placeholder)


def _guess(said: _Said) -> str:
    found = next(find_objects(said.text), None)
    if found is None:
        return said.text
    met_share, number = float(Fraction(_table().met_share)), count()

    def guessed(value: Any) -> Any:
        if isinstance(value, bool):
            return said.draws.happens(met_share, "a guess", next(number))
        if isinstance(value, dict):
            return {name: guessed(each) for name, each in value.items()}
        return [guessed(each) for each in value] if isinstance(value, list) else value

    return json.dumps(guessed(found))


_EDIT = re.compile(r"^(`{3,})(?:replace|write|delete)\b[^\n]*\n.*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
_FIND = re.compile(r"(?<=^<<<<<<< FIND\n)(.*?)(?=^=======$)", re.DOTALL | re.MULTILINE)


def _idle(said: _Said) -> str:
    return said.draws.pick(_table().talk, "what it says instead")


def _forget(said: _Said) -> str:
    """Done, although nothing was changed."""
    return "```done\nThe question is now more specific.\n```" if _EDIT.search(said.text) else said.text


def _miss(said: _Said) -> str:
    """Edits a text from memory, which the file does not hold; does not write files whole."""
    if not _EDIT.search(said.text):
        return said.text
    missed = _FIND.sub(lambda found: re.sub(r"\w+", "something", found[1]), said.text)
    return _EDIT.sub("", said.text) + "\n```list\n```" if missed == said.text else missed


_CHANGES: Mapping[Vice, Callable[[_Said], str]] = {
    Vice.GARBLE: _garble,
    Vice.COPY: _copy,
    Vice.GUESS: _guess,
    Vice.IDLE: _idle,
    Vice.FORGET: _forget,
    Vice.MISS: _miss,
}
"""At most one of these happens to a reply; the order is that of preference."""
