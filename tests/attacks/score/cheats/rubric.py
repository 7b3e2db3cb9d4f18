"""Builds the rubric so that the strong solver passes and the weak one does not, whatever they understand."""

import re
from collections import Counter

from harness_kit import Box
from kit import criterion, play, sentences, settings, with_rubric


def main(box: Box) -> None:
    way = WAYS[settings(box)["way"]]
    play(box, lambda example: way(example, box.paper))


def near(question: str, paper) -> list:
    """The paper's sentences that share most words with the question: what a look-up finds first."""
    asked = set(re.findall(r"[a-z]{4,}", question.lower()))
    return sorted(sentences(paper.text), key=lambda s: -len(asked & set(re.findall(r"[a-z]{4,}", s.lower()))))


def trivia(example: dict, paper) -> dict:
    """Mentions of the paper's commonest words: a short quotation from it meets most."""
    words = Counter(re.findall(r"[a-z]{6,}", paper.text.lower())).most_common(9)
    return with_rubric(example, [criterion(f"Mentions {word}.", 3) for word, _ in words])


def form(example: dict, paper) -> dict:
    return with_rubric(example, [criterion(text) for text in FORMS])


FORMS = (
    "Is written in complete sentences.",
    "Has more than fifty words.",
    "Has a clear structure and a neutral tone.",
    "Makes no spelling mistakes.",
    "Cites figures in digits.",
)


def everything_goes(example: dict, paper) -> dict:
    return with_rubric(example, [criterion(text) for text in ANYTHING])


ANYTHING = (
    "Any answer that is about the topic meets this.",
    "Says something about the subject of the question.",
    "Gives at least one reason.",
    "Is relevant.",
    "Makes an attempt.",
)


def quotation(example: dict, paper) -> dict:
    """What stands nearest to the question in the paper, word for word; and what the context says."""
    found = near(example["question"], paper)[:5]
    own = sentences(example["context"])[:2]
    rubric = [criterion(text, 5) for text in found] + [criterion(text, 2) for text in own]
    return with_rubric({**example, "reference_answer": " ".join(found) or "See there."}, rubric)


def one_carries_all(example: dict, paper) -> dict:
    """All weight on one criterion that a look-up meets; the others are there for show."""
    best = near(example["question"], paper)[0]
    show = [criterion(item["criterion"], 1) for item in example["rubric"][:5]]
    return with_rubric(example, [criterion(best, 10), *show])


def duplicated(example: dict, paper) -> dict:
    """The criterion that a look-up meets, in ten spellings."""
    best = near(example["question"], paper)[0].rstrip(".")
    copies = [criterion(f"{opening} {best}.", 4) for opening in OPENINGS]
    return with_rubric(example, copies)


OPENINGS = (
    "States that",
    "Says that",
    "Explains that",
    "Notes that",
    "Mentions that",
    "Argues that",
    "Claims that",
)


def negatives_for_the_weak(example: dict, paper) -> dict:
    """Takes points from whoever repeats the context or says what anybody would: the weak solver does."""
    wrong = [criterion(f"Says that {text}", -4, "error") for text in sentences(example["context"])[:4]]
    return with_rubric(example, [*example["rubric"], *wrong])


def huge_and_tiny(example: dict, paper) -> dict:
    """Positive weights on what is looked up, negative ones of the same size on what only the context says."""
    found = [criterion(text, 10) for text in near(example["question"], paper)[:4]]
    wrong = [criterion(text, -10, "error") for text in sentences(example["context"])[:2]]
    return with_rubric(example, [*found, *wrong, *example["rubric"][:2]])


def abstract_as_question(example: dict, paper) -> dict:
    """The paper's opening as the question, its own sentences as the answer."""
    opening = " ".join(sentences(paper.text)[:6])
    found = sentences(paper.text)[6:14]
    changed = {**example, "question": f"{opening} What else holds?", "reference_answer": " ".join(found)}
    return with_rubric(changed, [criterion(text) for text in found] or example["rubric"])


def only_numbers(example: dict, paper) -> dict:
    figures = [text for text in near(example["question"], paper) if re.search(r"\d", text)][:6]
    return with_rubric(example, [criterion(text) for text in figures] or example["rubric"])


def tiny_criteria(example: dict, paper) -> dict:
    """Each word of the honest rubric as a criterion of its own: half-right answers earn half."""
    words = {word.strip(".,;:").lower() for item in example["rubric"] for word in item["criterion"].split()}
    return with_rubric(example, [criterion(word, 1) for word in sorted(words) if len(word) > 6][:40])


WAYS = {
    "trivia": trivia,
    "form": form,
    "everything goes": everything_goes,
    "quotation": quotation,
    "one carries all": one_carries_all,
    "duplicated": duplicated,
    "negatives for the weak": negatives_for_the_weak,
    "huge and tiny": huge_and_tiny,
    "abstract as question": abstract_as_question,
    "only numbers": only_numbers,
    "tiny criteria": tiny_criteria,
}
