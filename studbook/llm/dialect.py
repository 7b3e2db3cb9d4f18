"""How to put a request to one model of one endpoint, learned from what the endpoint refused.

Endpoints take different fields under different names. Nobody has to say so in a spec: a refused field is
left out, renamed or replaced, the request is sent again, the user is told once, and it is remembered. What
was learned is a set of lessons; it only grows, so concurrent requests cannot undo each other's and no
exchange goes on for ever. Words that repeat the request, and words about a schema that a harness wrote, are
not believed (`echoes`). Where an endpoint's words say nothing, fields are left out on trial, one after
another, and that is remembered only if it helps. A field that the endpoint has taken once is not tried.

With tools no response format is sent: some servers refuse the combination. Where `seed` is refused, the
sample index is sent as `user`, so that two samples remain two different requests for a cache on the way;
where that is refused too, it is written as blanks after the last message.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
TAKES = "takes "
"""Prefix of what was accepted, which is no change to tell."""
TAKES_SCHEMAS = TAKES + "schemas"
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
    r"|only user(,| and) assistant|(unexpected|unknown|unsupported|invalid) (message )?role\b"
    r"|\brole\b(?!.*system)[^.]{0,40}'user'[^.]{0,20}'assistant'",
    re.IGNORECASE,
)
_MAYBE_NO_SYSTEM = re.compile(r"(not|unsupported|unknown|invalid|unexpected).{0,40}\bsystem\b", re.IGNORECASE)
"""The error of a chat template without a system role."""
_NOT_UNDERSTOOD = re.compile(
    r"unsupported|not (yet |currently |fully )*(supported|implemented|available|enabled|permitted|allowed)"
    r"|deprecated|no longer|not an? (valid|known|recogni[sz]ed|supported) (field|param|arg|key|option)"
    r"|must be (set to |equal to )?[\d.]+ (for|when|with|on|in|if)\b"
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
    r"|(parse|compile|convert|initialize|build)[^.]{0,30}(grammar|schema)|unimplemented keys"
    r"|(grammar|schema)\b[^.]{0,20}\b(compil|pars|conver)\w*[^.]{0,20}(fail|error)",
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
    r"|stream\W{1,4}false\b[^.]{0,30}(not|un)[ -]?(yet )?(supported|allowed|available)"
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
_NO_PROVIDER = re.compile(r"no endpoints found", re.IGNORECASE)
"""OpenRouter's 404 where no provider takes all fields; it names none."""
_BAD_VALUE = re.compile(
    r"\bbetween\b|\brange\b|(less|greater|smaller|larger|more) than|at (least|most)|[<>]=?|maximum|minimum",
    re.IGNORECASE,
)
"""The field is known, its value is the user's."""


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
        if SEED in self.lessons and (USER in self.lessons or USER in request.extra_body):
            messages = [*messages[:-1], _with_blanks(messages[-1], request.seed)]
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
        taken = {TAKES + field for field in self._common_fields(request)}
        return Dialect(frozenset(taken | ({TAKES_SCHEMAS} if self._format_of(request) == SCHEMA else set())))

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

    def on_trial(
        self, complaint: Complaint, request: ChatRequest, tried: Collection["Dialect"] = ()
    ) -> "Dialect | None":
        """The lessons of a simpler request after a refusal whose words say nothing; None if none is left.

        `complaint` is about the request as `self` and the last of `tried` have sent it. Words about a
        harness's schema say nothing: it is left out, and what is refused then is learned from.
        """
        if not tried and self.sends_harness_schema(request):
            has_decided = complaint.status < 400 or complaint.status in DECIDED or complaint.is_flagged
            if has_decided or (complaint.status >= 500 and not self._would_teach(complaint, request)):
                return None
        elif not _is_unclear(complaint):
            return None
        trials = map(Dialect, self._trials(f"{complaint.param} {complaint.words}", request))
        return next((trial for trial in trials if trial not in tried), None)

    def _would_teach(self, complaint: Complaint, request: ChatRequest) -> bool:
        """Whether a failing server's words are about the request, if they can be believed."""
        if _NOT_SUPPORTED.search(complaint.words) or _ABOUT_SCHEMA.search(complaint.words):
            return True
        return self.after(complaint, replace(request, from_harness=False)) is not None

    def _trials(self, words: str, request: ChatRequest) -> Iterator[frozenset[str]]:
        """What may be left out: single fields first, then several."""
        formats, fields = list(self._format_trials(request)), list(self._field_trials(words, request))
        yield from formats
        yield from fields
        unseeded = frozenset({SEED, USER})
        if unseeded in fields:
            yield from (each | unseeded for each in formats)
        if len(fields) > 1:
            yield frozenset().union(*fields)
        if fields and formats:
            yield frozenset().union(*fields, formats[-1])

    def _format_trials(self, request: ChatRequest) -> Iterator[frozenset[str]]:
        """One after another: without tools a format is sent, and a simpler one before none."""
        simpler = self
        while True:
            if simpler.takes_tools(request):
                lesson = TOOLS
            elif wanted := simpler._format_of(request):
                lesson = simpler._refused_format(wanted, request, is_this_schema=True)
            else:
                return
            simpler = simpler._with(lesson)
            yield simpler.lessons - self.lessons

    def _field_trials(self, words: str, request: ChatRequest) -> Iterator[frozenset[str]]:
        """First the fields that the words name, then common ones that the endpoint has never taken."""
        if _BAD_VALUE.search(words):
            return
        sent = self.body_of(replace(request, extra_body={}))
        named = [field for field in _PLAIN if field in sent and re.search(rf"(?i)\b{field}\b", words)]
        common = [field for field in self._common_fields(request) if TAKES + field not in self.lessons]
        for field in dict.fromkeys([*named, *common]):
            yield frozenset({field})
            if field == SEED and USER not in self.lessons:
                yield frozenset({SEED, USER})

    def _common_fields(self, request: ChatRequest) -> list[str]:
        """Fields of nearly every request that some endpoints refuse without a word."""
        sent = [field for field in (SEED, USER, TEMPERATURE, SYSTEM) if field not in self.lessons]
        if SEED not in self.lessons:
            sent.remove(USER)
        has_system = any(message.role == "system" for message in request.messages)
        return sent if has_system else [field for field in sent if field != SYSTEM]

    def with_most_answer(self, tokens: int) -> "Dialect":
        return self._with(f"{MOST_ANSWER}{tokens}")

    def merge(self, other: "Dialect") -> "Dialect":
        """Combines what both have learned."""
        return replace(self, lessons=self.lessons | other.lessons)

    def difference(self, before: "Dialect") -> str:
        """One line for the user: what changed."""
        return "; ".join(map(_in_words, sorted(_told(self.lessons - before.lessons))))

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
        if is_about_system and SYSTEM in self._common_fields(request):
            return SYSTEM
        is_about_grammar = "grammar" in words and _ABOUT_SCHEMA.search(words)
        if self.takes_tools(request) and (_ABOUT_TOOLS.search(words) or is_about_grammar):
            return self._tools_lesson(words, is_unknown)
        wanted = self._format_of(request)
        is_this_schema = _ABOUT_SCHEMA.search(words) is not None
        if wanted and _ABOUT_FORMAT.search(words) and (is_refusal or is_unknown or is_this_schema):
            if _UNKNOWN_FIELD.search(words) and "json_" not in words:
                return FORMAT
            return self._refused_format(wanted, request, is_this_schema=is_this_schema)
        sent = self.body_of(replace(request, extra_body={}))
        named = (field for field in _PLAIN if param == field or re.search(rf"(?i)\b{field}\b", words))
        return next((field for field in named if field in sent and is_unknown), None)

    def _tools_lesson(self, words: str, is_unknown: bool) -> str | None:
        if TOOL_CHOICE not in self.lessons and "tool_choice" in words and not re.search(r"\btools\b", words):
            return TOOL_CHOICE
        return TOOLS if is_unknown or _NEEDS_FLAG.search(words) or "grammar" in words else None


def _is_unclear(complaint: Complaint) -> bool:
    """Whether the request was refused for something in it that the words need not name."""
    if complaint.is_too_large or complaint.is_flagged:
        return False
    is_without_provider = complaint.status == 404 and _NO_PROVIDER.search(complaint.words) is not None
    return complaint.status in _UNCLEAR or is_without_provider


def _told(lessons: Collection[str]) -> list[str]:
    return [lesson for lesson in lessons if not lesson.startswith(TAKES)]


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


def _with_blanks(message: Message, seed: int) -> Message:
    """The seed's bits as blanks and tabs behind the text: no word changes, but no two samples are equal."""
    return replace(message, content=message.content + f"{seed:b}".translate({48: " ", 49: "\t", 45: "\n"}))


def _mentions_json(request: ChatRequest) -> bool:
    """OpenAI refuses json_object unless a message contains the word; then the field would not help anyway."""
    return any("json" in message.content.lower() for message in request.messages)
