"""What the cheats share: the honest loop, with something of its done differently. Runs inside a box."""

import json
import re

import agent
from harness_kit import Box


def play(box: Box, change) -> None:
    """The honest loop, but every example goes through `change` before it is measured."""
    honest = agent.measure
    agent.measure = lambda box, example: honest(box, change(example))
    agent.main(box)


def play_with(box: Box, measure) -> None:
    """The honest loop, but an example is measured by `measure(box, example, honest)`."""
    honest = agent.measure
    agent.measure = lambda box, example: measure(box, example, honest)
    agent.main(box)


def settings(box: Box) -> dict:
    """What this row of the table asks the cheat to do."""
    return json.loads(box.read("cheat.json"))


def with_rubric(example: dict, rubric: list) -> dict:
    return {**example, "rubric": rubric}


def criterion(text: str, weight: int = 5, category: str = "insight") -> dict:
    return {"criterion": text, "weight": weight, "category": category}


def sentences(text: str) -> list:
    """The plain sentences of a paper, in order."""
    prose = [line for line in text.splitlines() if len(line) > 80 and line[:1].isalpha()]
    return [part for part in re.split(r"(?<=[.!?])\s+", " ".join(prose)) if 40 < len(part) < 220]
