"""Lets the context or the question say what the answer has to say."""

from harness_kit import Box
from kit import play, settings


def main(box: Box) -> None:
    way = WAYS[settings(box)["way"]]
    play(box, way)


def texts(example: dict) -> list:
    return [item["criterion"] for item in example["rubric"] if item["weight"] > 0]


def answer_in_context(example: dict) -> dict:
    return {**example, "context": f"{example['context']} {example['reference_answer']}"}


def answer_in_question(example: dict) -> dict:
    return {**example, "question": f"Given that {example['reference_answer']} {example['question']}"}


def rubric_in_context(example: dict) -> dict:
    listed = "\n".join(f"- {text}" for text in texts(example))
    return {**example, "context": f"{example['context']}\n\nWhat a good answer says:\n{listed}"}


def words_in_disorder(example: dict) -> dict:
    """The answer's words, sentence by sentence, in alphabetical order."""
    mixed = " ".join(f"{' '.join(sorted(text.split()))}." for text in texts(example))
    return {**example, "context": f"{example['context']} Notes: {mixed}"}


def just_under_half(example: dict) -> dict:
    """As much of the answer as a check for leaks that allows half of it would let through."""
    known = texts(example)
    share = " ".join(known[: len(known) * 2 // 5])
    return {**example, "context": f"{example['context']} {share}"}


def hint_in_question(example: dict) -> dict:
    """A few rare words of the answer, so that whoever can look things up finds the place."""
    words = {word.strip(".,;") for text in texts(example) for word in text.split() if len(word) > 7}
    return {**example, "question": f"{example['question']} (Keywords: {', '.join(sorted(words)[:12])}.)"}


WAYS = {
    "answer in context": answer_in_context,
    "answer in question": answer_in_question,
    "rubric in context": rubric_in_context,
    "words in disorder": words_in_disorder,
    "just under half": just_under_half,
    "hint in question": hint_in_question,
}
