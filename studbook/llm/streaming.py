"""Puts a streamed answer together: server-sent events in, the body of a chat completion out.

The bytes are read to their end first: nobody watches an answer being written, streaming only keeps
connections alive. Keep-alive comments, events of other kinds, a missing `[DONE]` and missing blank lines are
tolerated. A stream that ends without a finish reason was broken off, and an error within it is the answer's
error.
"""

import json
from collections.abc import Iterator
from typing import Any

from studbook.llm.answers import LENGTH, end_of

DONE = "[DONE]"
_NOTHING = {DONE, f'"{DONE}"', "", "null", "ping", '"ping"'}
_TEXTS = ("content", "reasoning_content", "reasoning", "thinking", "refusal")
_MOST_CALLS = 64


class BrokenStreamError(Exception):
    """The stream ended before the answer did, or holds what is no event. The message says which,

    and quotes it whole: whoever shows it masks keys first, and then cuts it.
    """


def is_stream(text: str) -> bool:
    """Whether a body is a stream of events, whatever its content type."""
    first = text.lstrip("\ufeff \r\n\t")
    return first.startswith(("data:", "event:", "id:", "retry:", ":"))


def read_stream(text: str) -> dict[str, Any]:
    """The completion that the events add up to, or `{"error": …}`. Raises BrokenStreamError."""
    answer = _Answer()
    for event in _events(text):
        error = event.get("error")
        if error:
            return {"error": error}
        answer.add(event)
    if answer.finish_reason is None:
        raise BrokenStreamError("the stream ended without a finish reason")
    return answer.completion()


def _events(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of the data lines; one may span several lines."""
    waiting, kind = "", ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name, _, value = line.lstrip("\ufeff").partition(":")
        if name == "event":
            kind = value.strip()
        if name == "data":
            waiting += ("\n" if waiting else "") + value.removeprefix(" ")
            if waiting.strip() in _NOTHING:
                waiting = ""
            elif (event := _json(waiting)) is not None:
                yield _as_object(event, kind)
                waiting = ""
        elif not line.strip():
            if waiting:
                yield _unreadable(waiting, kind)
            waiting, kind = "", ""
    if waiting:
        yield _unreadable(waiting, kind)


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _as_object(event: object, kind: str) -> dict[str, Any]:
    if kind == "error" and not (isinstance(event, dict) and event.get("error")):
        return {"error": event}
    if not isinstance(event, dict):
        raise BrokenStreamError(f"the stream holds an event that is no object: {json.dumps(event)}")
    is_error = "error" in (event.get("object"), event.get("type"))
    if is_error or ("choices" not in event and isinstance(event.get("status"), int) and event.get("detail")):
        return {"error": event}
    return event


def _unreadable(text: str, kind: str) -> dict[str, Any]:
    if kind == "error":
        return {"error": text}
    raise BrokenStreamError(f"the stream holds an event that is no JSON: {text}")


class _Answer:
    """Adds up the events of choice 0; others were not asked for."""

    def __init__(self) -> None:
        self.finish_reason: object = None
        self._top: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}
        self._parts: list[Any] = []
        self._calls: dict[object, dict[str, str]] = {}
        self._ids: dict[object, object] = {}
        self._keys: dict[object, object] = {}
        self._whole: dict[str, Any] = {}
        self._error: object = None

    def add(self, event: dict[str, Any]) -> None:
        for name in ("model", "usage", "promptFeedback", "prompt_feedback"):
            if event.get(name):
                self._top[name] = event[name]
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
                self._add_choice(choice)

    def _add_choice(self, choice: dict[str, Any]) -> None:
        self._error = choice.get("error") or self._error
        if choice.get("finish_reason") and end_of(self.finish_reason) != LENGTH:
            self.finish_reason = choice["finish_reason"]
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._add_delta(delta)
        if isinstance(choice.get("message"), dict):
            self._whole = choice["message"]

    def _add_delta(self, delta: dict[str, Any]) -> None:
        for name in _TEXTS:
            value = delta.get(name)
            if isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
            elif name == "content" and isinstance(value, list):
                self._parts += value
        if isinstance(delta.get("function_call"), dict):
            self._add_call({"index": "function_call", "function": delta["function_call"]}, 0)
        calls = delta.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._add_call(call, place)

    def _add_call(self, call: dict[str, Any], place: int) -> None:
        """Fragments of one call share an index; Gemini sends whole calls without one, under new ids."""
        index = call.get("index")
        told = call.get("id") if isinstance(call.get("id"), int | str) else None
        name = index if isinstance(index, int | str) else told or place
        function = call.get("function")
        if not isinstance(function, dict):
            function = {}
        name = self._own_key(name, told, begins=bool(function.get("name")))
        if name not in self._calls and len(self._calls) >= _MOST_CALLS:
            return
        known = self._calls.setdefault(name, {"name": "", "arguments": ""})
        for field in known:
            value = function.get(field)
            value = value if isinstance(value, str) else "" if value is None else json.dumps(value)
            if field == "name" and known["name"] == value:
                continue  # some servers repeat the name in every fragment
            known[field] += value

    def _own_key(self, name: object, told: object, *, begins: bool) -> object:
        """Some servers give each call the same index: one that begins under another id is another call."""
        before = self._ids.get(name)
        if told and (begins or not before):
            self._ids[name] = told
        if begins and told and before and told != before:
            self._keys[name] = (name, str(told))
        return self._keys.get(name, name)

    def completion(self) -> dict[str, Any]:
        message: dict[str, Any] = {name: "".join(texts) for name, texts in self._texts.items()}
        if self._parts:
            text = message.get("content")
            message["content"] = [*([{"type": "text", "text": text}] if text else []), *self._parts]
        if self._calls:
            message["tool_calls"] = [{"function": call} for call in self._calls.values()]
        if not any(message.values()):
            message = self._whole or {"content": ""}
        choice = {"message": message, "finish_reason": self.finish_reason}
        if self._error:
            choice["error"] = self._error
        return {**self._top, "choices": [choice]}
