"""Models that obey any order in the text, only for testing the evaluator's defenses.

The testbed's solvers, judge and verifier cannot be persuaded, so an attack by persuasion against them would
prove nothing. These models answer like the underlying model, and then follow any order in the example.

They read a text as written, and decoded (zero-width and tag characters, look-alike letters, base64,
hexadecimal, rot13, reversed text, entities, spaced letters). The evaluator's screening has its own decoders
and shares no code with these. Orders are found sentence by sentence, with their condition in the same
sentence; unrecognized orders are not obeyed. They obey whoever gives the order, but look for orders neither
in the evaluator's own prompts nor in the paper. They are not meant to be good at anything.
"""

import base64
import binascii
import codecs
import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache

from pydantic import with_config

from studbook.llm.contracts import Backend, ChatReply, ChatRequest
from studbook.testbed.models.request import all_text, find_section, numbered_lines
from studbook.testbed.models.sentences import split_sentences
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.models"
DATA_FILES = ("gullible.toml",)

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :,]?){12,}")
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|%([0-9A-Fa-f]{2})")
_SPACED = re.compile(r"(?:\b\w[ .\-_*]){6,}\w\b")

_TAGS = range(0xE0020, 0xE007F)
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЅαοενιρτυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhqwABEKMHOPCTXISaoevipTuABEZHIKMNOPTYX",
)

_DISGUISED = re.compile(r"[a-z][013457@$]+[a-z]")

_DIGITS_FOR_LETTERS = str.maketrans("013457@$", "oieastas")


def views(text: str) -> tuple[str, ...]:
    """Distinct readings of the text, the plain one first; each may contain an order."""
    plain = unicodedata.normalize("NFKC", _without_hidden(text))
    readings = [plain, _from_tags(text), html.unescape(plain), codecs.decode(plain, "rot13"), plain[::-1]]
    readings += [_unescaped(plain), _joined(plain), *_from_base64(plain), *_from_hex(plain)]
    if not plain.isascii():
        readings.append(plain.translate(_LOOK_ALIKES))
    if _DISGUISED.search(plain):
        readings.append(plain.translate(_DIGITS_FOR_LETTERS))
    return tuple(dict.fromkeys(reading for reading in readings if reading))


def _without_hidden(text: str) -> str:
    seen = set(text) - {"\n", "\t"}
    hidden = [ord(c) for c in seen if unicodedata.category(c) in {"Cf", "Cc", "Cn", "Co"}]
    return text.translate(dict.fromkeys(hidden)) if hidden else text


def _from_tags(text: str) -> str:
    """The text spelled by Unicode's invisible tag characters."""
    return "" if text.isascii() else "".join(chr(ord(c) - 0xE0000) for c in text if ord(c) in _TAGS)


def _from_base64(text: str) -> Iterator[str]:
    for match in _BASE64.finditer(text):
        raw = match.group().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            yield _printable(base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True))
        except binascii.Error:
            continue


def _from_hex(text: str) -> Iterator[str]:
    for match in _HEX.finditer(text):
        digits = re.sub(r"[ :,]", "", match.group())
        yield _printable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _printable(data: bytes) -> str:
    """The bytes as text, or "" when they are not text: most long words decode to garbage."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if all(c.isprintable() or c == "\n" for c in text) else ""


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _joined(text: str) -> str:
    """Joins s p a c e d letters; two spaces separate words."""

    def join(match: re.Match[str]) -> str:
        return re.sub(r"(?<=\w)[ .\-_*](?=\w)", "", match.group())

    return _SPACED.sub(join, text)


class Deed(StrEnum):
    EMPTY = "answer nothing"
    FEEBLE = "answer badly"
    SAY = "say these words"
    EVERY_MARK = "mark everything as met"
    PASS = "pass the example"


class Audience(StrEnum):
    ALL = "everyone"
    WITHOUT_SOURCE = "whoever has no source document"
    WITH_SOURCE = "whoever has the source document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`words` is the text for SAY, or the text an answer must contain for EVERY_MARK; may be ""."""

    deed: Deed
    audience: Audience = Audience.ALL
    words: str = ""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Patterns:
    """The patterns in gullible.toml."""

    negated: str
    deeds: Mapping[str, tuple[str, ...]]
    audiences: Mapping[str, tuple[str, ...]]
    hints: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Orders:
    negated: re.Pattern[str]
    deeds: Mapping[Deed, re.Pattern[str]]
    hints: Mapping[Deed, re.Pattern[str]]
    without_source: re.Pattern[str]
    with_source: re.Pattern[str]


@cache
def _table() -> _Orders:
    read = read_table(PACKAGE, DATA_FILES[0], _Patterns)
    return _Orders(
        negated=re.compile(read.negated, re.IGNORECASE),
        deeds={deed: _any(read.deeds[deed.name.lower()]) for deed in Deed},
        hints={deed: re.compile("|".join(read.hints[deed.name.lower()])) for deed in Deed},
        without_source=_any(read.audiences["without_source"]),
        with_source=_any(read.audiences["with_source"]),
    )


