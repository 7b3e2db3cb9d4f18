import time
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluation import EXAMPLE as SMALL
from support.evaluation import PAPER, example_body, facts, harness

from studbook.errors import RequestRefused
from studbook.evaluate.contracts import Criterion, Example
from studbook.evaluate.near_duplicates import compare, find_near, fingerprint, overlap, shingles
from studbook.populations.records import FailureCategory

EXAMPLE = Example(
    context=(
        "Salt marshes lose their lower edge to waves. A survey followed eleven marshes over six years. "
        "Three of them were fenced against geese in the second year."
    ),
    question="Why did the fenced marshes keep their edge although the waves there were no smaller?",
    reference_answer="Ungrazed grass roots deeper and binds the mud, so the edge yields less to equal waves.",
    rubric=tuple(
        Criterion(criterion=text, weight=weight, category="insight")
        for text, weight in (
            ("Names grazing by geese as what differed between the marshes.", 4),
            ("Explains that ungrazed roots reach deeper into the mud.", 6),
            ("Connects bound mud with slower retreat at equal wave height.", 5),
            ("Rules out smaller waves as the cause.", 3),
            ("Mentions that the fences came in the second year.", 2),
            ("Claims that the fences broke the waves.", -4),
        )
    ),
    question_type="explanation",
    tags=(),
)
TOO_LONG = RequestRefused("too long: maximum is 8192\nendpoint 'e', model 'm'\nstep")
NOISE = "Meanwhile the harbour clock was repaired twice and the mayor bought a new hat for the parade."
CYRILLIC = str.maketrans("aeopcxy", "аеорсху")


def near(one, other):
    return compare(fingerprint(one), fingerprint(other)).is_near


def with_texts(example, change):
    return replace(
        example,
        context=change(example.context),
        question=change(example.question),
        reference_answer=change(example.reference_answer),
        rubric=tuple(replace(item, criterion=change(item.criterion)) for item in example.rubric),
    )


def shuffled(text):
    sentences = text.split(". ")
    Random(1).shuffle(sentences)
    return ". ".join(sentences)


def reworded(text):
    """Every eighth word is another, beginning with the sixth."""
    words = text.split()
    words[5::8] = ["indeed" for _ in words[5::8]]
    return " ".join(words)


REPEATS = {
    "the same": lambda e: e,
    "other weights": lambda e: replace(
        e, rubric=tuple(replace(item, weight=1 if item.weight > 0 else -1) for item in e.rubric)
    ),
    "criteria in another order": lambda e: replace(e, rubric=e.rubric[::-1]),
    "other tags and type": lambda e: replace(e, tags=("x",), question_type="listing"),
    "capitals and spaces": lambda e: with_texts(e, lambda text: "  ".join(text.upper().split())),
    "look-alike letters": lambda e: with_texts(e, lambda text: text.translate(CYRILLIC)),
    "hyphens within words": lambda e: with_texts(
        e, lambda text: text.replace("ar", "a-r").replace("en", "e-n")
    ),
    "noise after every text": lambda e: with_texts(e, lambda text: f"{text} {NOISE}"),
    "noise before the question": lambda e: replace(e, question=f"{NOISE} {e.question}"),
    "a junk paragraph": lambda e: replace(e, context=f"{NOISE * 20}\n\n{e.context}\n\n{NOISE * 9}"),
    "sentences shuffled": lambda e: with_texts(e, shuffled),
    "words replaced here and there": lambda e: with_texts(e, reworded),
    "another context": lambda e: replace(e, context=NOISE * 5),
    "another reference answer": lambda e: replace(e, reference_answer=NOISE),
    "ten punishments more": lambda e: replace(
        e,
        rubric=(
            *e.rubric,
            *(Criterion(criterion=f"Claims {NOISE} {n}.", weight=-1, category="") for n in range(10)),
        ),
    ),
    "a small criterion dropped": lambda e: replace(e, rubric=(*e.rubric[:4], e.rubric[5])),
    "another question, all else to the letter": lambda e: replace(
        e, question="Summarise what the survey found."
    ),
}

NEW_RUBRIC = tuple(
    Criterion(criterion=text, weight=3, category="insight")
    for text in (
        "Says what geese eat and what that leaves behind.",
        "Distinguishes erosion force from resistance to it.",
        "Uses the years before the fence as a comparison.",
        "Concludes that herbivores can govern shoreline position.",
    )
)
NEW = {
    "another question and rubric in the same context": lambda e: replace(
        e,
        question="What would you measure to tell a change of sediment supply from a change of grazing?",
        rubric=NEW_RUBRIC,
    ),
    "a rubric really rewritten": lambda e: replace(e, rubric=NEW_RUBRIC),
    "half of the rubric": lambda e: replace(e, rubric=(e.rubric[0], *NEW_RUBRIC[:2], e.rubric[3])),
}


@pytest.mark.parametrize("name", REPEATS)
def test_the_same_exam_in_another_guise_is_near(name):
    assert near(EXAMPLE, REPEATS[name](EXAMPLE))
    assert near(REPEATS[name](EXAMPLE), EXAMPLE)


