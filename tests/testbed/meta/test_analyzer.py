"""The testbed's analyzer: what it counts, what it says of it, and how often it errs."""

from support.meta import ask

from studbook.llm.contracts import ChatRequest, Message
from studbook.testbed.models import analyzer
from studbook.testbed.models.signs import read_signs, read_trajectories

LEAKY = """outcome: not_accepted: no example was accepted

## Round 1
### Challenger prompt (user)
Write a question. ### Report is only a word here.
### Challenger reply
Here you are: {"context": "x", "rubric": [{"criterion": "c", "weight": "+8"}]
### Challenger reply
{"context": "c", "question": "q", "rubric": []}
log: quality check failed: {
### Verifier reply
{"pass": false, "feedback": "Only two negative criteria, three are needed."}
### Example
{"context": "Pruning removes idle channels because their gradients vanish early in training.",
 "question": "Explain why the method works.",
 "reference_answer": "Idle channels are removed because gradients vanish early.",
 "rubric": [{"criterion": "States that idle channels have vanishing gradients", "weight": 8, "category": "a"},
            {"criterion": "Names a second cause", "weight": 3, "category": "a"},
            {"criterion": "Claims that channels are removed at random", "weight": -4, "category": "b"}],
 "question_type": "why", "tags": ["a", "b"]}
### Report
status: rejected
category: too_easy
reason: weak average 0.810 is above 0.65
weak: average 0.810 scores 0.80 0.70 0.93
### Weak answer 1
Because gradients vanish.
marks: 1=met 2=not met 3=not met
### Weak answer 2
Gradients vanish early.
marks: 1=met 2=met 3=not met

## Round 2
### Example
{"context": "Networks are large.", "question": "Which two channels did Table 3 of PRUNE-9 keep, and why?",
 "reference_answer": "Channels 4 and 7, whose saliency stays above 0.2.",
 "rubric": [{"criterion": "Names channels 4 and 7", "weight": 5, "category": "a"},
            {"criterion": "Claims that channels are removed at random", "weight": -4, "category": "b"}],
 "question_type": "what", "tags": []}
### Report
status: undecided
weak: average 0.200 scores 0.20 0.20 0.20
### Weak answer 1
I do not know.
marks: 1=not met 2=not met
### Report
status: rejected
category: strong_failed
reason: strong average 0.400 is below 0.60
strong: average 0.400 scores 0.40 0.40 0.40
### Weak answer 1
I do not know.
marks: 1=not met 2=not met
### Strong answer 1
Channels 4 and 7; they are not removed at random.
marks: 1=met 2=met
### Strong answer 2
Channels 4 and 7.
marks: 1=met 2=not met
"""

CRASHED = """outcome: crashed: KeyError: 'rubric'
### Box
status: crashed
detail: KeyError: 'rubric'
Traceback (most recent call last):
KeyError: 'rubric'
"""


def prompt(*trajectories: tuple[str, str], history: str = "Nothing has been tried yet.") -> str:
    bodies = "\n".join(
        f'<trajectory number="{number}" verdict="{verdict}">\n{body}\n</trajectory>'
        for number, (verdict, body) in enumerate(trajectories, 1)
    )
    return (
        f"<history>\n{history}\n</history>\n<harness_files>\n</harness_files>\n"
        f"<trajectories>\n{bodies}\n</trajectories>"
    )


BOTH = prompt(("not_accepted", LEAKY), ("crashed", CRASHED))


def request(text: str, seed: int) -> ChatRequest:
    return ask((Message(role="system", content="Analyse."), Message(role="user", content=text)), seed)


def test_counts_are_those_of_a_trajectory_counted_by_hand():
    signs = read_signs(read_trajectories(BOTH))
    assert signs.trajectories == 2
    assert dict(signs.verdicts) == {"not_accepted": 1, "crashed": 1}
    assert dict(signs.categories) == {"too_easy": 1, "strong_failed": 1}
    assert signs.rounds == 2
    assert (signs.replies, signs.unreadable, signs.quoted_weights) == (2, 1, 1)
    assert (signs.verifier_replies, signs.own_refusals) == (1, 1)
    assert (signs.questions, signs.generic, signs.repeated) == (2, 1, 0)
    assert signs.leaks == 1
    assert (signs.weak_met, signs.weak_met_in_context) == (3, 2)
    assert (signs.criteria, signs.negatives, signs.heavy) == (5, 2, 1)
    assert (signs.strong_negative_marks, signs.misfires) == (2, 1)
    assert (signs.ran_out, signs.crashed) == (1, 1)
    assert signs.weak_averages == [0.81, 0.2]
    assert signs.strong_averages == [0.4]