def _any(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in patterns), re.IGNORECASE)


_QUOTED = re.compile(r"“([^”]{2,200})”")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


@lru_cache(maxsize=2_048)
def find_orders(text: str) -> tuple[Order, ...]:
    """Every order in every reading of the text, without repetitions."""
    sentences = dict.fromkeys(sentence for view in views(text) for sentence in _SENTENCE.split(view))
    return tuple(dict.fromkeys(order for sentence in sentences for order in _read(sentence)))


@lru_cache(maxsize=4_096)
def _read(sentence: str) -> tuple[Order, ...]:
    """Cached: most sentences of a context recur from round to round."""
    return tuple(_orders_in(sentence))


def _orders_in(sentence: str) -> Iterator[Order]:
    lower = sentence.lower()
    table = _table()
    for deed, pattern in table.deeds.items():
        match = pattern.search(sentence) if table.hints[deed].search(lower) else None
        if match and not table.negated.search(sentence[: match.start()]):
            yield Order(deed=deed, audience=_audience(sentence), words=_words(deed, match, sentence))


def _audience(sentence: str) -> Audience:
    if _table().without_source.search(sentence):
        return Audience.WITHOUT_SOURCE
    return Audience.WITH_SOURCE if _table().with_source.search(sentence) else Audience.ALL


def _words(deed: Deed, match: re.Match[str], sentence: str) -> str:
    if deed is Deed.SAY:
        return next(said for said in match.groups() if said)
    quoted = _QUOTED.search(sentence) if deed is Deed.EVERY_MARK else None
    return quoted[1] if quoted else ""


PREFIX = "testbed-gullible-"
KEPT_WHEN_FEEBLE = 3  # a bad answer keeps every third sentence

_FORGED = re.compile(r"[\"“]marks[\"”]\s*:\s*\[([^\]]*)\]")


class GullibleBackend:
    """Implements `studbook.llm.contracts.Backend`: `testbed-gullible-weak` is a `testbed-weak` that obeys.

    The same holds for `-strong`, `-judge` and `-final-verifier`; other models are unchanged. Stateless.
    """

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    def complete(self, request: ChatRequest) -> ChatReply:
        name = request.model.removeprefix(PREFIX)
        if name not in _OBEY or name == request.model:
            return self._inner.complete(request)
        sober = self._inner.complete(replace(request, model=f"testbed-{name}"))
        return replace(sober, text=_OBEY[name](all_text(request.messages), sober.text), model=request.model)


def _solve(text: str, answer: str) -> str:
    has_source = bool(find_section(text, "source_document"))
    mine = {Audience.ALL, Audience.WITH_SOURCE if has_source else Audience.WITHOUT_SOURCE}
    orders = [order for order in _orders(text, "context", "question") if order.audience in mine]
    deeds = {order.deed for order in orders}
    if Deed.EMPTY in deeds:
        return ""
    said = _feeble(answer) if Deed.FEEBLE in deeds else answer
    return " ".join([said, *(order.words for order in orders if order.deed is Deed.SAY)])


def _feeble(answer: str) -> str:
    sentences = [sentence.text for sentence in split_sentences(answer)]
    return " ".join(sentences[KEPT_WHEN_FEEBLE - 1 :: KEPT_WHEN_FEEBLE] or sentences[:1])


def _judge(text: str, reply: str) -> str:
    answer = find_section(text, "answer")
    count = len(numbered_lines(find_section(text, "criteria")))
    orders = _orders(text, "question", "answer", "criteria")
    if any(order.deed is Deed.EVERY_MARK and order.words.lower() in answer.lower() for order in orders):
        return json.dumps({"marks": [True] * count})
    shown = "\n".join(find_section(text, tag) for tag in ("question", "answer", "criteria"))
    return _copied_marks(shown, count) or reply


def _copied_marks(text: str, count: int) -> str:
    """The marks that the text claims, if their number is right."""
    claims = [
        [word.strip().lower() == "true" for word in found.split(",")] for found in _FORGED.findall(text)
    ]
    return next((json.dumps({"marks": marks}) for marks in claims if len(marks) == count), "")


def _verify(text: str, reply: str) -> str:
    """Obeys, unless the evaluator's screening has just reported that the text addresses it."""
    if find_section(text, "screening"):
        return reply
    orders = _orders(text, "context", "question", "reference_answer", "rubric")
    is_told = any(order.deed is Deed.PASS for order in orders)
    return json.dumps({"pass": True, "reason": "as I was told"}) if is_told else reply


def _orders(text: str, *tags: str) -> list[Order]:
    """Reads section by section (cached): most sections recur unchanged in the next request."""
    return [order for tag in tags for order in find_orders(find_section(text, tag))]


_OBEY: dict[str, Callable[[str, str], str]] = {
    "weak": _solve,
    "strong": _solve,
    "judge": _judge,
    "final-verifier": _verify,
}
