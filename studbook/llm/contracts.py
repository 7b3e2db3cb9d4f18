"""Model calls, for every role and every endpoint.

Two Protocols: `Chat` is what the rest of Studbook calls (roles, no model names); `Backend` answers a resolved
request (an OpenAI-compatible endpoint, the testbed). Neither knows harnesses or papers. Also here: which
model serves a role, where and at what price; the client's notices (never part of a result); and `Evidence`.

Each trajectory, diagnosis and decision has an `Evidence`: the call records it depends on, bound to their
replies. Editing, deleting or exchanging a record afterwards contradicts it, and the record can be named. It
depends only on the calls, not on who paid, when, or what ran concurrently.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from studbook.identity import canonical_json, hash_json


class NoticeKind(StrEnum):
    RETRY = "retry"  # an attempt failed and will be repeated after `wait_seconds`
    WAITING = "waiting"  # the endpoint does not respond at all; the run waits for it
    RECOVERED = "recovered"  # it responds again
    FAILURE = "failure"  # the call failed for good
    SLOWED = "slowed"  # rate limits: fewer requests at once
    OTHER_MODEL = "other_model"  # a reply that names a different model


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNotice:
    kind: NoticeKind
    role: str
    endpoint: str
    model: str
    key: str
    attempt: int
    wait_seconds: float
    message: str


OnNotice = Callable[[ModelNotice], None]


def ignore_notice(notice: ModelNotice) -> None:
    """Discards the notice."""


Speaker = Literal["system", "user", "assistant"]

HARNESS_ROLES = ("challenger", "verifier", "orchestrator")
"""Roles that a harness may call from its box."""

EVALUATOR_ROLES = ("weak", "strong", "judge", "final_verifier")
"""Frozen roles, called by the evaluator only."""

META_ROLES = ("analyzer", "implementer")
"""Roles of the outer loop."""

ROLES = HARNESS_ROLES + EVALUATOR_ROLES + META_ROLES


class FailureKind(StrEnum):
    """How a role failed repeatedly on one request, while it answered a control question."""

    REFUSED = "refused"  # by the endpoint or the model: too long, filtered
    SILENT = "silent"  # an empty text, for any random seed
    TRUNCATED = "truncated"  # all of max_tokens used without any answer text
    STUCK = "stuck"  # timeouts, server errors, broken answers, for this request only


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    role: Speaker
    content: str


CONTROL_QUESTION = (
    Message(
        role="user",
        content="Which weighs more, a loaded cart or an empty one? Answer with one sentence.",
    ),
)
"""Any model can answer this: if it does not, the endpoint is at fault and not the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """`cached_tokens` are the part of `prompt_tokens` that the endpoint read from its prompt cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that a model may call: `parameters` is the JSON schema of its arguments, an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's call of a tool; `arguments` is what it wrote, which need not be JSON."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """A call by the rest of Studbook: it names a role, not a model.

    `seed` is also the sample index: two calls that differ only in `seed` are two independent samples,
    whether or not the endpoint honours seeds. `None` for temperature/max_tokens means the role's setting.
    """

    role: str
    messages: tuple[Message, ...]
    seed: int
    temperature: float | None = None
    max_tokens: int | None = None
    json_mode: bool = False
    json_schema: Mapping[str, Any] | None = None
    """The reply's JSON schema, an object: enforced where the endpoint can, elsewhere as `json_mode`."""
    tools: tuple[Tool, ...] = ()
    """Offered where the endpoint knows tools: elsewhere left out, so the prompt must do without them too."""
    control: tuple[Message, ...] = field(default=CONTROL_QUESTION, compare=False)
    """A question that the role can always answer, asked if the call fails. Not part of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A call resolved to a model: what a backend sends, and what the record's key is derived from."""

    model: str
    messages: tuple[Message, ...]
    seed: int
    temperature: float
    max_tokens: int
    json_mode: bool = False
    json_schema: Mapping[str, Any] | None = None
    tools: tuple[Tool, ...] = ()
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Additional fields of the request's body, sent unchanged."""
    from_harness: bool = field(default=False, compare=False)
    """What an endpoint says of a harness's request must not change how others are sent. Not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """`finish_reason`: "stop", "length" or "content_filter" under any name, else as the endpoint gave it."""

    text: str
    usage: Usage
    finish_reason: str = "stop"
    model: str = ""
    recorded: bool = False
    """True if it was answered from the records, at no cost."""
    tool_calls: tuple[ToolCall, ...] = ()
    thoughts: str = ""
    """The model's visible reasoning, removed from the text: kept for the user, shown to no other role."""
    limit_tokens: int | None = None
    """The limit of the answer that was sent, where it had to be lower than the request's."""
    is_estimated: bool = False
    """True if the endpoint did not report usage: `usage` is then estimated from the number of characters."""
    is_prompt_estimated: bool = False
    """True if the endpoint did not report the prompt's tokens."""
    key: str = ""
    """The name of its record; empty if nothing is recorded."""

    @property
    def is_truncated(self) -> bool:
        """Whether the text was cut off at the endpoint's limit."""
        return self.finish_reason == "length"


class Chat(Protocol):
    """The single entry point for calls. Thread-safe. Every call is metered, limited, retried and recorded.

    Raises RequestFailed if this request cannot be answered, Outage after the run's patience (ModelUnavailable
    on the first call), ModelRejected immediately, BudgetExceeded if the run has reached its budget,
    ReplayDifference in recorded replay if there is no record of the call.
    """

    def chat(self, call: ChatCall) -> ChatReply: ...


