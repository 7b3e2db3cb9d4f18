"""Removes visible reasoning ("thoughts") from a reply, however a model marks it.

This happens before anyone reads the reply: a judge must not see what a solver considered, and an edit that an
implementer rejects while reasoning must not be made. What merely mentions a marker (in code, in quotes, in a
sentence) is part of the answer and stays. The time is linear in the reply's length.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad|seed:think|antml:thinking"
_MARKERS = {  # opening: closing; the closing one alone ends a thought that the chat template opened
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|think|>": "<|/think|>",
    "<|thinking|>": "<|/thinking|>",
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<unused94>": "<unused95>",
}
_OTHER_CLOSINGS = {"<|end_think|>": "<|think|>"}
_OPENING_OF = {closing: opening for opening, closing in _MARKERS.items()} | _OTHER_CLOSINGS
_DETAILS = "</details>"


def _any_of(markers: dict[str, str]) -> str:
    return "|".join(map(re.escape, sorted(markers, key=len, reverse=True)))


_TOKEN = re.compile(
    rf"(?P<fence>^[ ]{{0,3}}(?:`{{3,}}|~{{3,}}))"
    rf"|(?P<opening><(?P<name>{_NAMES})(?:\s[^<>]{{0,200}})?(?<!/)>"
    rf"|<details\s[^<>]{{0,100}}?\btype\s?=\s?[\"']?reasoning\b[^<>]{{0,200}}>|{_any_of(_MARKERS)})"
    rf"|(?P<closing></(?P<closed>{_NAMES})\s{{0,20}}>|{_DETAILS}|{_any_of(_OPENING_OF)})",
    re.IGNORECASE | re.MULTILINE,
)
_HINTS = re.compile(r"[<\[◁]|(?:```|~~~)[ \t]*(?:think|thought|reasoning)|assistantfinal")
_LINE_ENDS = re.compile(r"[ \t\r]*(?:\n|\Z)")
_TEXT_ENDS = re.compile(r"\s*\Z")
_GLUED = re.compile(r"[^\W_]|[{\[<#*$\\]")
"""What an answer begins with, if it follows a closing tag without a space."""
_SENTENCE_END = ".!?:…。！？}]>"
_THOUGHT_FENCE = re.compile(r"(?:think|thinking|thoughts?|reasoning)\b[^\n`]{0,20}$", re.IGNORECASE)
_WRAPPERS = re.compile(r"\A\s*<\|START_(?:RESPONSE|TEXT)\|>|<\|END_(?:RESPONSE|TEXT)\|>\s*\Z", re.IGNORECASE)
"""Cohere's marks around the answer."""


@dataclass(frozen=True, slots=True)
class _Token:
    """A marker or a fence. `kind`: the opening marker that it is or that it closes, or the fence's marks.

    `is_inline`: other text stands before it on its line. `is_quoted`: within quotation marks or code on its
    line. `info`: what follows a fence.
    """

    role: str
    kind: str
    start: int
    end: int
    is_inline: bool
    is_quoted: bool
    info: str = ""


def split_thoughts(reply: str) -> tuple[str, str]:
    """Returns the answer, and the reasoning that the model wrote before it or between its parts.

    An unclosed thought runs to the end. If the chat template opened it, the reply contains only its closing
    tag: it counts where it begins or ends a line, or where the answer follows it without a space. Tags in
    JSON, in code, in quotes or within a sentence belong to the answer.
    """
    if _HINTS.search(reply) is None:
        return reply, ""
    channels = _split_channels(reply)
    if channels is not None:
        return channels
    if _is_json(reply):
        return reply, ""
    reader = _Reader(reply)
    reader.read()
    answer = _WRAPPERS.sub("", "".join(reader.kept))
    if not reader.has_found and len(answer) == len(reply):
        return reply, ""
    return answer.strip(), "\n".join(thought.strip() for thought in reader.thoughts)


