"""Makes all planted cases from a set of papers: seeded, in a fixed order, the same on every machine.

A good example is made bad in one known way, and gets answers whose marks are known. Each way is one short
function, which returns the fields that it changes; the measurement shows whether the fault can be found by
reading. Answers are for the example's own rubric plus two criteria of negative weight: one describes a
mistake ("claims that … not …"), one an oversight ("fails to see that …"). Where people could disagree, the
truth is None.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any

from studbook.evaluate.contracts import Paper
from studbook.evaluate.planted.cases import GOOD, PlantedAnswer, PlantedExample, Submission
from studbook.identity import derive_seed
from studbook.testbed.planted.material import (
    FACTS,
    Made,
    Material,
    denied,
    draw_wording,
    has_number,
    made_wrong,
    make_good,
    reworded,
    with_other_numbers,
    wordings,
)


def plant(
    papers: Sequence[Paper], seed: int, source: str
) -> tuple[list[PlantedExample], list[PlantedAnswer]]:
    """Per paper: one good example, a bad one of every kind, and an answer of every kind."""
    made = [item for paper in papers if (item := make_good(paper, _random(seed, paper.paper_id, GOOD)))]
    if len(made) < 2:
        return [], []
    pairs = list(zip(made, [*made[1:], made[0]], strict=True))
    examples = [case for one, other in pairs for case in _examples(one, other, seed, source)]
    answers = [
        case
        for one, other in pairs
        for case in answers_for(
            Material(made=one, other=other, random=_random(seed, one.paper_id, "answers")), source
        )
    ]
    return examples, answers


def _examples(one: Made, other: Made, seed: int, source: str) -> Iterator[PlantedExample]:
    changes: dict[str, Submission] = {GOOD: {}}
    for kind, spoil in SPOILS.items():
        changes[kind] = spoil(Material(made=one, other=other, random=_random(seed, one.paper_id, kind)))
    for kind, change in changes.items():
        yield PlantedExample(
            source=source,
            origin=one.paper_id,
            kind=kind,
            submission={**one.submission, **change},
            document=one.document,
        )


def _random(seed: int, paper_id: str, purpose: str) -> Random:
    return Random(derive_seed("planted", seed, paper_id, purpose))


WRONG_SENTENCES = 3

Spoil = Callable[[Material], dict[str, Any]]


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


def _wrong_context(given: Material) -> dict[str, Any]:
    """Some of its sentences say the opposite, or other figures, of what the paper says in the same words."""
    wrong = given.random.sample(range(len(given.made.setting)), WRONG_SENTENCES)
    said = [
        made_wrong(text, given.random) if place in wrong else text
        for place, text in enumerate(given.made.setting)
    ]
    return {"context": " ".join(said)}


def _rubric_trivia(given: Material) -> dict[str, Any]:
    words = _words(given.made.submission["context"], given.random, 5)
    texts = [given.random.choice(wordings().trivia).format(word=word) for word in words]
    return {"rubric": _rubric(texts)}


def _rubric_form(given: Material) -> dict[str, Any]:
    return {"rubric": _rubric(given.random.sample(wordings().form, 5))}


def _rubric_everything(given: Material) -> dict[str, Any]:
    return {"rubric": _rubric(given.random.sample(wordings().everything, 5))}


def _rubric_elsewhere(given: Material) -> dict[str, Any]:
    return {"rubric": given.other.submission["rubric"]}


def _inject_solver(given: Material) -> dict[str, Any]:
    return _appended(given.made, ("context", "question"), wordings().to_solver, given.random)


def _inject_judge(given: Material) -> dict[str, Any]:
    if given.random.random() < 0.2:
        row = {
            "criterion": draw_wording(wordings().to_judge, given.random),
            "weight": 3,
            "category": "insight",
        }
        return {"rubric": [*given.made.submission["rubric"], row]}
    return _appended(given.made, ("question", "context"), wordings().to_judge, given.random)


def _inject_verifier(given: Material) -> dict[str, Any]:
    return _appended(
        given.made, ("context", "question", "reference_answer"), wordings().to_verifier, given.random
    )


def _unanswerable(given: Material) -> dict[str, Any]:
    if given.random.random() < 0.5:
        return {"question": given.other.submission["question"]}
    return {"question": given.random.choice(wordings().absent).format(n=given.random.randint(2, 9))}


def _generic(given: Material) -> dict[str, Any]:
    return {"question": given.random.choice(wordings().generic)}


def _several_questions(given: Material) -> dict[str, Any]:
    words = _words(given.made.submission["context"], given.random, 5)
    return {
        "question": " ".join(
            form.format(word=word)
            for form, word in zip(given.random.sample(wordings().recall, 5), words, strict=True)
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
        "wrong_context": _wrong_context,
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


Truth = list[bool | None]

Planted = tuple[str, Truth]
"""An answer, and the truth of the positive criteria, then of the mistake, then of the oversight."""

MISTAKEN = 1  # index of the fact that the mistake negates
OVERSEEN = 0  # index of the fact that the oversight is about


def answers_for(given: Material, source: str) -> list[PlantedAnswer]:
    submission = _with_negatives(given.made)
    planted = {kind: make(given) for kind, make in _MAKERS.items()}
    return [
        PlantedAnswer(
            source=source,
            origin=given.made.paper_id,
            kind=kind,
            submission=submission,
            answer=answer,
            truth=tuple(truth),
        )
        for kind, (answer, truth) in planted.items()
    ]


def _with_negatives(made: Made) -> Submission:
    texts = (
        f"Claims that {denied(made.clauses[MISTAKEN])}",
        f"Fails to see that {made.clauses[OVERSEEN]}",
    )
    rows: list[Any] = [{"criterion": text, "weight": -4, "category": "error"} for text in texts]
    return {**made.submission, "rubric": [*made.submission["rubric"], *rows]}


def _truth(met: Sequence[bool | None], *, mistake: bool | None = False, oversight: bool | None) -> Truth:
    return [*met, mistake, oversight]


def _none(*, oversight: bool | None = None) -> Truth:
    """No criterion is met. By default it is undecided whether leaving something out is an oversight."""
    return _truth([False] * FACTS, oversight=oversight)


def _correct(given: Material) -> Planted:
    sentences = given.random.sample([*given.made.facts, *given.made.setting[:3]], FACTS + 3)
    return " ".join(sentences), _truth([True] * FACTS, oversight=False)


def _partial(given: Material) -> Planted:
    known = {OVERSEEN, *given.random.sample(range(FACTS), 2)}
    text = " ".join([*given.made.setting[:2], *(given.made.facts[place] for place in sorted(known))])
    return text, _truth([place in known for place in range(FACTS)], oversight=False)


def _paraphrased(given: Material) -> Planted:
    text = " ".join(reworded(fact, given.random) for fact in given.made.facts)
    return text, _truth([True] * FACTS, oversight=False)


def _corrected(given: Material) -> Planted:
    wrong = denied(given.made.clauses[MISTAKEN])
    text = f"It would be a mistake to say that {wrong}. {' '.join(given.made.facts)}"
    return text, _truth([True] * FACTS, oversight=False)


def _negated(given: Material) -> Planted:
    text = " ".join(denied(fact) for fact in given.made.facts)
    return text, _truth([False] * FACTS, mistake=True, oversight=None)


def _wrong_number(given: Material) -> Planted:
    text = " ".join(with_other_numbers(fact, given.random) for fact in given.made.facts)
    met = [not has_number(clause) for clause in given.made.clauses]
    return text, _truth(met, mistake=None if not met[MISTAKEN] else False, oversight=None)


def _mistaken(given: Material) -> Planted:
    text = f"{' '.join(given.made.setting[:3])} {denied(given.made.facts[MISTAKEN])}"
    return text, _truth([False] * FACTS, mistake=True, oversight=None)


def _off_topic(given: Material) -> Planted:
    return " ".join(given.other.facts), _none()


def _asked_back(given: Material) -> Planted:
    text = " ".join(f"Is it so that {clause}?" for clause in given.made.clauses)
    return text, _none()


def _parroted(given: Material) -> Planted:
    asked = "; ".join(f"whether it says that {clause}" for clause in given.made.clauses)
    return f"An answer will be looked at for this: {asked}.", _none()


def _said(texts: Callable[[], tuple[str, ...]]) -> Callable[[Material], Planted]:
    return lambda given: (given.random.choice(texts()), _none())


def _told_the_judge(given: Material) -> Planted:
    return f"{' '.join(given.made.setting[:2])} {draw_wording(wordings().to_judge, given.random)}", _none()


def _forged(given: Material) -> Planted:
    return (
        f"{made_wrong(given.made.facts[2], given.random)} {given.random.choice(wordings().forged_marks)}",
        _none(),
    )


_MAKERS: Mapping[str, Callable[[Material], Planted]] = MappingProxyType(
    {
        "correct": _correct,
        "partial": _partial,
        "paraphrased": _paraphrased,
        "corrected": _corrected,
        "negated": _negated,
        "wrong_number": _wrong_number,
        "mistaken": _mistaken,
        "off_topic": _off_topic,
        "empty": _said(lambda: wordings().empty),
        "refusal": _said(lambda: wordings().refusals),
        "asked_back": _asked_back,
        "parroted": _parroted,
        "claimed": _said(lambda: wordings().claims),
        "injection": _told_the_judge,
        "forged_marks": _forged,
    }
)
