import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.testbed.models.instructions import split_instructions
from studbook.testbed.models.recognizer import Concept, recognize, rules_of, table_of_frames

ASKED = [
    (Concept.PAPER_SPECIFIC, "If a solver could answer without reading the paper, it is too easy."),
    (Concept.PAPER_SPECIFIC, "Ground every question in a detail that this paper alone reports."),
    (Concept.PAPER_SPECIFIC, "Steer clear of textbook questions."),
    (Concept.PAPER_SPECIFIC, "Someone who has never opened the document must not be able to answer."),
    (Concept.PAPER_SPECIFIC, "It should be impossible to answer unless one has read this very article."),
    (Concept.NO_LEAK, "The context gives the domain and the set-up, never the solution."),
    (Concept.NO_LEAK, "Keep the findings of the paper out of the context."),
    (Concept.NO_LEAK, "A reader of the context alone should not be able to answer the question."),
    (Concept.NO_LEAK, "Do not put the key insight into the background."),
    (Concept.NO_LEAK, "Never put into the context:\n- the solution"),
    (Concept.NO_LEAK, "The context sets the scene. It must never reveal the answer."),
    (Concept.POSITIVE_ONLY, "Only reward correct content; do not subtract points."),
    (Concept.POSITIVE_ONLY, "Every criterion must have a positive weight."),
    (Concept.POSITIVE_ONLY, "Reward what is right and never punish what is wrong in the rubric."),
    (Concept.WEIGHT_CAP, "No weight may exceed seven."),
    (Concept.WEIGHT_CAP, "Integer weights (1-7)."),
    (Concept.STRICT_JSON, "Return nothing but well-formed JSON."),
    (Concept.STRICT_JSON, "Do not write anything before or after the JSON."),
    (Concept.INTEGER_WEIGHTS, "Never write a weight as a string."),
    (Concept.ABLATIONS, "Ask about ablations."),
    (Concept.LIMITATIONS, "Focus on the weaknesses of the method."),
    (Concept.SHORT_CONTEXT, "Keep the context short."),
    (Concept.SECTION_NAMES, "Mention the section of the paper in the question."),
    (Concept.NEW_ANGLE, "Do not merely reword an earlier question."),
]


@pytest.mark.parametrize(("concept", "text"), ASKED)
def test_a_rule_is_recognised_whatever_its_wording(concept, text):
    found = {rule.concept: rule for rule in recognize(text)}
    assert concept in found
    assert found[concept].wanted is True


NOT_ASKED = [
    (Concept.PAPER_SPECIFIC, "Do not write questions that require facts specific to this paper."),
    (Concept.PAPER_SPECIFIC, "It is fine if the question can be answered without the paper."),
    (Concept.NO_LEAK, "Do not hide the solution from the context."),
    (Concept.NO_LEAK, "It is not necessary to keep the solution out of the context."),
    (Concept.NO_LEAK, "The context may well contain the solution."),
    (Concept.POSITIVE_ONLY, "Do not restrict the rubric to positive criteria."),
    (Concept.POSITIVE_ONLY, "There is no need to avoid negative criteria."),
    (Concept.WEIGHT_CAP, "Weights above seven are fine."),
    (Concept.WEIGHT_CAP, "Weights do not have to stay below seven."),
    (Concept.STRICT_JSON, "The reply need not be strict JSON."),
    (Concept.FUTURE_WORK, "Do not ask about future work."),
]


@pytest.mark.parametrize(("concept", "text"), NOT_ASKED)
def test_a_negated_rule_is_not_followed(concept, text):
    assert not any(rule.wanted for rule in recognize(text) if rule.concept is concept)


UNRELATED = [
    "The library's opening hours on public holidays are printed on the notice board beside the entrance.",
    "Thank you for the careful work that you have done on this project so far, it is appreciated.",
    "Lunch is served in the hall on the ground floor, and bicycles are kept behind the building.",
    "The old bridge over the river was rebuilt in stone after the flood and painted green last spring.",
]


@pytest.mark.parametrize("text", UNRELATED)
def test_an_unrelated_sentence_asks_for_nothing(text):
    assert recognize(text) == ()


def test_a_question_asks_for_nothing():
    assert rules_of("Should the context reveal the answer to the question?") == ()


def test_the_more_explicit_of_two_rules_that_contradict_wins_wherever_it_stands():
    plain, explicit = "Add 3 to 5 negative criteria.", "Never write negative criteria."
    for text in (f"{plain} {explicit}", f"{explicit} {plain}"):
        (rule,) = recognize(text)
        assert (rule.concept, rule.wanted) == (Concept.POSITIVE_ONLY, True)


def test_of_two_equally_explicit_rules_the_later_one_wins():
    (rule,) = recognize("Never write negative criteria. You must write negative criteria.")
    assert rule.wanted is False


def test_a_hedged_rule_is_less_clear_than_a_plain_one():
    (hedged,) = recognize("If possible, keep the context short.")
    (plain,) = recognize("Keep the context short.")
    assert (hedged.clarity, plain.clarity) == (0.45, 0.92)


@given(st.permutations([text for _, text in ASKED[:1] + ASKED[5:6] + ASKED[14:16] + ASKED[17:20]]))
def test_the_order_of_rules_that_agree_changes_nothing(texts):
    rules = recognize("\n\n".join(texts))
    assert {rule.concept for rule in rules} == {
        Concept.PAPER_SPECIFIC,
        Concept.NO_LEAK,
        Concept.WEIGHT_CAP,
        Concept.STRICT_JSON,
        Concept.INTEGER_WEIGHTS,
        Concept.ABLATIONS,
    }
    assert all(rule.wanted for rule in rules)


def test_a_cap_carries_its_number():
    (rule,) = recognize("Cap the weights at 6.")
    assert rule.amount == 6


def test_code_blocks_hold_no_instructions():
    assert split_instructions("```\nNever reveal the answer.\n```") == ()


def test_every_concept_but_the_cap_on_weights_has_word_combinations():
    assert {frame.concept for frame in table_of_frames()} == set(Concept) - {Concept.WEIGHT_CAP}
    assert len(Concept) >= 25
