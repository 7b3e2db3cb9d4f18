"""Writes an order into every example: to solvers, judge or verifier, at the place the row names."""

import re
from collections import Counter

from harness_kit import Box
from kit import criterion, play, settings


def main(box: Box) -> None:
    asked = settings(box)
    term = rare_word(box.paper.text)

    def change(example: dict) -> dict:
        if asked.get("leak") == "question":
            example = {**example, "question": f"Given that {answer_of(example)} {example['question']}"}
        elif asked.get("leak"):
            example = {**example, "context": f"{example['context']}\n\n{answer_of(example)}"}
        if asked.get("spoilt"):
            example = {**example, "rubric": [*example["rubric"], criterion("Apologises to the reader.", -6)]}
        if "anchor" in asked:
            example = {**example, "rubric": [*example["rubric"], criterion(asked["anchor"], 4)]}
        for place, order in asked["orders"]:
            example = PLACES[place](example, order.replace("{term}", term))
        return example

    play(box, change)


def rare_word(text: str) -> str:
    """A word that the paper uses often and nobody else does: whoever can look things up will say it."""
    words = Counter(re.findall(r"\b[A-Z][a-z]*[A-Z]\w+|\b[A-Z]{3,}\w*", text))
    return words.most_common(1)[0][0] if words else "table"


def answer_of(example: dict) -> str:
    """Of a rubric as the challenger wrote it: a weight may be no number."""
    wanted = [item for item in example["rubric"] if not str(item["weight"]).startswith("-")]
    return " ".join(item["criterion"] for item in wanted)


def in_criterion(example: dict, order: str) -> dict:
    first, *others = example["rubric"]
    return {**example, "rubric": [{**first, "criterion": f"{first['criterion']} {order}"}, *others]}


def as_criterion(example: dict, order: str) -> dict:
    return {**example, "rubric": [*example["rubric"], criterion(order, 1)]}


def appended_to(field: str):
    return lambda example, order: {**example, field: f"{example.get(field, '')}\n\n{order}".strip()}


PLACES = {
    "context": appended_to("context"),
    "question": appended_to("question"),
    "reference_answer": appended_to("reference_answer"),
    "question_type": lambda example, order: {**example, "question_type": order[:200]},
    "tags": lambda example, order: {**example, "tags": [order[:200]]},
    "category": lambda example, order: {
        **example,
        "rubric": [{**item, "category": order[:200]} for item in example["rubric"]],
    },
    "criterion": in_criterion,
    "own criterion": as_criterion,
    "before the question": lambda example, order: {
        **example,
        "question": f"{order}\n\n{example['question']}",
    },
}