ANOTHER_QUESTION = "Summarise for a council what was learned about the lower edge of the marshes."
SENTENCES = (
    "A tide gauge at the quay has been read by hand since the year of the great storm.",
    "Farmers of the parish pay a small fee for every animal they drive across the dyke.",
    "Boats with a deep keel have to wait at the sandbank until the water is high enough.",
    "The school keeps a list of the birds that children have seen on their way in winter.",
    "Nobody remembers who planted the poplars that mark the bend of the old road inland.",
)


def noise(number):
    """Noise of its own for each number, longer than any question or criterion."""
    return " ".join(SENTENCES[(number + step) % len(SENTENCES)] for step in range(2))


def redress(example, number):
    """Another question, another context and another reference answer; every criterion to the letter."""
    return replace(
        example,
        question=f"{ANOTHER_QUESTION} {noise(number)}" if number else ANOTHER_QUESTION,
        context=noise(number) * 4,
        reference_answer=noise(number + 1),
    )


def exchange_one(example, number):
    """The same, and the lightest criterion that is rewarded is another each time."""
    other = Criterion(criterion=f"Mentions {noise(number)}", weight=2, category="")
    return replace(redress(example, number), rubric=(*example.rubric[:4], other, example.rubric[5]))


AGAIN_AND_AGAIN = {
    "question and context padded": lambda e, n: replace(
        e, question=f"{noise(n)} {e.question}", context=f"{noise(n) * 4} {e.context}"
    ),
    "every text padded": lambda e, n: with_texts(e, lambda text: f"{noise(n)} {text} {noise(n + 1)}"),
    "question and context replaced": redress,
    "question, context and a criterion replaced": exchange_one,
    "other weights, question and context": lambda e, n: redress(
        replace(
            e,
            rubric=tuple(
                replace(item, weight=1 + (n + item.weight) % 7) for item in e.rubric if item.weight > 0
            ),
        ),
        n,
    ),
}
"""Changed anew every time, so that no two submissions have the changed texts in common."""


@pytest.mark.parametrize("name", AGAIN_AND_AGAIN)
def test_a_rubric_that_returns_to_the_letter_is_the_same_exam_however_the_rest_is_changed(name):
    change = AGAIN_AND_AGAIN[name]
    assert near(change(EXAMPLE, 1), change(EXAMPLE, 3))
    assert near(change(EXAMPLE, 3), EXAMPLE)


PREAMBLE = "Using nothing but the context and what you know already, explain in full sentences:"
FRAME = "The answer states explicitly, and without hedging, that"


def framed(example):
    """In the fixed words that a harness puts around every question and every criterion."""
    return replace(
        example,
        question=f"{PREAMBLE} {example.question}",
        rubric=tuple(replace(item, criterion=f"{FRAME} {item.criterion}") for item in example.rubric),
    )


@pytest.mark.parametrize("name", NEW)
def test_a_fixed_form_around_question_and_criteria_makes_no_repeat(name):
    assert not near(framed(EXAMPLE), framed(NEW[name](EXAMPLE)))


@pytest.mark.parametrize("name", NEW)
def test_another_exam_is_not_near(name):
    assert not near(EXAMPLE, NEW[name](EXAMPLE))


def test_the_first_round_that_is_repeated_is_named():
    other = fingerprint(SMALL)
    mine = fingerprint(EXAMPLE)
    assert find_near(mine, [(1, other), (4, mine), (5, mine)]) == 4
    assert find_near(mine, [(1, other)]) is None


def test_overlap_is_the_larger_containment():
    assert overlap(frozenset("abcd"), frozenset("ab")) == 1
    assert overlap(frozenset("abcd"), frozenset("defg")) == 0.25


TEXTS = st.text(min_size=1, max_size=60)
EXAMPLES = st.builds(
    lambda question, context, criteria: replace(
        EXAMPLE,
        question=question,
        context=context,
        rubric=tuple(Criterion(criterion=text, weight=1, category="") for text in criteria),
    ),
    TEXTS,
    TEXTS,
    st.lists(TEXTS, min_size=1, max_size=6),
)


@given(EXAMPLES)
def test_every_example_is_near_itself_whatever_stands_in_it(example):
    assert near(example, replace(example, rubric=example.rubric[::-1], tags=("other",)))


@given(EXAMPLES, EXAMPLES)
def test_likeness_is_symmetric_and_within_bounds(one, other):
    there, back = compare(fingerprint(one), fingerprint(other)), compare(fingerprint(other), fingerprint(one))
    assert there == back
    assert all(0 <= part <= 1 for part in (there.question, there.shared, there.verbatim, there.copied))


@given(st.text(alphabet="abcdefgh ", min_size=20).filter(lambda text: len(text.replace(" ", "")) >= 5), TEXTS)
def test_appending_never_hides_what_was_there(text, more):
    assert overlap(shingles(text), shingles(f"{text}{more}")) == 1