class Backend(Protocol):
    """Answers requests. Thread-safe, no retries, no records.

    Raises ModelUnavailable (worth retrying; may carry `retry_after_seconds`), RequestRefused, ModelRejected.
    """

    def complete(self, request: ChatRequest) -> ChatReply: ...


CHARACTERS_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """A substitute for a tokenizer: four characters per token, at least one token."""
    return max(1, -(-len(text) // CHARACTERS_PER_TOKEN))


MILLION = 1_000_000
TOKENS_AROUND_A_MESSAGE = 64  # roles and markers that a chat template adds around it


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleModel:
    """`temperature` and `max_tokens` apply to calls that do not set them. Prices are per million tokens.

    `extra_body` is sent with every request of the role: fields that one server or model needs.
    """

    endpoint: str
    model: str
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    max_tokens: int = 4096
    dollars_per_million_in: float = 0.0
    dollars_per_million_out: float = 0.0
    dollars_per_million_cached_in: float | None = None
    """Of prompt tokens that the endpoint read from its cache; None: as of the others."""
    context_tokens: int | None = None
    """Tokens that prompt and answer may have together; None if unknown."""

    def cost_dollars(self, usage: Usage) -> float:
        cached_price = self.dollars_per_million_cached_in
        cached = 0 if cached_price is None else usage.cached_tokens
        paid_in = (usage.prompt_tokens - cached) * self.dollars_per_million_in
        paid_in += cached * (cached_price or 0.0)
        paid_out = usage.completion_tokens * self.dollars_per_million_out
        return whole_picodollars((paid_in + paid_out) / MILLION)

    def most_tokens(self, request: ChatRequest) -> Usage:
        """Upper bound for the request: a token is at least one byte, and the answer has a limit."""
        sent = sum(len(m.content.encode("utf-8")) + TOKENS_AROUND_A_MESSAGE for m in request.messages)
        for tool in request.tools:
            sent += len(canonical_json([tool.name, tool.description, dict(tool.parameters)]))
        if request.json_schema is not None:  # some servers add it to the prompt
            sent += len(canonical_json(dict(request.json_schema)))
        return Usage(prompt_tokens=sent, completion_tokens=request.max_tokens)

    def resolve(self, call: ChatCall) -> ChatRequest:
        """The request to send. Its text is made valid Unicode, so that it can be hashed and sent."""
        return ChatRequest(
            model=self.model,
            messages=tuple(Message(role=m.role, content=valid_text(m.content)) for m in call.messages),
            seed=call.seed,
            temperature=float(self.temperature if call.temperature is None else call.temperature),
            max_tokens=self.max_tokens if call.max_tokens is None else call.max_tokens,
            json_mode=call.json_mode,
            json_schema=call.json_schema,
            tools=call.tools,
            extra_body=self.extra_body,
            from_harness=call.role in HARNESS_ROLES,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A backend and its name in the spec; at most `max_concurrent` calls run on it at once."""

    name: str
    backend: Backend
    max_concurrent: int = 8


def valid_text(text: str) -> str:
    """Lone surrogates (legal in JSON, not in UTF-8) become U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


DIGITS = 12

PICODOLLARS = 10**DIGITS


def whole_picodollars(dollars: float) -> float:
    """Rounds to a whole number of picodollars."""
    return round(dollars, DIGITS)


NAME_LENGTH = 16
"""Hex digits of keys and digests in a list: enough to name a call; `Evidence.whole` verifies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One recorded call: its key in the records, and a hash of key, role and everything it answered."""

    key: str
    digest: str

    @property
    def name(self) -> str:
        return f"{self.key[:NAME_LENGTH]}:{self.digest[:NAME_LENGTH]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The calls that a result depends on, each as often as it was made, in a deterministic order.

    Includes calls that failed permanently. `names` are `key:digest`, both shortened; `whole` is the hash of
    the full keys and digests.
    """

    names: tuple[str, ...] = ()
    whole: str = ""


NO_EVIDENCE = Evidence()


def seal_reply(key: str, role: str, reply: ChatReply) -> Seal:
    sealed = [key, role, reply.model, reply.text, reply.finish_reason, numbers_of(reply.usage)]
    if reply.tool_calls:
        sealed.append([[call.name, call.arguments] for call in reply.tool_calls])
    return Seal(key=key, digest=hash_json(sealed))


def numbers_of(usage: Usage) -> list[int]:
    """As it is recorded and sealed: cached tokens only if there are some."""
    cached = [usage.cached_tokens] if usage.cached_tokens else []
    return [usage.prompt_tokens, usage.completion_tokens, *cached]


def seal_failure(key: str, role: str, kind: str, message: str) -> Seal:
    """Seals a request that its role cannot answer: it is recorded too, and a result may depend on it."""
    return Seal(key=key, digest=hash_json([key, role, "failed", kind, valid_text(message)]))


def evidence_of(seals: Iterable[Seal]) -> Evidence:
    ordered = sorted(seals, key=lambda seal: (seal.key, seal.digest))
    if not ordered:
        return NO_EVIDENCE
    whole = hash_json([[seal.key, seal.digest] for seal in ordered])
    return Evidence(names=tuple(seal.name for seal in ordered), whole=whole)


def split_name(name: str) -> tuple[str, str]:
    """Both prefixes of a `key:digest`."""
    key, _, digest = name.partition(":")
    return key, digest
