import pytest

from studbook.testbed.models.judge import asserted, is_denial, is_denied_within, is_met, says_opposite
from studbook.testbed.models.sentences import read_sentence


@pytest.mark.parametrize(
    ("text", "denial"),
    [
        ("The valve opens.", False),
        ("The valve does not open.", True),
        ("It is not so that the valve cannot open.", False),
        ("It would be a mistake to say that the valve opens.", True),
        ("Some might think that the valve opens.", True),
    ],
)
def test_negations_are_counted_and_withdrawals_deny(text, denial):
    assert is_denial(read_sentence(text)) is denial


def test_opposites_are_known_unless_both_are_said():
    claim = read_sentence("The pressure rises before the valve opens")
    assert says_opposite((read_sentence("The pressure falls before the valve opens"),), claim)
    assert not says_opposite((read_sentence("The pressure rises and falls before it opens"),), claim)


def test_a_denial_elsewhere_in_the_sentence_does_not_count():
    claim = read_sentence("The valve opens at night")
    long = read_sentence("What the pumps cannot do is known, and so the valve opens at night")
    assert not is_denied_within(long, claim)
    assert is_denied_within(read_sentence("The valve never opens at night, and the pumps run"), claim)


CRITERION = "States that the spring valve opens at six bar"


@pytest.mark.parametrize(
    "answer",
    [
        "Does the spring valve open at six bar?",
        "An answer should say that the spring valve opens at six bar.",
        "It will be looked at whether it says that the spring valve opens at six bar.",
        "It would be a mistake to say that the spring valve opens at six bar.",
    ],
)
def test_what_is_not_asserted_meets_no_criterion(answer):
    assert not is_met(CRITERION, asserted(answer))
    assert is_met(CRITERION, asserted("As we know, the spring valve opens at six bar."))
