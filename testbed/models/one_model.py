"""One testbed model under any name that plays every role, as the one model of a small endpoint does.

Which role is asked for is recognized by the sections of the prompt. A prompt without any of them is answered
like a solver.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from studbook.llm.contracts import Backend, ChatReply, ChatRequest
from studbook.testbed.models.backend import PREFIX
from studbook.testbed.models.request import all_text, find_section

NAME = "testbed"

_SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "analyzer": ("harness_files", "trajectories"),
        "implementer": ("diagnosis", "files"),
        "judge": ("answer", "criteria"),
        "final-verifier": ("reference_answer", "rubric"),
        "challenger": ("paper",),
        "verifier": ("example",),
        "strong": ("source_document", "question"),
        "weak": ("question",),
    }
)
"""The sections of each role's prompt; the first role that has all of its sections is meant."""


class OneModel:
    """Implements `studbook.llm.contracts.Backend`. The testbed's own names still mean a single role."""

    def __init__(self, testbed: Backend) -> None:
        self._testbed = testbed

    def complete(self, request: ChatRequest) -> ChatReply:
        if request.model.startswith(PREFIX):
            return self._testbed.complete(request)
        role = role_of(request)
        reply = self._testbed.complete(replace(request, model=f"{PREFIX}{role}"))
        return replace(reply, model=request.model)


def role_of(request: ChatRequest) -> str:
    """As in the testbed's names: `final-verifier`."""
    text = all_text(request.messages)
    return next(
        (role for role, tags in _SECTIONS.items() if all(find_section(text, tag) for tag in tags)), "weak"
    )
