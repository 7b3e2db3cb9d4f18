"""Any OpenAI-compatible endpoint."""

from typing import Any

from studbook.llm.contracts import Backend


class OpenAIKind:
    needs_key = True

    def open(self, **settings: Any) -> Backend:
        from studbook.llm.openai_backend import (
            OpenAIBackend,  # takes a second to import, which most runs can save
        )

        return OpenAIBackend(**settings)

    def model_of(self, model: str, role: str) -> str:  # one name serves all roles
        return model

    def version_of(self, model: str) -> str | None:  # what a server really runs cannot be observed
        return None


plugin = OpenAIKind
