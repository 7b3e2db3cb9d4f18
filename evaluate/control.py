"""When a role gives no usable answer: is it what the harness sent, or is it the world?

A harness that could stop a run with one overlong or filtered example would be a denial of service; a score
that an outage can change would be worse. So the role is asked, at once and with all else the same, about an
ordinary example of ours. Only if it answers that, and then fails on the harness's example again, the example
is to blame. Requests that an endpoint refuses or never answers are settled in that way by the client, which
is given the ordinary example as the call's control; replies that cannot be read are settled here.
"""

from collections.abc import Callable
from typing import TypeVar

from studbook.errors import ModelUnavailable, RequestFailed
from studbook.evaluate.contracts import Criterion, Example
from studbook.llm.contracts import FailureKind
from studbook.populations.records import FailureCategory

T = TypeVar("T")


class Unreadable(ModelUnavailable):
    """A frozen role replied, time and again, with something else than its JSON; or never came to its end."""

    def __init__(self, message: str, *, is_truncated: bool) -> None:
        super().__init__(message)
        self.is_truncated = is_truncated


class Unmeasurable(Exception):
    """The example's own fault: a frozen role answers others. A verdict, so it never leaves the relay."""

    def __init__(self, message: str, category: FailureCategory, *, is_stuck: bool = False) -> None:
        super().__init__(message)
        self.category = category
        self.is_stuck = is_stuck


TRUNCATED = "does not come to an end about it within its token limit"
UNREADABLE = "gives it no reply in the required form: fewer or plainer criteria may help"
WORDS = {
    FailureKind.REFUSED: "cannot take it: too long, or filtered",
    FailureKind.SILENT: "answers it with nothing",
    FailureKind.TRUNCATED: TRUNCATED,
    FailureKind.STUCK: "does not answer it in time, or fails on it, while it answers others",
}


def ask_fairly(role: str, ask: Callable[[int], T], ask_control: Callable[[], object]) -> T:
    """What `ask` gives, which is told how often it was asked before.

    Raises Unmeasurable, or the world's failure.
    """
    try:
        return ask(0)
    except RequestFailed as error:
        raise _of_request(role, error) from error
    except Unreadable as error:
        _check_world(error, ask_control)
    try:
        return ask(1)
    except RequestFailed as error:
        raise _of_request(role, error) from error
    except Unreadable as error:
        if error.is_truncated:
            raise Unmeasurable(_told(role, TRUNCATED), FailureCategory.TRUNCATED) from error
        raise Unmeasurable(_told(role, UNREADABLE), FailureCategory.MALFORMED) from error


def _of_request(role: str, error: RequestFailed) -> Unmeasurable:
    kind = FailureKind(error.kind)
    category = FailureCategory.TRUNCATED if kind is FailureKind.TRUNCATED else FailureCategory.MALFORMED
    return Unmeasurable(_told(role, WORDS[kind]), category, is_stuck=kind is FailureKind.STUCK)


def _told(role: str, words: str) -> str:
    return f"the evaluator's model of role `{role}` {words}"


def _check_world(error: Unreadable, ask_control: Callable[[], object]) -> None:
    """Raises `error` when the role cannot answer for something ordinary either."""
    try:
        ask_control()
    except (Unreadable, RequestFailed):
        raise error from None


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
