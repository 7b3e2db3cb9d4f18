"""One tiny call to a role's model, and what to make of the answer: for `studbook doctor` and a run's start.

Goes past the records on purpose: a recorded answer says nothing about the endpoint of today.
"""

import re
from dataclasses import dataclass

from studbook.errors import ModelError
from studbook.llm.contracts import Backend, ChatCall, ChatReply, Message, RoleModel

QUESTION = "What is 2 + 2? Answer with one short sentence."
PROBE_TOKENS = 512
FEWEST_PRINTABLE = 0.8
NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffd]")
"""Control characters and what could not be decoded: no model writes them in an answer on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """`text` is one line when healthy, else three: what, where, what to do next."""

    role: str
    model: str
    is_healthy: bool
    text: str


def probe(role: str, to: RoleModel, backend: Backend) -> Diagnosis:
    """Asks once, without retries."""
    call = ChatCall(
        role=role,
        messages=(Message(role="user", content=QUESTION),),
        seed=0,
        max_tokens=min(PROBE_TOKENS, to.max_tokens),
    )
    try:
        reply = backend.complete(to.resolve(call))
    except ModelError as error:
        return Diagnosis(role=role, model=to.model, is_healthy=False, text=str(error))
    fault = _fault_of(reply)
    if fault:
        where = f"endpoint {to.endpoint!r}, model {to.model!r}"
        return Diagnosis(role=role, model=to.model, is_healthy=False, text=f"{fault[0]}\n{where}\n{fault[1]}")
    used = f"{reply.usage.prompt_tokens} + {reply.usage.completion_tokens} tokens"
    return Diagnosis(role=role, model=to.model, is_healthy=True, text=f"{to.model} answers ({used})")


def _fault_of(reply: ChatReply) -> tuple[str, str] | None:
    """What is wrong with an answer, and what to do; None when it reads as text."""
    if not reply.text.strip():
        return (
            f"the model answered with an empty text (finish_reason {reply.finish_reason!r})",
            "raise max_tokens for this role (reasoning may have used them up), or take another model",
        )
    readable = sum(character.isprintable() or character.isspace() for character in reply.text)
    if readable < FEWEST_PRINTABLE * len(reply.text) or NO_TEXT.search(reply.text):
        return (
            f"the model answered with garbage: {reply.text[:60]!r}",
            "check the model's name, its chat template and its weights, or take another model",
        )
    return None
