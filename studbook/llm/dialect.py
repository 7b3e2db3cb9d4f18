"""How to put a request to one model of one endpoint, learned from what the endpoint refused.

Endpoints take different fields under different names. Nobody has to say so in a spec: a refused field is
left out, renamed or replaced, the request is sent again, the user is told once, and it is remembered. What
was learned is a set of lessons; it only grows, so concurrent requests cannot undo each other's and no
exchange goes on for ever. Words that repeat the request, and words about a schema that a harness wrote, are
not believed (`echoes`). Where an endpoint's words say nothing, the least common field is left out on
trial, and remembered only if that helps.

With tools no response format is sent: some servers refuse the combination. Where `seed` is refused, the
sample index is sent as `user`, so that two samples remain two different requests for a cache on the way.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studbook.identity import hash_json
from studbook.llm.complaints import Complaint
from studbook.llm.contracts import ChatRequest, Message, Tool

SCHEMA, OBJECT, TOOLS, TOOL_CHOICE, SYSTEM = "json_schema", "json_object", "tools", "tool_choice", "system"
RENAMED, STREAM, NO_STREAM, STREAM_OPTIONS = "renamed limit", "streamed", "no stream", "stream_options"
SEED, FORMAT, TEMPERATURE, USER = "seed", "response_format", "temperature", "user"
ONE_SCHEMA, MOST_ANSWER = "schema ", "answer "
"""Prefixes of lessons with a value: the hash of a schema, a number of tokens."""
TAKES_SCHEMAS = "takes schemas"
"""A schema was accepted: from then on a refusal is about one schema only."""
MOST_SCHEMAS = 3
"""After so many refused schemas, and none accepted, none are sent."""

_WORDS = {
    SCHEMA: "does not take JSON schemas; requests go without them from now on",
    OBJECT: "does not take response_format 'json_object'; left out from now on",
    TOOLS: "does not take tools; left out from now on",
    RENAMED: "wants 'max_completion_tokens' instead of 'max_tokens'; sent so from now on",
    SYSTEM: "has no system role; its text is put in front of the first user message from now on",
    STREAM: "wants its answers streamed; streamed from now on",
    NO_STREAM: "does not stream; asked without from now on",
}
_PLAIN = (SEED, TEMPERATURE, STREAM_OPTIONS, TOOL_CHOICE, USER, FORMAT)

_NO_SYSTEM = re.compile(
    r"system[ _](role|message|prompt|instruction)s?\b.{0,40}\b(not|un|no longer)"
    r"|\brole\b[^.]{0,40}['\"]system|developer instruction is not enabled|roles must alternate"
    r"|only user and assistant",
    re.IGNORECASE,
)
_MAYBE_NO_SYSTEM = re.compile(r"(not|unsupported|unknown|invalid|unexpected).{0,40}\bsystem\b", re.IGNORECASE)
"""The error of a chat template without a system role."""
_NOT_UNDERSTOOD = re.compile(
    r"unsupported|not (yet |currently |fully )*(supported|implemented|available|enabled|permitted|allowed)"
    r"|unavailable|(does|do|can) ?n[o']t (currently )?(support|accept|allow|use|handle)|no support"
    r"|cannot be (used|combined|specified|set)|fixed at|may only be"
    r"|only (be set|the default|[\d.]+ (is|are) )"
    r"|unknown|unrecogni[sz]ed|unexpected|not one of|extra (fields|inputs)|requires? -|only support"
    r"|invalid (parameter|argument|field|type|value for)|must be (one of|')|no endpoints found|incompatible",
    re.IGNORECASE,
)
_NOT_SUPPORTED = re.compile(
    r"unsupported|not (yet |currently |fully )*(supported|implemented|enabled)|(does|do) ?n[o']t support",
    re.IGNORECASE,
)
"""The same from a server that fails: its words may be about anything."""
_ABOUT_FORMAT = re.compile(
    r"response[_ ]?(format|mime|schema)|json[_ ](schema|object|mode)|structured[_ ](output|decod)|guided_"
    r"|grammar|\bformat\.type\b",
    re.IGNORECASE,
)
_ABOUT_SCHEMA = re.compile(
    r"(invalid|bad|malformed|complex|unsupported) (json[ _])?schema|in context=|additionalProperties"
    r"|schema\b[^.]{0,60}(invalid|not valid|keyword|too (complex|large|deep|many)|missing|unresolv)"
    r"|(parse|compile|convert|initialize|build)[^.]{0,30}(grammar|schema)|unimplemented keys",
    re.IGNORECASE,
)
"""A complaint about this schema, where others may be taken."""
_UNKNOWN_FIELD = re.compile(
    r"extra (fields|inputs)"
    r"|(unrecogni[sz]ed|unknown|unexpected|invalid) (request )?(field|param|arg|keyword|key)",
    re.IGNORECASE,
)
_LIMIT_RENAMED = re.compile(
    r"\buse\b[^.]{0,30}max_completion_tokens|\bmax_tokens\b[^.]{0,30}(not supported|unsupported|deprecated)"
    r"|(unsupported|unrecogni[sz]ed|unknown)[^.]{0,40}\bmax_tokens\b",
    re.IGNORECASE,
)
_ABOUT_TOOLS = re.compile(
    r"\btools?\b|function[ _-]?call|\bfunctions?\b|tool[_ ](use|choice|call)", re.IGNORECASE
)
_NEEDS_FLAG = re.compile(r"requires? `?--|--jinja|tool-call-parser", re.IGNORECASE)
_ONLY_STREAM = re.compile(
    r"only (be )?(support|accept|allow|work|available|use)\w*[^.]{0,40}\bstream"
    r"|stream\w*[`'\"]?[^.]{0,25}\b(must|should|needs?|has to) (be )?(set )?(to )?[`'\"]?(true|enabled)"
    r"|\b(must|need to|should|please)\b[^.]{0,30}\b(use|enable|set|specify|turn on|add)\b[^.]{0,25}\bstream"
    r"|stream(ing)?( mode)? (is )?(strongly )?(required|recommended|mandatory)|requires? stream"
    r"|non-?stream\w*[^.]{0,40}(not|un)[ -]?(supported|allowed|available)"
    r"|(not|n't) support (for )?non-?stream|for non-?streaming",
    re.IGNORECASE,
)
_GATEWAY_TIMEOUTS = {504, 524}
"""A gateway gave up on a connection that was silent for too long; a streamed answer is not silent."""
_NO_STREAM = re.compile(
    r"'?stream'? does not support true|stream\w*[^.]{0,30}(not|un)[ -]?(yet )?(supported?|allowed|available)"
    r"|(not|n't) support stream|verified to stream|stream['\"]?[^.]{0,30}supported values are: false",
    re.IGNORECASE,
)

DECIDED = {401, 402, 403, 408, 409, 413, 429}
"""Statuses that say enough: they are not about a field."""
_UNCLEAR = {400, 422}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The lessons learned so far. `streams`: the spec's own choice; None leaves it to the endpoint."""

    lessons: frozenset[str] = frozenset()
    streams: bool | None = None

    def body_of(self, request: ChatRequest) -> dict[str, Any]:
        """The request's fields in the form that the endpoint expects."""
        fields: dict[str, Any] = {SEED: request.seed, TEMPERATURE: request.temperature}
        if SEED in self.lessons:
            fields[USER] = f"sample-{request.seed}"
        if wanted := self._format_of(request):
            fields[FORMAT] = _response_format(wanted, request)
        if self.takes_tools(request):
            fields |= {TOOLS: [_function(tool) for tool in request.tools], TOOL_CHOICE: "auto"}
        if self.is_streamed:
            fields |= {"stream": True, STREAM_OPTIONS: {"include_usage": True}}
        kept = {name: value for name, value in fields.items() if name not in self.lessons}
        messages = _without_system(request.messages) if SYSTEM in self.lessons else request.messages
        return {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            self._limit_field: min(request.max_tokens, self.most_answer),
            **kept,
            **request.extra_body,
        }

    @property
    def is_streamed(self) -> bool:
        return NO_STREAM not in self.lessons and (bool(self.streams) or STREAM in self.lessons)

    @property
    def most_answer(self) -> int:
        """The largest limit of an answer in tokens that the endpoint takes."""
        known = [int(each.removeprefix(MOST_ANSWER)) for each in self.lessons if each.startswith(MOST_ANSWER)]
        return min(known, default=10**12)

    @property
    def _limit_field(self) -> str:
        return "max_completion_tokens" if RENAMED in self.lessons else "max_tokens"

    def takes_tools(self, request: ChatRequest) -> bool:
        return bool(request.tools) and TOOLS not in self.lessons

    def _format_of(self, request: ChatRequest) -> str:
        """`json_schema`, `json_object`, or nothing."""
        if self.takes_tools(request) or FORMAT in self.lessons:
            return ""
        if request.json_schema is not None and self._takes_schema(request.json_schema):
            return SCHEMA
        wants_json = request.json_mode or request.json_schema is not None
        return OBJECT if wants_json and OBJECT not in self.lessons and _mentions_json(request) else ""

    def _takes_schema(self, schema: Mapping[str, Any]) -> bool:
        if _name_of(schema) in self.lessons or TAKES_SCHEMAS in self.lessons:
            return _name_of(schema) not in self.lessons
        refused = sum(each.startswith(ONE_SCHEMA) for each in self.lessons)
        return SCHEMA not in self.lessons and refused < MOST_SCHEMAS

    def sends_harness_schema(self, request: ChatRequest) -> bool:
        """Whether a harness wrote the schema that is sent: then a refusal is at most about that schema."""
        return request.from_harness and self._format_of(request) == SCHEMA

    def after_answer(self, request: ChatRequest) -> "Dialect":
        """What an answer teaches, alone."""
        return Dialect(frozenset({TAKES_SCHEMAS} if self._format_of(request) == SCHEMA else ()))

    def after(self, complaint: Complaint, request: ChatRequest) -> "Dialect | None":
        """The dialect to try after a refusal; None if the refusal is about something else."""
        words = f"{complaint.param} {complaint.words}"
        if complaint.status in _GATEWAY_TIMEOUTS and self._may_stream:
            return self._with(STREAM)
        if complaint.status < 400 or complaint.status in DECIDED or self.sends_harness_schema(request):
            return None
        refusal = _NOT_UNDERSTOOD if complaint.status < 500 else _NOT_SUPPORTED
        is_unknown = refusal.search(words) is not None
        is_refusal = complaint.status in _UNCLEAR
        lesson = self._lesson(complaint.param, words, request, is_refusal=is_refusal, is_unknown=is_unknown)
        if lesson is None or lesson in self.lessons:
            return None
        return self._with(lesson)

    def on_trial(self, complaint: Complaint, request: ChatRequest) -> "Dialect | None":
        """A simpler request after a refusal whose words say nothing; None if nothing can be left out.

        Words about a harness's schema say nothing: it is left out, and what is refused then is learned from.
        """
        if self.sends_harness_schema(request) and request.json_schema is not None:
            has_decided = complaint.status < 400 or complaint.status in DECIDED or complaint.is_flagged
            is_failure = complaint.status >= 500 and not _NOT_SUPPORTED.search(complaint.words)
            return None if has_decided or is_failure else self._with(_name_of(request.json_schema))
        if complaint.status not in _UNCLEAR or complaint.is_too_large or complaint.is_flagged:
            return None
        if self.takes_tools(request):
            return self._with(TOOLS)
        if wanted := self._format_of(request):
            return self._with(self._refused_format(wanted, request, is_this_schema=True))
        return None

    def with_most_answer(self, tokens: int) -> "Dialect":
        return self._with(f"{MOST_ANSWER}{tokens}")

    def merge(self, other: "Dialect") -> "Dialect":
        """Combines what both have learned."""
        return replace(self, lessons=self.lessons | other.lessons)

    def difference(self, before: "Dialect") -> str:
        """One line for the user: what changed."""
        return "; ".join(map(_in_words, sorted(self.lessons - before.lessons - {TAKES_SCHEMAS})))

    @property
    def _may_stream(self) -> bool:
        return self.streams is None and not {STREAM, NO_STREAM} & self.lessons

    def _with(self, lesson: str) -> "Dialect":
        return replace(self, lessons=self.lessons | {lesson})

    def _refused_format(self, wanted: str, request: ChatRequest, *, is_this_schema: bool) -> str:
        is_this_schema = is_this_schema or TAKES_SCHEMAS in self.lessons
        if wanted == SCHEMA and is_this_schema and request.json_schema is not None:
            return _name_of(request.json_schema)
        return wanted

    def _lesson(
        self, param: str, words: str, request: ChatRequest, *, is_refusal: bool, is_unknown: bool
    ) -> str | None:
        """`is_refusal`: the status says that the endpoint does not take this request; `is_unknown`: the words
        say that it does not know something in it.
        """
        if self.is_streamed and _NO_STREAM.search(words):
            return NO_STREAM
        if self._may_stream and _ONLY_STREAM.search(words):
            return STREAM
        if RENAMED not in self.lessons and _LIMIT_RENAMED.search(words):
            return RENAMED
        is_about_system = _NO_SYSTEM.search(words) or (is_refusal and _MAYBE_NO_SYSTEM.search(words))
        if is_about_system and SYSTEM not in self.lessons:
            return SYSTEM
        if self.takes_tools(request) and _ABOUT_TOOLS.search(words):
            return self._tools_lesson(words, is_unknown)
        wanted = self._format_of(request)
        if wanted and _ABOUT_FORMAT.search(words) and (is_refusal or is_unknown):
            if _UNKNOWN_FIELD.search(words) and "json_" not in words:
                return FORMAT
            is_this_schema = _ABOUT_SCHEMA.search(words) is not None
            return self._refused_format(wanted, request, is_this_schema=is_this_schema)
        sent = self.body_of(replace(request, extra_body={}))
        named = (field for field in _PLAIN if param == field or re.search(rf"(?i)\b{field}\b", words))
        return next((field for field in named if field in sent and is_unknown), None)

    def _tools_lesson(self, words: str, is_unknown: bool) -> str | None:
        if TOOL_CHOICE not in self.lessons and "tool_choice" in words and not re.search(r"\btools\b", words):
            return TOOL_CHOICE
        return TOOLS if is_unknown or _NEEDS_FLAG.search(words) or "grammar" in words else None