class _Reader:
    """One pass over a reply's markers. `kept` and `thoughts` are the pieces of the answer and the rest."""

    def __init__(self, text: str) -> None:
        self.kept: list[str] = []
        self.thoughts: list[str] = []
        self.has_found = False
        self._text = text
        self._tokens = list(_tokens(text))
        self._closings: dict[str, list[int]] = {}
        for place, token in enumerate(self._tokens):
            if token.role == "closing" and not _is_mention(text, token):
                self._closings.setdefault(token.kind, []).append(place)
        self._begin = 0
        """Of the text after what was removed last."""
        self._fence: str = ""
        self._inner = 0
        self._fence_thought: int | None = None
        """Where the body of a fenced thought begins."""

    def read(self) -> None:
        place = 0
        while place < len(self._tokens):
            token = self._tokens[place]
            place += 1
            if token.start < self._begin:
                continue
            if token.role == "fence":
                self._pass_fence(token)
            elif self._fence:
                continue
            elif token.role == "opening":
                if self._opens(token):
                    place = self._remove_thought(token, place)
            elif self._closes(token):
                self._remove_before(token)
        if self._fence_thought is not None:
            self._remove(self._fence_thought, len(self._text), len(self._text))
        self.kept.append(self._text[self._begin :])

    def _pass_fence(self, token: _Token) -> None:
        if not self._fence:
            self._fence, self._inner = token.kind, 0
            if _THOUGHT_FENCE.match(token.info):
                self.kept.append(self._text[self._begin : token.start])
                self._begin, self._fence_thought = token.end, token.end + len(token.info)
        elif token.kind[0] != self._fence[0] or len(token.kind) < len(self._fence):
            return
        elif token.info or self._inner:
            self._inner += 1 if token.info else -1
        else:
            self._fence = ""
            if self._fence_thought is not None:
                self._remove(self._fence_thought, token.start, token.end)
                self._fence_thought = None

    def _opens(self, token: _Token) -> bool:
        """At the start of a line or after a removed thought; within a line only after a sentence."""
        if not token.is_inline:
            return True
        gap = self._text[max(self._begin, token.start - 2) : token.start].rstrip()
        if not gap:
            return self._begin > 0 and self._begin >= token.start - 2
        return not token.is_quoted and gap[-1] in _SENTENCE_END

    def _closes(self, token: _Token) -> bool:
        """Whether a closing marker without an opening one ends a thought, or is only mentioned."""
        if token.kind == _DETAILS or _is_mention(self._text, token):
            return False
        after = self._text[token.end : token.end + 1]
        if not token.is_inline or _LINE_ENDS.match(self._text, token.end):
            return after not in {"`", '"', "'"}
        before = self._text[token.start - 1]
        is_glued = not before.isspace() and before not in "([{'" and _GLUED.match(after) is not None
        return is_glued and not token.is_quoted

    def _remove_thought(self, opening: _Token, place: int) -> int:
        """Returns the place after the thought's end."""
        closed = self._closing_of(opening, place)
        self.kept.append(self._text[self._begin : opening.start])
        if closed is None:
            self._remove(opening.end, len(self._text), len(self._text))
            return len(self._tokens)
        self._remove(opening.end, self._tokens[closed].start, self._tokens[closed].end)
        return closed + 1

    def _closing_of(self, opening: _Token, place: int) -> int | None:
        """The next closing marker of its kind; if none comes, the first that closes nothing else."""
        own = self._closings.get(opening.kind, [])
        found = bisect_left(own, place)
        if found < len(own):
            return own[found]
        opened = set[str]()
        for other in range(place, len(self._tokens)):
            token = self._tokens[other]
            if token.role == "opening":
                opened.add(token.kind)
            elif (
                token.role == "closing"
                and token.kind not in opened | {_DETAILS}
                and not _is_mention(self._text, token)
            ):
                return other
        return None

    def _remove_before(self, closing: _Token) -> None:
        """Everything kept so far was a thought, unless the marker is the last thing after an answer."""
        self.kept.append(self._text[self._begin : closing.start])
        if not self.thoughts or _TEXT_ENDS.match(self._text, closing.end) is None:
            self.thoughts.append("".join(self.kept))
            self.kept.clear()
        self._begin, self.has_found = closing.end, True

    def _remove(self, start: int, end: int, begin: int) -> None:
        self.thoughts.append(self._text[start:end])
        self._begin, self.has_found = begin, True


