"""Test backends: scripted answers, computed answers, and deliberate outages."""

import itertools
from collections.abc import Callable, Iterable
from threading import Lock

from studbook.errors import ModelError, ModelRejected, ModelUnavailable
from studbook.llm.contracts import CHARACTERS_PER_TOKEN, Backend, ChatReply, ChatRequest, Usage, count_tokens


class ScriptedBackend:
    """Returns the items of `script` in order, raising errors; then refuses. `requests` lists the requests."""

    def __init__(self, script: Iterable[str | ChatReply | ModelError]) -> None:
        self._script = list(script)
        self._lock = Lock()
        self.requests: list[ChatRequest] = []

    def complete(self, request: ChatRequest) -> ChatReply:
        with self._lock:
            self.requests.append(request)
            if not self._script:
                raise ModelRejected(f"the script is at its end: call {len(self.requests)} was not foreseen")
            line = self._script.pop(0)
        if isinstance(line, ModelError):
            raise line
        return reply_to(request, line) if isinstance(line, str) else line


class ComputedBackend:
    """Answers every request with `answer(request)`, cut at the request's max_tokens."""

    def __init__(self, answer: Callable[[ChatRequest], str]) -> None:
        self._answer = answer

    def complete(self, request: ChatRequest) -> ChatReply:
        return reply_to(request, self._answer(request))


class FaultyBackend:
    """Wraps a backend and fails every `every`-th call with a 500, or a 429 with Retry-After."""

    def __init__(self, backend: Backend, *, every: int, retry_after_seconds: float | None = None) -> None:
        self._backend = backend
        self._every = every
        self._retry_after_seconds = retry_after_seconds
        self._calls = itertools.count(1)  # next() is atomic

    def complete(self, request: ChatRequest) -> ChatReply:
        number = next(self._calls)
        if number % self._every == 0:
            raise ModelUnavailable(
                f"call {number} fails on purpose", retry_after_seconds=self._retry_after_seconds
            )
        return self._backend.complete(request)


def reply_to(request: ChatRequest, text: str) -> ChatReply:
    """A reply like a real endpoint's: tokens counted, cut at max_tokens with finish_reason "length"."""
    limit = request.max_tokens * CHARACTERS_PER_TOKEN
    kept = text[:limit]
    return ChatReply(
        text=kept,
        usage=Usage(
            prompt_tokens=sum(count_tokens(message.content) for message in request.messages),
            completion_tokens=count_tokens(kept),
        ),
        finish_reason="stop" if kept == text else "length",
        model=request.model,
    )