def _in_words(lesson: str) -> str:
    if lesson.startswith(ONE_SCHEMA):
        return "refused a JSON schema; requests with it are sent without"
    if lesson.startswith(MOST_ANSWER):
        return f"takes at most {int(lesson.removeprefix(MOST_ANSWER)):,} as max_tokens; lowered from now on"
    return _WORDS.get(lesson, f"does not understand {lesson!r}; left out from now on")


def _name_of(schema: Mapping[str, Any]) -> str:
    return ONE_SCHEMA + hash_json(dict(schema))


def _response_format(kind: str, request: ChatRequest) -> dict[str, Any]:
    if kind == OBJECT or request.json_schema is None:
        return {"type": OBJECT}
    schema = dict(request.json_schema)
    return {"type": SCHEMA, SCHEMA: {"name": "answer", "schema": schema, "strict": is_strict(schema)}}


def is_strict(schema: object) -> bool:
    """Whether OpenAI's strict mode takes it: objects require all of their properties and no others."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        names, required = set(properties or {}), schema.get("required")
        is_closed = schema.get("additionalProperties") is False
        if not is_closed or not isinstance(required, list) or names != set(required):
            return False
    inner = (value for name, value in schema.items() if name not in {"enum", "const", "default", "examples"})
    return all(map(is_strict, inner))


def _function(tool: Tool) -> dict[str, Any]:
    inner = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": inner}


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system message in front of the first user message."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return rest
    if rest and rest[0].role == "user":
        return [replace(rest[0], content=f"{system}\n\n{rest[0].content}"), *rest[1:]]
    return [Message(role="user", content=system), *rest]


def _mentions_json(request: ChatRequest) -> bool:
    """OpenAI refuses json_object unless a message contains the word; then the field would not help anyway."""
    return any("json" in message.content.lower() for message in request.messages)
