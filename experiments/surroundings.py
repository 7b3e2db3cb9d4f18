"""What the command line takes from the process: its environment and `.env`, read once, and the clock."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from experiments.spec import Spec
from experiments.spec_loading import load_spec
from studbook.llm.settings import read_dotenv


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Surroundings:
    """No `repr`: the values hold keys."""

    environment: Mapping[str, str]
    dotenv: Mapping[str, str]

    @property
    def variables(self) -> dict[str, str]:
        """The environment wins."""
        return {**self.dotenv, **self.environment}

    def load(self, path: str | None, flags: Iterable[str]) -> Spec:
        """`path` None: the default spec, with the flags' changes."""
        return load_spec(
            Path(path) if path else None, flags, environment=self.environment, dotenv=self.dotenv
        )


def read_surroundings() -> Surroundings:
    return Surroundings(environment=dict(os.environ), dotenv=read_dotenv(Path(".env")))


def now() -> datetime:
    return datetime.now(UTC)
