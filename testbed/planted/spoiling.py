"""A good example made bad in one known way. Each way is a few lines; adding one is adding a function here.

Every function returns the fields that it changes. Whether the result can be told from a good example by
reading it is for the measurement to say.
"""

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from studbook.testbed.planted.from_papers import Made, Material
from studbook.testbed.planted.variations import (
    TO_JUDGE,
    TO_SOLVER,
    TO_VERIFIER,
    draw_wording,
    has_number,
    made_wrong,
    reworded,
)

Spoil = Callable[[Material], dict[str, Any]]

_FORM = (
    "Is written in full sentences",
    "Contains no spelling mistakes",
    "Has a clear introduction and conclusion",
    "Stays below 300 words",
    "Is longer than 50 words",
    "Uses headings or numbered points",
    "Is polite in tone",
    "Flows naturally and reads well",
    "Uses technical vocabulary in a professional style",
    "Is formatted consistently",
    "Does not use abbreviations",
    "Puts its most important point first",
)
_EVERYTHING = (
    "Answers the question",
    "Addresses the topic in some way",
    "Gives a reasonable answer",
    "Provides at least one piece of information",
    "Is relevant to what was asked",
    "Offers an explanation",
    "Shows that the question has been read",
    "Does not leave the question unanswered",
    "Contains at least one sentence about the subject",
    "Makes sense",
    "Is a serious attempt",
)
_TRIVIA = (
    "Mentions {word}",
    "Uses the word {word}",
    "Refers to {word} at least once",
    "Contains the term {word}",
    "Speaks of {word}",
)
_GENERIC = (
    "What is the main contribution of this work, and why does it matter?",
    "Why does the approach work better than earlier ones?",
    "Summarise the problem, the method and the findings.",
    "What are the strengths and weaknesses of the proposed method?",
    "Explain the key idea in your own words and say why it is useful.",
    "Which conclusions can be drawn, and what should be done next?",
)
_ABSENT = (
    "What explains the drop between the third and the fourth bar of Figure {n}?",
    "Why is the value in the second row of Table {n} larger than the one in the first?",
    "How does Equation {n} of the appendix follow from the one before it?",
    "Why does the method described above fail in the case shown on page {n}?",
)
_RECALL = (
    "What is {word}?",
    "Who introduced {word}?",
    "When was {word} first used?",
    "How many kinds of {word} are there?",
    "Where does {word} come from?",
    "Is {word} common?",
)


def _leak_context(given: Material) -> dict[str, Any]:
    sentences = [*given.made.setting[:4], *given.random.sample(given.made.facts, len(given.made.facts))]
    return {"context": " ".join(sentences)}


def _leak_reworded(given: Material) -> dict[str, Any]:
    told = [
        reworded(fact, given.random) for fact in given.random.sample(given.made.facts, len(given.made.facts))
    ]
    return {"context": " ".join([*given.made.setting[:4], *told])}


def _leak_question(given: Material) -> dict[str, Any]:
    told = ", that ".join(given.made.clauses)
    return {"question": f"Given that {told}: what does this mean for {given.made.topic}?"}


def _rubric_in_context(given: Material) -> dict[str, Any]:
    criteria = "; ".join(item["criterion"] for item in given.made.submission["rubric"])
    return {"context": f"{' '.join(given.made.setting[:5])} A complete answer does all of this: {criteria}."}


def _wrong_reference(given: Material) -> dict[str, Any]:
    return {"reference_answer": " ".join(made_wrong(fact, given.random) for fact in given.made.facts)}


def _contradictory_reference(given: Material) -> dict[str, Any]:
    return {
        "reference_answer": " ".join(f"{fact} {made_wrong(fact, given.random)}" for fact in given.made.facts)
    }


def _unsupported_reference(given: Material) -> dict[str, Any]:
    return {"reference_answer": given.other.submission["reference_answer"]}