def _tokens(text: str) -> Iterator[_Token]:
    """Counts the quotation marks of each line as it goes, so that no line is read twice."""
    mark, quotes, ticks, has_ink = 0, 0, 0, False
    for found in _TOKEN.finditer(text):
        between = text[mark : found.start()]
        line = between.rfind("\n")
        if line >= 0:
            quotes, ticks, has_ink = 0, 0, False
        rest = between[line + 1 :]
        quotes += rest.count('"')
        ticks += rest.count("`")
        has_ink = has_ink or bool(rest.strip())
        role, kind, info = str(found.lastgroup), found[0].lower(), ""
        if found["fence"] is not None:
            role, kind = "fence", found[0].strip()
            info = _info_of(text, found.end())
        elif found["opening"] is not None:
            role = "opening"
            if found["name"]:
                kind = found["name"].lower()
            elif kind.startswith("<details"):
                kind = _DETAILS
        else:
            role = "closing"
            kind = found["closed"].lower() if found["closed"] else _OPENING_OF.get(kind, kind)
        mark = found.end()
        if role == "fence" and info.endswith("```"):  # ```code``` within a line
            ticks += len(kind)
            has_ink = True
            continue
        is_quoted = quotes % 2 == 1 or ticks % 2 == 1
        yield _Token(role, kind, found.start(), found.end(), has_ink, is_quoted, info)
        has_ink = True


def _info_of(text: str, begin: int) -> str:
    """What stands after a fence on its line, up to the first marker."""
    end = text.find("\n", begin)
    line = text[begin : begin + 200 if end < 0 else min(end, begin + 200)]
    marker = _TOKEN.search(line)
    return (line if marker is None else line[: marker.start()]).strip()


def _is_mention(text: str, token: _Token) -> bool:
    """Whether a closing marker is quoted: it stands directly between two equal quotation marks."""
    before, after = text[token.start - 1 : token.start], text[token.end : token.end + 1]
    return before == after and ((before in {'"', "`"} and token.is_quoted) or before == "'")


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_HEAD = r"(?P<name>\w+)[^<\n]{0,200}(?:<\|constrain\|>[^<\n]{0,200})?<\|message\|>"
_CHANNEL = re.compile(
    rf"(?:<\|start\|>assistant)?\s{{0,9}}<\|channel\|>\s{{0,9}}{_HEAD}(?P<text>.*?)"
    r"(?=<\|end\|>|<\|return\|>|<\|call\|>|<\|start\|>|<\|channel\|>|\Z)(?:<\|end\|>|<\|return\|>)?",
    re.DOTALL,
)
_BEGINS_IN_CHANNEL = re.compile(rf"\s*(?:<\|start\|>assistant\s*)?<\|channel\|>\s*{_HEAD}")
_BEGINS_AFTER_MARK = re.compile(rf"\s*{_HEAD}")
_WITHOUT_MARKS = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[^\W\d_]|\n)")
_FINAL_WITHOUT_MARKS = "assistantfinal"
"""What is left of the marks where a server drops special tokens: `analysisWe need…assistantfinalIt is…`."""


def _split_channels(reply: str) -> tuple[str, str] | None:
    """The harmony format, if the server does not parse it: every channel but `final` is reasoning.

    None if the reply is not written in it, even if it mentions it.
    """
    if "<|message|>" not in reply:
        begun = _WITHOUT_MARKS.match(reply)
        if begun is None or _FINAL_WITHOUT_MARKS not in reply:
            return None
        thoughts, _, answer = reply[begun.end() :].rpartition(_FINAL_WITHOUT_MARKS)
        return answer.strip(), thoughts.strip()
    if _BEGINS_AFTER_MARK.match(reply):  # the server dropped the first mark
        reply = "<|channel|>" + reply.lstrip()
    elif _BEGINS_IN_CHANNEL.match(reply) is None:
        return None
    parts = [(found["name"].lower(), found["text"]) for found in _CHANNEL.finditer(reply)]
    answer = "".join(text for name, text in parts if name == "final")
    return answer.strip(), "\n".join(text.strip() for name, text in parts if name != "final")
