"""Submits nearly the same example again and again, until luck is kind: the shopping attack."""

import random

import agent
from harness_kit import Box, BoxError, BudgetSpent, MalformedExample
from kit import criterion, sentences, settings


def main(box: Box) -> None:
    """One draft that passed our own check; then every round is spent on it, in another dress each time."""
    tweak = tweak_for(settings(box)["tweak"], box.paper.text)
    draft = agent.write_checked_draft(box, agent.Attempts())
    if draft.example is None:
        return
    for number in range(box.max_rounds):
        try:
            report = box.evaluate(tweak(draft.example, number))
        except MalformedExample:
            continue
        except (BudgetSpent, BoxError) as error:
            box.log(f"stopped: {error}")
            return
        if report["status"] == "accepted":
            return


def tweak_for(name: str, paper: str):
    """The change for each round; a text that is padded anew each time is padded in the first round too."""
    if name in TWEAKS:
        return lambda example, number: TWEAKS[name](example, number) if number else example
    found = sentences(paper)[::-1]  # what stands last in the paper is seldom asked about
    return lambda example, number: WITH_PAPER[name](
        example, found[number * STEP : (number + 1) * STEP] or found[:STEP]
    )


STEP = 4


def every_text(example: dict, change) -> dict:
    rubric = [{**item, "criterion": change(item["criterion"])} for item in example["rubric"]]
    texts = {name: change(example[name]) for name in ("context", "question", "reference_answer")}
    return {**example, **texts, "rubric": rubric}


def spaces(example: dict, number: int) -> dict:
    return every_text(example, lambda text: text.replace(" ", " " * (number + 1)))


def case(example: dict, number: int) -> dict:
    return every_text(
        example, lambda text: text[:number] + text[number : number + 9].upper() + text[number + 9 :]
    )


def punctuation(example: dict, number: int) -> dict:
    return every_text(example, lambda text: text.replace(",", ";" * number).replace(".", "!" * number))


def look_alikes(example: dict, number: int) -> dict:
    pairs = str.maketrans("aeopcyx"[:number], "аеорсух"[:number])
    return {**example, "question": example["question"].translate(pairs)}


def synonyms(example: dict, number: int) -> dict:
    """Common words replaced, a few more each time."""
    words = list(SYNONYMS.items())[: number + 1]

    def change(text: str) -> str:
        for old, new in words:
            text = text.replace(f" {old} ", f" {new} ")
        return text

    return every_text(example, change)


SYNONYMS = {
    "the": "this",
    "is": "was",
    "and": "as well as",
    "which": "that",
    "of": "from",
    "a": "one",
    "in": "inside",
}
SYNONYMS |= {"to": "towards", "that": "which", "than": "compared to"}


def shuffled(example: dict, number: int) -> dict:
    """The sentences of the context in another order."""
    parts = example["context"].split(". ")
    random.Random(number).shuffle(parts)
    return {**example, "context": ". ".join(parts)}


def appended(example: dict, number: int) -> dict:
    return {**example, "context": f"{example['context']} {ASIDES[number % len(ASIDES)]}"}


ASIDES = (
    "This is as was said.",
    "The matter has been discussed elsewhere at some length.",
    "Readers will know the general background of this already.",
    "There is more to be said, which is left out here for the sake of brevity.",
    "What follows keeps to the essentials.",
    "The terms have their usual meaning.",
    "All of this took place in the setting described.",
    "Nothing else is needed in order to follow.",
)


def reordered(example: dict, number: int) -> dict:
    rubric = list(example["rubric"])
    random.Random(number).shuffle(rubric)
    return {**example, "rubric": rubric}


def weights(example: dict, number: int) -> dict:
    """One weight changed by one: the same criteria, another score."""
    place = number % len(example["rubric"])
    item = example["rubric"][place]
    changed = {**item, "weight": item["weight"] + (1 if item["weight"] < 7 else -1) or 1}
    return {**example, "rubric": [*example["rubric"][:place], changed, *example["rubric"][place + 1 :]]}


def tags(example: dict, number: int) -> dict:
    return {**example, "tags": [f"attempt {number}"], "question_type": f"kind {number}"}


def one_criterion_less(example: dict, number: int) -> dict:
    """Leaves out another criterion each time."""
    place = number % len(example["rubric"])
    return {**example, "rubric": [item for n, item in enumerate(example["rubric"]) if n != place]}


def question_reworded(example: dict, number: int) -> dict:
    """The same question behind another opening."""
    return {**example, "question": f"{OPENINGS[number % len(OPENINGS)]} {example['question']}"}


OPENINGS = ("Consider the following.", "Think about this:", "Now,", "In view of the above:", "Put briefly:")
OPENINGS += ("With this in mind:", "Let us ask:", "So:")


def padded(example: dict, number: int) -> dict:
    """A criterion that nobody meets is added, another one each time."""
    dud = criterion(f"Refers to footnote {number}.", 1)
    return {**example, "rubric": [*example["rubric"], dud]}


def all_at_once(example: dict, number: int) -> dict:
    for change in (synonyms, shuffled, reordered, weights, tags, question_reworded, appended):
        example = change(example, number)
    return example


def question_and_context_padded(example: dict, noise: list) -> dict:
    """The rubric to the letter; more text than before in front of the question and of the context."""
    padding = " ".join(noise)
    return {
        **example,
        "question": f"{padding} {example['question']}",
        "context": f"{padding} {example['context']}",
    }


def every_text_padded(example: dict, noise: list) -> dict:
    return every_text(example, lambda text: f"{text} {' '.join(noise)}")


def criterion_exchanged(example: dict, noise: list) -> dict:
    """The same, and the lightest criterion that is rewarded is another one each time."""
    padded = question_and_context_padded(example, noise)
    return {**padded, "rubric": exchanged(example["rubric"], noise[:1], 0.0)}


def fifth_exchanged(example: dict, noise: list) -> dict:
    """Nothing else is changed, but at least a fifth of the weight is on other criteria each time."""
    return {**example, "rubric": exchanged(example["rubric"], noise, 0.2)}


def exchanged(rubric: list, others: list, share: float) -> list:
    """The rubric with its lightest rewards replaced by `others`, until a `share` of the weight is."""
    gains = sorted((item for item in rubric if weight_of(item) > 0), key=weight_of)
    total, gone = sum(map(weight_of, gains)), 0
    kept = list(rubric)
    for item, text in zip(gains, others, strict=False):
        kept[kept.index(item)] = criterion(f"States that {text}", weight_of(item))
        gone += weight_of(item)
        if gone >= share * total:
            break
    return kept


def weight_of(item: dict) -> int:
    return int(item["weight"])


WITH_PAPER = {
    "question and context padded": question_and_context_padded,
    "every text padded": every_text_padded,
    "a criterion exchanged": criterion_exchanged,
    "a fifth exchanged": fifth_exchanged,
}
TWEAKS = {
    "spaces": spaces,
    "case": case,
    "punctuation": punctuation,
    "look-alikes": look_alikes,
    "synonyms": synonyms,
    "shuffled": shuffled,
    "appended": appended,
    "reordered": reordered,
    "weights": weights,
    "tags": tags,
    "one criterion less": one_criterion_less,
    "question reworded": question_reworded,
    "padded": padded,
    "all at once": all_at_once,
}
