"""Reads what an endpoint sent: how an answer ended, its text and reasoning, an error's message.

Servers differ widely here, so all of it is parsed leniently and in one place. An answer is complete or it is
no answer: one that ended for an unknown reason is rejected.
"""

import json
import re
from dataclasses import dataclass

from studbook.llm.contracts import CHARACTERS_PER_TOKEN, ChatReply, ChatRequest, ToolCall

STOP = "stop"
LENGTH = "length"
FILTERED = "content_filter"

_ENDS = {
    STOP: "stop eos eos_token end_turn stop_sequence stop_token complete completed finish finished endoftext",
    LENGTH: "length max_tokens model_length max_length max_output_tokens max_completion_tokens token_limit "
    "max_new_tokens context_length context_length_exceeded model_context_window_exceeded",
    FILTERED: "content_filter content_filtered contentfilter safety recitation blocklist prohibited_content "
    "spii refusal refused guardrail guardrail_intervened moderation flagged sensitive language image_safety",
}
_END_OF = {name: end for end, names in _ENDS.items() for name in names.split()}


def end_of(finish_reason: object) -> str:
    """Maps the names servers use to `stop`, `length` or `content_filter`; others stay; none means `stop`."""
    if finish_reason is None or finish_reason == "":
        return STOP
    name = str(finish_reason).strip()
    plain = re.sub(r"[^a-z]+", "_", name.lower()).strip("_")
    plain = re.sub(r"^finish_?reason_", "", plain)
    return _END_OF.get(plain, name)


def read_end(completion: object, choice: object) -> object:
    """The finish reason, wherever a server puts it; None if there is none.

    A gateway's `stop` beside the provider's own reason for a half answer is that reason.
    """
    reasons = [
        value
        for holder in (choice, completion)
        if isinstance(holder, dict)
        for name in ("finish_reason", "native_finish_reason")
        if (value := holder.get(name)) not in (None, "")
    ]
    halves = [reason for reason in reasons[1:] if end_of(reason) in {LENGTH, FILTERED}]
    if halves and end_of(reasons[0]) == STOP:
        return halves[0]
    return reasons[0] if reasons else None


ENDS_OF_CALLS = frozenset({"tool_calls", "tool_call", "tool_use", "function_call"})
"""Finish reasons of a reply that calls tools: complete if it does, unknown ends if it does not."""

MOST_CHARACTERS_PER_TOKEN = 8
"""Higher than any tokenizer reaches over a whole text; typical values are three to five."""
SHORTEST_CUT = 6_000
"""Shorter prompts, in characters, are not checked."""
FEWEST_PER_TOKEN = 4.2
"""Characters per token that a cut prompt exceeds: a server may also estimate its count as a fourth."""
CHARACTERS_PER_CJK_TOKEN = 2.5
"""Above what any tokenizer reaches over a text: one to two."""
_PIECES = re.compile(
    r"[A-Za-z\u00c0-\u024f\u0300-\u03ff\u0400-\u04ff]+|[\uac00-\ud7af]+|[0-9]+"
    r"|(?<=[\w)\]])[.,;:!?](?=\s)"
)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_SHARE = 0.95


def is_cut(request: ChatRequest, reply: ChatReply) -> bool:
    """Whether the server truncated the prompt: it counted fewer tokens than the text can have.

    No tokenizer puts two words, or a word and a number, into one token. So the words, numbers and marks
    after words are a lower bound that is close for prose and holds for code, formulas, tables and blanks.
    """
    counted = reply.usage.prompt_tokens
    texts = [message.content for message in request.messages]
    characters = sum(map(len, texts))
    if reply.is_prompt_estimated or characters < SHORTEST_CUT or counted <= 0:
        return False
    cjk = sum(0 if text.isascii() else len(_CJK.findall(text)) for text in texts)
    if characters + cjk * (FEWEST_PER_TOKEN / CHARACTERS_PER_CJK_TOKEN - 1) <= counted * FEWEST_PER_TOKEN:
        return False
    if abs(characters - CHARACTERS_PER_TOKEN * counted) < 0.05 * characters:
        return False  # the server's estimate
    pieces = sum(len(_PIECES.findall(text)) for text in texts) + cjk / CHARACTERS_PER_CJK_TOKEN
    return counted < pieces * _SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A message's text, and the reasoning that the server reported separately."""

    text: str
    thoughts: str


_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
"""A server that fills several repeats the thought in each."""
_THOUGHT_PARTS = {
    *("thinking", "reasoning", "thought", "redacted_thinking"),
    *("reasoning_text", "reasoning_content", "summary_text"),
}
_NOT_TEXT = {"type", "signature", "id", "format", "index", "status", "data", "encrypted_content", "effort"}


