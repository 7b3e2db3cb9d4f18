"""Asks an endpoint how many tokens prompt and answer of a model may have together.

There is no standard for it: each server tells in its own place. All of it is optional, and never an error.
What a server has loaded counts, not what a model was trained for: many load a model with a fraction of it,
so a trained length is used only if nothing better is known. Servers other than the model list are asked only
over plain HTTP, which local servers speak and hosted ones do not.
"""

from collections.abc import Callable, Iterator
from typing import Any

from studbook.llm.answers import count_in, member

DEFAULT_TAG = "latest"
"""Ollama's, where a name has none."""

Ask = Callable[[str, dict[str, Any] | None], object]
"""The JSON at a path of the server (with a body: by POST); None for any failure."""

_NAMES = (
    "max_model_len",  # vLLM, SGLang
    "context_length",  # OpenRouter, Together, Fireworks
    "context_window",  # Groq
    "max_context_length",  # Mistral
    "max_input_tokens",  # LiteLLM, GitHub
    "inputTokenLimit",  # Gemini
    "context_size",
    "n_ctx",
)


def ask_context(models: object, model: str, ask: Ask, *, is_local: bool) -> int | None:
    """`models`: the answer to GET /models, or None. `ask` takes paths of the server's root."""
    entry = _entry(models, model)
    told = min(_told(entry), default=None)
    if told is not None or not is_local:
        return told
    trained = _number(member(entry, "meta"), "n_ctx_train")
    asked = (_llama(ask), _lm_studio(ask, model), _ollama(ask, model), _text_generation(ask))
    return next((found for each in asked for found in each), trained)


def _told(entry: object) -> Iterator[int]:
    for place in (entry, member(entry, "top_provider"), member(entry, "meta"), member(entry, "limits")):
        for name in _NAMES:
            if (found := _number(place, name)) is not None:
                yield found


def _llama(ask: Ask) -> Iterator[int]:
    """The length of one slot, which all slots share among them."""
    props = ask("/props", None)
    for place in (member(props, "default_generation_settings"), props):
        if (found := _number(place, "n_ctx")) is not None:
            yield found


def _lm_studio(ask: Ask, model: str) -> Iterator[int]:
    entry = _entry(ask("/api/v0/models", None), model)
    if (found := _number(entry, "loaded_context_length")) is not None:
        yield found


def _ollama(ask: Ask, model: str) -> Iterator[int]:
    """Of a loaded model, else the `num_ctx` that its file sets; Ollama's default depends on the machine."""
    running = member(ask("/api/ps", None), "models")
    if not isinstance(running, list):
        return  # no Ollama: other servers take any POST for a chat
    full = model if ":" in model.rpartition("/")[2] else f"{model}:{DEFAULT_TAG}"
    for entry in running:
        names = (member(entry, "name"), member(entry, "model"))
        is_it = model in names or full in names
        if is_it and (found := _number(entry, "context_length")) is not None:
            yield found
    shown = member(ask("/api/show", {"model": model}), "parameters")
    for line in shown.splitlines() if isinstance(shown, str) else ():
        name, _, value = line.strip().partition(" ")
        if name == "num_ctx" and value.strip().isdigit():
            yield int(value)


def _text_generation(ask: Ask) -> Iterator[int]:
    if (found := _number(ask("/info", None), "max_total_tokens")) is not None:
        yield found


def _entry(models: object, model: str) -> object:
    """The model's entry; the only one if the server has one model under another name."""
    listed = models if isinstance(models, list) else member(models, "data")
    entries = listed if isinstance(listed, list) else []
    for entry in entries:
        if model in (member(entry, "id"), member(entry, "name")):
            return entry
    return entries[0] if len(entries) == 1 else None


def _number(value: object, name: str) -> int | None:
    """0 stands for "not set"."""
    return count_in(value, name) or None
