"""The testbed behind the chat interface: one small text program per role, selected by model name alone.

They are not language models. They see only the messages, the temperature and the seed of a request: never a
mutant's id, its files, its diff or its history. The same request gets the same reply on any machine.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from studbook.code_identity import code_hash
from studbook.errors import ModelRejected
from studbook.identity import hash_json
from studbook.llm.contracts import CHARACTERS_PER_TOKEN, ChatReply, ChatRequest, Usage
from studbook.testbed.models import challenger, feedback, final_verifier, judge, solvers, verifier

Program = Callable[[ChatRequest], str]

PREFIX = "testbed-"

_ANSWERS: Mapping[str, Program] = MappingProxyType(
    {
        "challenger": challenger.reply,
        "verifier": verifier.reply,
        "orchestrator": feedback.advise,
        "weak": solvers.weak,
        "strong": solvers.strong,
        "judge": judge.reply,
        "final-verifier": final_verifier.reply,
    }
)
_META = ("analyzer", "implementer")

MODELS = tuple(PREFIX + name for name in (*_ANSWERS, *_META))


class TestbedBackend:
    """Implements `studbook.llm.contracts.Backend`. Stateless."""

    __test__ = False  # not a test class, although its name starts with "Test"

    def complete(self, request: ChatRequest) -> ChatReply:
        """Raises ModelRejected for a model that is not the testbed's."""
        text = _answer_of(request.model)(request)
        prompt = sum(len(message.content) for message in request.messages)
        cut = text[: request.max_tokens * CHARACTERS_PER_TOKEN]
        return ChatReply(
            text=cut,
            usage=Usage(prompt_tokens=_count(prompt), completion_tokens=_count(len(cut))),
            finish_reason="stop" if cut == text else "length",
            model=request.model,
        )


def _answer_of(model: str) -> Program:
    name = model.removeprefix(PREFIX)
    if name in _META and model != name:
        return _load(name)
    if name not in _ANSWERS or model == name:
        raise ModelRejected(f"the testbed has no model `{model}`.\nIt has: {', '.join(MODELS)}.")
    return _ANSWERS[name]


@cache
def program_hash(model: str) -> str:
    """Changes when the code of a model's program, or of its imports, changes; "" for an unknown model."""
    name = model.removeprefix(PREFIX)
    if model not in MODELS:
        return ""
    answer = _ANSWERS.get(name)
    if answer is None:
        return code_hash([f"studbook.testbed.models.{name}"])
    return hash_json([code_hash([answer.__module__]), answer.__qualname__])


def _load(name: str) -> Program:
    """Imported on first use: the roles inside a box never need the outer loop's repertoire."""
    reply: Program = import_module(f"studbook.testbed.models.{name}").reply
    return reply


def _count(characters: int) -> int:
    return max(1, -(-characters // CHARACTERS_PER_TOKEN))