def read_content(message: object) -> Content | None:
    """Reads the message of a chat completion: a text or a list of parts; None if it is neither."""
    if not isinstance(message, dict):
        return None
    content = message.get("content")
    beside = (_text_within(message.get(name)) for name in _THOUGHT_FIELDS)
    thoughts = [thought for thought in beside if thought][:1]
    if isinstance(content, str | None):
        return Content(text=content or "", thoughts="\n".join(thoughts))
    if not isinstance(content, list) or not all(isinstance(part, dict | str) for part in content):
        return None
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif part.get("thought") is True or part.get("type") in _THOUGHT_PARTS:
            thoughts.append(_text_within(part))
        elif isinstance(part.get("text"), str) and part.get("type", "text") in {"text", "output_text"}:
            texts.append(part["text"])
    return Content(text="".join(texts), thoughts="\n".join(filter(None, thoughts)))


def read_tool_calls(message: object) -> tuple[ToolCall, ...]:
    """A message's calls of tools, also in the older form `function_call`; malformed ones are left out."""
    if not isinstance(message, dict):
        return ()
    calls = message.get("tool_calls")
    entries = calls if isinstance(calls, list) and calls else [{"function": message.get("function_call")}]
    functions = [entry.get("function", entry) for entry in entries if isinstance(entry, dict)]
    return tuple(
        ToolCall(name=function["name"], arguments=_arguments_of(function))
        for function in functions
        if isinstance(function, dict) and isinstance(function.get("name"), str) and function["name"]
    )


def _arguments_of(function: dict[str, object]) -> str:
    """Text by the standard; some servers send the object itself."""
    arguments = function.get("arguments", function.get("input"))
    if isinstance(arguments, str):
        return arguments
    return "{}" if arguments is None else json.dumps(arguments, ensure_ascii=False)


def read_block(completion: object) -> str:
    """Why a filter withheld the answer, in Gemini's words (`promptFeedback`); empty if it did not."""
    if not isinstance(completion, dict):
        return ""
    for name in ("promptFeedback", "prompt_feedback"):
        feedback = completion.get(name)
        if isinstance(feedback, dict):
            return str(feedback.get("blockReason") or feedback.get("block_reason") or "")
    return ""


def _text_within(value: object) -> str:
    """All texts within a reasoning part; servers nest them differently."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_text_within, value))
    if isinstance(value, dict):
        return "".join(_text_within(inner) for name, inner in value.items() if name not in _NOT_TEXT)
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorWords:
    """An error's message, and the parameter and code that it names."""

    message: str = ""
    param: str = ""
    code: str = ""


_WORDS = ("message", "msg", "detail", "error", "errors", "error_message", "reason", "description", "title")


def read_error(body: object) -> ErrorWords:
    """Reads the body of an error in any shape: an object, a list, a string, or plain text."""
    error, beside = body, ""
    if isinstance(body, dict) and "error" in body:
        error = body["error"]
        beside = _words_of({name: value for name, value in body.items() if name != "error"})
    if isinstance(error, str | int | float | None):
        said = "" if error is None or isinstance(error, bool) else str(error)
        both = said if beside in said else beside if said in beside else f"{said}: {beside}"
        return ErrorWords(message=both, param=_name_in(body, "param"), code=_name_in(body, "code"))
    words = _words_of(error) or beside or json.dumps(error, ensure_ascii=False)
    return ErrorWords(
        message=words + _more_words(error, words),
        param=_name_in(error, "param"),
        code=_name_in(error, "code"),
    )


def _name_in(error: object, name: str) -> str:
    return str(error.get(name) or "") if isinstance(error, dict) else ""


_TELLING = ("n_ctx", "n_prompt_tokens")
_FILTER_CODE = re.compile(r"[\"']code[\"']: ?[\"'](ResponsibleAI\w+|content_filter\w*)[\"']")


def _more_words(error: object, words: str) -> str:
    """What decides and the message does not say: llama.cpp's numbers, Azure's inner code, a type."""
    if not isinstance(error, dict):
        return ""
    more = [f"{name} {error[name]}" for name in _TELLING if isinstance(error.get(name), int)]
    inner = _FILTER_CODE.search(json.dumps(error, default=str))
    if inner is not None and inner[1] not in words:
        more.append(inner[1])
    kind = error.get("type")
    if isinstance(kind, str) and re.search("context|quota|billing", kind) and kind not in words:
        more.append(kind)
    return f" ({', '.join(more)})" if more else ""


def _words_of(error: object) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return "; ".join(filter(None, map(_words_of, error[:5])))
    if not isinstance(error, dict):
        return ""
    said = next((words for name in _WORDS if (words := _words_of(error.get(name)))), "")
    where = error.get("loc")
    if isinstance(where, list) and said:  # FastAPI: the field stands beside the words
        said = f"{'.'.join(map(str, where))}: {said}"
    more = _words_of(error.get("metadata", {}).get("raw")) if isinstance(error.get("metadata"), dict) else ""
    return f"{said}: {more}" if more and more not in said else said


def member(value: object, name: str) -> object:
    """A member of a JSON object; None if it has none of that name or is not an object."""
    return value.get(name) if isinstance(value, dict) else None


def count_in(value: object, name: str) -> int | None:
    """A member that is a whole number of at least 0, also as text or `7.0`; None if it is not."""
    found = member(value, name)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 12:
        return int(found)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
