"""Which of the usual request fields an endpoint's model understands, learned from its refusals. Pure."""

import re
from dataclasses import dataclass, replace
from typing import Any

from studbook.llm.contracts import ChatRequest

OPTIONAL_FIELDS = ("seed", "response_format", "temperature")
TOO_LONG_NAME = re.compile(r"max_completion_tokens")
NOT_UNDERSTOOD = re.compile(
    r"unsupported|not supported|(does|do) not support|doesn't support|unknown|unrecogni[sz]ed|unexpected"
    r"|not permitted|not allowed|extra (fields|inputs)|invalid (parameter|argument|field)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The fields left out, and the limit's name: `max_tokens`, for newer models `max_completion_tokens`."""

    left_out: frozenset[str] = frozenset()
    limit_field: str = "max_tokens"

    def body_of(self, request: ChatRequest) -> dict[str, Any]:
        """The request's fields as the endpoint wants them."""
        fields: dict[str, Any] = {"seed": request.seed, "temperature": request.temperature}
        if request.json_mode and _mentions_json(request):
            fields["response_format"] = {"type": "json_object"}
        kept = {name: value for name, value in fields.items() if name not in self.left_out}
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        return {"model": request.model, "messages": messages, self.limit_field: request.max_tokens, **kept}

    def after(self, status: int, param: str, message: str) -> "Dialect | None":
        """The dialect to try after a refusal; None when the refusal is about something else."""
        if status not in {400, 422}:
            return None
        if self.limit_field == "max_tokens" and TOO_LONG_NAME.search(message):
            return replace(self, limit_field="max_completion_tokens")
        if not NOT_UNDERSTOOD.search(message):
            return None
        for field in OPTIONAL_FIELDS:
            if field not in self.left_out and (param == field or re.search(rf"\b{field}\b", message)):
                return replace(self, left_out=self.left_out | {field})
        return None

    def merge(self, other: "Dialect") -> "Dialect":
        """What both have learned."""
        limit = other.limit_field if self.limit_field == "max_tokens" else self.limit_field
        return Dialect(left_out=self.left_out | other.left_out, limit_field=limit)

    def difference(self, before: "Dialect") -> str:
        """One line for people: what changed."""
        if self.limit_field != before.limit_field:
            return f"wants {self.limit_field!r} instead of {before.limit_field!r}; sent so from now on"
        names = ", ".join(sorted(self.left_out - before.left_out))
        return f"does not understand {names!r}; left out from now on"


def _mentions_json(request: ChatRequest) -> bool:
    """OpenAI refuses json_object unless the word stands in a message; then the field is no help anyway."""
    return any("json" in message.content.lower() for message in request.messages)
