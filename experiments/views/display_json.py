"""The run as one JSON object on stdout when it has ended; silence before. Its shape is in docs/cli.md."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, TextIO

from studbook.experiments.views.views import EndView, IterationView, ProgressView, StartView
from studbook.rate import Rate

SCHEMA_VERSION = 1


def as_json(value: Any) -> Any:
    """Views and records as plain JSON; a rate keeps its n and its 95 % interval."""
    if isinstance(value, Rate):
        low, high = value.interval()
        return {"passed": value.passed, "n": value.n, "low": round(low, 6), "high": round(high, 6)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return round(float(value), 6)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value


def json_text(value: Any) -> str:
    """Pure ASCII: foreign text cannot steer a terminal."""
    return json.dumps(as_json(value), indent=2)


class JsonDisplay:
    """`note` gets what would be a notice elsewhere: warnings belong on stderr even here."""

    def __init__(self, results: TextIO, note: Callable[[str], None]) -> None:
        self._results = results
        self._note = note
        self._start: StartView | None = None
        self._seed: Rate | None = None
        self._iterations: list[IterationView] = []

    def started(self, view: StartView) -> None:
        self._start = view

    def seed_measured(self, rate: Rate) -> None:
        self._seed = rate

    def promoted(self, stage: str, harness_id: str, so_far: Rate) -> None:
        """Nothing: the end says it with all replicates."""

    def working(self, what: str) -> None:
        """Nothing: one object, at the end."""

    def iteration_ended(self, view: IterationView, progress: ProgressView) -> None:
        self._iterations.append(view)

    def notice(self, text: str) -> None:
        self._note(text)

    def finished(self, view: EndView) -> None:
        whole = {
            "schema": SCHEMA_VERSION,
            "start": self._start,
            "seed_validation": self._seed,
            "iterations": self._iterations,
            "end": view,
        }
        self._results.write(json_text(whole) + "\n")

    def close(self) -> None:
        """Nothing to restore."""
