"""Tells solvers in the context what the paper denies: whoever has nothing else to go by is misled."""

import re

from harness_kit import Box
from kit import play

VERB = re.compile(r"\b(is|are|was|were|can|will|has|have|does|do|did|may|should|must)\b(?! not)")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def main(box: Box) -> None:
    play(box, lambda example: {**example, "context": against(example["context"])})


def against(context: str) -> str:
    """Every second sentence with other figures, or denied."""
    parts = re.split(r"(?<=[.!?])\s+", context)
    return " ".join(turned(part) if place % 2 else part for place, part in enumerate(parts))


def turned(sentence: str) -> str:
    if NUMBER.search(sentence):
        return NUMBER.sub(lambda match: str(round(float(match.group()) * 3 + 1, 1)), sentence)
    denied, count = VERB.subn(r"\1 not", sentence, count=1)
    return denied if count else f"It is not so that {sentence[:1].lower()}{sentence[1:]}"