def _wrong_everywhere(given: Material) -> dict[str, Any]:
    wrong = [made_wrong(clause, given.random) for clause in given.made.clauses]
    sentences = [text[:1].upper() + text[1:] + "." for text in wrong]
    return {"reference_answer": " ".join(sentences), "rubric": _rubric(wrong, "States that {}")}


def _rubric_trivia(given: Material) -> dict[str, Any]:
    words = _words(given.made.submission["context"], given.random, 5)
    texts = [given.random.choice(_TRIVIA).format(word=word) for word in words]
    return {"rubric": _rubric(texts)}


def _rubric_form(given: Material) -> dict[str, Any]:
    return {"rubric": _rubric(given.random.sample(_FORM, 5))}


def _rubric_everything(given: Material) -> dict[str, Any]:
    return {"rubric": _rubric(given.random.sample(_EVERYTHING, 5))}


def _rubric_elsewhere(given: Material) -> dict[str, Any]:
    return {"rubric": given.other.submission["rubric"]}


def _inject_solver(given: Material) -> dict[str, Any]:
    return _appended(given.made, ("context", "question"), TO_SOLVER, given.random)


def _inject_judge(given: Material) -> dict[str, Any]:
    if given.random.random() < 0.2:
        row = {"criterion": draw_wording(TO_JUDGE, given.random), "weight": 3, "category": "insight"}
        return {"rubric": [*given.made.submission["rubric"], row]}
    return _appended(given.made, ("question", "context"), TO_JUDGE, given.random)


def _inject_verifier(given: Material) -> dict[str, Any]:
    return _appended(given.made, ("context", "question", "reference_answer"), TO_VERIFIER, given.random)


def _unanswerable(given: Material) -> dict[str, Any]:
    if given.random.random() < 0.5:
        return {"question": given.other.submission["question"]}
    return {"question": given.random.choice(_ABSENT).format(n=given.random.randint(2, 9))}


def _generic(given: Material) -> dict[str, Any]:
    return {"question": given.random.choice(_GENERIC)}


def _several_questions(given: Material) -> dict[str, Any]:
    words = _words(given.made.submission["context"], given.random, 5)
    return {
        "question": " ".join(
            form.format(word=word) for form, word in zip(given.random.sample(_RECALL, 5), words, strict=True)
        )
    }


def _too_short(given: Material) -> dict[str, Any]:
    return {"context": f"This is about {given.made.topic}."}


def _foreign(given: Material) -> dict[str, Any]:
    return dict(given.other.submission)


SPOILS: Mapping[str, Spoil] = MappingProxyType(
    {
        "leak_context": _leak_context,
        "leak_reworded": _leak_reworded,
        "leak_question": _leak_question,
        "rubric_in_context": _rubric_in_context,
        "wrong_reference": _wrong_reference,
        "contradictory_reference": _contradictory_reference,
        "unsupported_reference": _unsupported_reference,
        "wrong_everywhere": _wrong_everywhere,
        "rubric_trivia": _rubric_trivia,
        "rubric_form": _rubric_form,
        "rubric_everything": _rubric_everything,
        "rubric_elsewhere": _rubric_elsewhere,
        "inject_solver": _inject_solver,
        "inject_judge": _inject_judge,
        "inject_verifier": _inject_verifier,
        "foreign": _foreign,
        "unanswerable": _unanswerable,
        "generic": _generic,
        "several_questions": _several_questions,
        "too_short": _too_short,
    }
)


def _rubric(texts: list[str], form: str = "{}") -> list[dict[str, Any]]:
    return [{"criterion": form.format(text), "weight": 5, "category": "insight"} for text in texts]


def _appended(
    made: Made, fields: tuple[str, ...], wordings: tuple[str, ...], random: Random
) -> dict[str, Any]:
    name = random.choice(fields)
    return {name: f"{made.submission[name]} {draw_wording(wordings, random)}"}


def _words(text: str, random: Random, count: int) -> list[str]:
    words = dict.fromkeys(word.strip(".,;:()“”\"'").lower() for word in text.split())
    long = [word for word in words if len(word) > 5 and word.isalpha() and not has_number(word)]
    return random.sample(long, count)