def test_an_answer_that_is_told_twice_is_counted_once():
    second = read_trajectories(BOTH)[0].rounds[1]
    assert [(answer.solver, answer.marks) for answer in second.answers] == [
        ("weak", (False, False)),
        ("strong", (True, True)),
        ("strong", (True, False)),
    ]


def test_a_report_that_is_completed_later_counts_as_completed():
    second = read_trajectories(BOTH)[0].rounds[1]
    assert (second.status, second.category, second.strong_average) == ("rejected", "strong_failed", 0.4)


def test_every_quote_of_a_diagnosis_stands_in_the_trajectories():
    flat = " ".join(BOTH.split())
    for seed in range(30):
        quotes = [line for line in analyzer.reply(request(BOTH, seed)).splitlines() if line.startswith("> “")]
        assert quotes
        for line in quotes:
            assert line[3:].split("” (")[0].removesuffix(" …") in flat


def test_the_same_request_gets_the_same_diagnosis_and_other_seeds_others():
    replies = {analyzer.reply(request(BOTH, seed)) for seed in range(20)}
    assert analyzer.reply(request(BOTH, 7)) == analyzer.reply(request(BOTH, 7))
    assert len(replies) > 10


def test_the_counts_stand_in_the_prose():
    text = analyzer.reply(request(BOTH, 1))
    assert "2 trajectories: 1 crashed, 1 not accepted." in text
    assert "Failed rounds by category: 1 strong failed, 1 too easy." in text
    assert "1 of 2 challenger replies hold no readable JSON, 1 quote a weight as a string." in text


def test_about_a_quarter_of_the_diagnoses_are_led_by_a_hunch():
    unsupported = ("tone", "temperature", "little context", "length", "reasoning", "level", "size", "hygiene")
    wrong = 0
    for seed in range(400):
        first = analyzer.reply(request(BOTH, seed)).split("### 1. ")[1].splitlines()[0].lower()
        wrong += any(word in first for word in unsupported) or first.startswith(
            ("what the feedback", "strict")
        )
    assert 0.18 <= wrong / 400 <= 0.32


def test_crashes_alone_are_the_first_cause_of_most_diagnoses():
    only_crashes = prompt(("crashed", CRASHED), ("crashed", CRASHED))
    firsts = [analyzer.reply(request(only_crashes, seed)).split("### 1. ")[1] for seed in range(40)]
    assert sum(first.startswith("The harness fails before it is measured") for first in firsts) >= 24


def test_what_leaks_is_named_only_when_something_leaks():
    clean = LEAKY.replace(
        "Pruning removes idle channels because their gradients vanish early in training.", "Big."
    )
    with_leak = [analyzer.reply(request(prompt(("not_accepted", LEAKY)), seed)) for seed in range(40)]
    without = [analyzer.reply(request(prompt(("not_accepted", clean)), seed)) for seed in range(40)]
    title = "The context gives the answer away"
    assert sum(title in text for text in with_leak) > sum(title in text for text in without)
    assert not any("> “Pruning removes" in text for text in without)


def test_numbers_and_order_of_trajectories_do_not_change_the_counts():
    turned = prompt(("crashed", CRASHED), ("not_accepted", LEAKY))
    one, other = read_signs(read_trajectories(BOTH)), read_signs(read_trajectories(turned))
    assert (one.categories, one.leaks, one.misfires) == (other.categories, other.leaks, other.misfires)


def test_earlier_outcomes_are_told_from_the_history():
    history = "- iteration 1: m0001 from seed: admitted (better). Hypothesis: a\n" * 2
    text = analyzer.reply(request(prompt(("not_accepted", LEAKY), history=history), 3))
    assert "2 earlier changes were admitted and 0 were not" in text


def test_a_prompt_without_trajectories_is_answered_plainly():
    assert "nothing can be said about causes" in analyzer.reply(request("Hello.", 1))


def test_torn_and_hostile_trajectories_are_read_as_far_as_they_go():
    torn = '<trajectory number="1" verdict="not_accepted">\n## Round x\n### Example\n'
    torn += '{"rubric": [1, {"weight": {}}]}\n'
    torn += "### Report\ncategory: too_easy\n### Weak answer 1\nmarks: 99=met"
    signs = read_signs(read_trajectories(torn))
    assert signs.categories == {"too_easy": 1}
    assert signs.criteria == 1
