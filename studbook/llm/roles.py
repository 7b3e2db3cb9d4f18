"""Which model answers a role, where, and at what price. Plain values; the spec fills them in."""

from dataclasses import dataclass

from studbook.llm.contracts import Backend, ChatCall, ChatRequest, Message, Usage
from studbook.llm.money import whole_picodollars

MILLION = 1_000_000
TOKENS_AROUND_A_MESSAGE = 64  # roles and marks that a chat template puts around it


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleModel:
    """`temperature` and `max_tokens` hold where a call leaves them open. Prices are per million tokens."""

    endpoint: str
    model: str
    temperature: float = 1.0
    max_tokens: int = 4096
    dollars_per_million_in: float = 0.0
    dollars_per_million_out: float = 0.0

    def cost_dollars(self, usage: Usage) -> float:
        paid_in = usage.prompt_tokens * self.dollars_per_million_in
        paid_out = usage.completion_tokens * self.dollars_per_million_out
        return whole_picodollars((paid_in + paid_out) / MILLION)

    def most_tokens(self, request: ChatRequest) -> Usage:
        """No answer to the request uses more: a token is at least one byte, and the answer has its limit."""
        sent = sum(len(m.content.encode("utf-8")) + TOKENS_AROUND_A_MESSAGE for m in request.messages)
        return Usage(prompt_tokens=sent, completion_tokens=request.max_tokens)

    def resolve(self, call: ChatCall) -> ChatRequest:
        """The request as it is sent; its text is valid Unicode, or it could be neither hashed nor sent."""
        return ChatRequest(
            model=self.model,
            messages=tuple(Message(role=m.role, content=valid_text(m.content)) for m in call.messages),
            seed=call.seed,
            temperature=float(self.temperature if call.temperature is None else call.temperature),
            max_tokens=self.max_tokens if call.max_tokens is None else call.max_tokens,
            json_mode=call.json_mode,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A backend under its name in the spec; at most `max_concurrent` calls run on it at once."""

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