def test_the_largest_examples_are_compared_in_a_moment():
    letters = Random(3).choices("abcdefgh ", k=100_000)
    pieces = ["".join(letters[start : start + 1_000]) for start in range(0, 40_000, 1_000)]
    huge = replace(
        EXAMPLE,
        question="".join(letters),
        rubric=tuple(Criterion(criterion=text, weight=1, category="") for text in pieces),
    )
    started = time.process_time()
    assert near(huge, replace(huge, question="What else?", rubric=huge.rubric[::-1]))
    assert time.process_time() - started < 10


def test_a_near_duplicate_costs_its_round_and_no_call(rig):
    relay = rig.relay()
    rig.models.knows = {"weak": 9, "strong": 9}
    relay.evaluate(example_body())
    calls = relay.meter.calls
    again = {**example_body(), "context": f"The setting, called one. {NOISE}"}
    told = relay.evaluate(again)
    assert (told["status"], told["category"], told["weak"], told["strong"]) == (
        "rejected",
        "near_duplicate",
        None,
        None,
    )
    assert told["reason"] == (
        "nearly the example of round 1, so it was not measured again: "
        "ask another question, or write other criteria"
    )
    assert (told["round"], told["rounds_left"], relay.meter.calls) == (2, 6, calls)
    assert relay.evaluate(again) == told
    assert len(relay.relay.rounds) == 2


def test_near_duplicates_are_compared_with_every_round_and_with_each_other(rig):
    relay = rig.relay()
    rig.models.knows = {"weak": 9, "strong": 9}
    bodies = [example_body("one"), example_body("two"), {**example_body("one"), "tags": []}]
    reports = [relay.evaluate(body) for body in bodies]
    assert [report["category"] for report in reports] == ["too_easy", "too_easy", "near_duplicate"]
    assert "round 1" in reports[2]["reason"]
    fourth = relay.evaluate({**example_body("two"), "tags": []})
    assert "round 2" in fourth["reason"]


def test_mending_an_example_that_could_not_be_read_is_no_repeat(rig):
    relay = rig.relay()
    relay.evaluate({**example_body(), "tags": "no list"})
    assert relay.evaluate(example_body())["status"] == "accepted"


POISON = "poison"  # stands in the context only: a mended context is what an honest harness would send next


def failing_on_poison(good, answer=" "):
    """Gives `answer`, or raises it, whenever the poison is there."""

    def reply(request):
        if not any(POISON in message.content for message in request.messages):
            return good(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return reply


def poisoned():
    return {**example_body(), "context": f"The setting, {POISON}."}


@pytest.mark.parametrize("first", ["weak", "both"])
@pytest.mark.parametrize("role", ["strong", "final_verifier"])
def test_weak_draws_are_not_repeated_after_a_phase_that_could_not_be_measured(rig, role, first):
    good = {"strong": lambda _: facts(8), "final_verifier": lambda _: '{"pass": true, "reason": "sound"}'}
    rig.models.answers = {role: failing_on_poison(good[role], " " if role == "strong" else "no JSON")}
    relay = rig.relay()
    relay.evaluate(poisoned(), first)
    assert relay.evaluate(poisoned())["error"]["type"] == "malformed_example"
    weak = len(rig.models.of("weak"))
    again = relay.evaluate(example_body(), "weak")
    assert (again["category"], len(rig.models.of("weak"))) == ("near_duplicate", weak)
    assert again["reason"].startswith("nearly the example of round 1")


def test_a_weak_phase_of_which_anything_was_drawn_is_not_drawn_again(rig):
    rig.models.answers = {"weak": failing_on_poison(lambda _: facts(4))}
    relay = rig.relay()
    assert "answers it with nothing" in relay.evaluate(poisoned())["error"]["message"]
    assert relay.evaluate(example_body())["category"] == "near_duplicate"


def test_one_answer_of_three_is_a_draw(rig):
    refused = rig.seeds().seed("rollout", 1, "weak", 1)

    def answer(request):
        if request.seed == refused:
            raise TOO_LONG
        return facts(4)

    rig.models.answers = {"weak": answer}
    relay = rig.relay()
    assert "too long" in relay.evaluate(poisoned())["error"]["message"]
    assert relay.evaluate(example_body())["category"] == "near_duplicate"


def test_an_example_that_every_weak_rollout_refused_may_be_mended(rig):
    rig.models.answers = {"weak": failing_on_poison(lambda _: facts(4), TOO_LONG)}
    relay = rig.relay()
    assert "too long" in relay.evaluate(poisoned())["error"]["message"]
    assert relay.evaluate(example_body())["status"] == "accepted"


def test_shopping_for_luck_with_one_example_is_recorded_as_repeats(rig):
    rig.models.knows = {"weak": 9, "strong": 9}
    body = "for n in range(8):\n    e = example()\n    e['context'] += f' Number {n}.'\n    box.evaluate(e)"
    result = rig.paper_evaluator().evaluate_paper(harness(body), PAPER, 0)
    assert [item.category for item in result.rounds] == [
        FailureCategory.TOO_EASY,
        *[FailureCategory.NEAR_DUPLICATE] * 7,
    ]
    assert result.calls == 6
