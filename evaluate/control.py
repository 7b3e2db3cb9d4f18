"""When a role gives no usable answer: is it what the harness sent, or is it the world?

A harness that could stop a run with one overlong or filtered example would be a denial of service; a score
that an outage can change would be worse. So the role is asked, at once and with all else the same, about an
ordinary example of ours. Only if it answers that, and then fails on the harness's example again, the example
is to blame. A harness's own roles are asked an ordinary question in the same way. A time-out, a dead
connection or a wrong key is always the world's and never comes here.
"""

from collections.abc import Callable
from typing import TypeVar

from evaluate.contracts import Criterion, Example
from studbook.errors import ModelError, ModelUnavailable, RequestRefused
from studbook.llm.client import EmptyReply

T = TypeVar("T")


class Unreadable(ModelUnavailable):
    """A frozen role replied, time and again, with something else than its JSON."""


class Unmeasurable(Exception):
    """The example's own fault: a frozen role answers others. A verdict, so it never leaves the relay."""


WORDS: dict[type[ModelError], str] = {
    RequestRefused: "cannot take it: too long, filtered, or no answer within its token limit",
    EmptyReply: "answers it with nothing",
    Unreadable: "gives it no reply in the required form: fewer or plainer criteria may help",
}
DOUBTFUL = tuple(WORDS)


def ask_fairly(role: str, ask: Callable[[int], T], ask_control: Callable[[], object]) -> T:
    """What `ask` gives, which is told how often it was asked before.

    Raises Unmeasurable, or the world's failure.
    """
    try:
        return ask(0)
    except DOUBTFUL as error:
        check_world(error, ask_control)
    try:
        return ask(1)
    except DOUBTFUL as error:
        words = next(text for kind, text in WORDS.items() if isinstance(error, kind))
        raise Unmeasurable(f"the evaluator's model of role `{role}` {words}") from error


def check_world(error: ModelError, ask_control: Callable[[], object]) -> None:
    """Raises `error` when the role cannot answer for something ordinary either."""
    try:
        ask_control()
    except DOUBTFUL:
        raise error from None


CONTROL_QUESTION = "Which weighs more, a loaded cart or an empty one? Answer with one sentence."

_LINES = (
    "The old bridge of the town was built of oak on stone piers and carried carts for two hundred years.",
    "After the flood the council asked two engineers whether it should be mended or replaced by one of iron.",
    "The first measured the piers and found that the river had washed out the gravel below three of them.",
    "The second counted the carts and showed that their weight had doubled since the mill was opened.",
)

CONTROL = Example(
    context="\n".join(_LINES * 8),  # as long as contexts are: what fails on this fails on any
    question="Why did the council decide against mending the old bridge? Give the two findings that matter.",
    reference_answer="Its piers had lost their ground, and the loads had doubled since it was built.",
    rubric=tuple(
        Criterion(criterion=text, weight=3, category="insight")
        for text in (
            "Says that gravel below piers was washed out.",
            "Says that three piers are concerned.",
            "Says that the weight of carts doubled.",
            "Connects the weight with the mill.",
            "Concludes that mending would not be enough.",
        )
    ),
    question_type="explanation",
    tags=(),
)
CONTROL_ANSWER = (
    "Gravel was washed out below three piers, and since the mill opened carts weigh twice as much."
)
