"""Decides what it means when a frozen role gives no usable answer about a harness's example.

The cause is the example, or the role's model. If one overlong or filtered example stopped the run, any
harness could deny service; if an outage could change a score, that would be worse. So the role is immediately
asked, with everything else the same, about an ordinary example (`CONTROL`), and then again about the
harness's. For requests that an endpoint refuses or never answers, the client makes this test, with the
ordinary example as the call's control; replies that cannot be read are handled here.

A round with a role that stays unreadable is `Unmeasurable`: it has a category of its own and is never
accepted. The role's reply about the control says whose fault it was. A run whose role fails on everything
pauses (`role_to_pause_for`), because its results would say nothing about any harness
(docs/decisions/015-an-unreadable-judge.md).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from studbook.errors import ModelUnavailable, RequestFailed
from studbook.evaluate.contracts import Criterion, Example
from studbook.llm.contracts import FailureKind
from studbook.populations.records import FailureCategory, PaperResult

T = TypeVar("T")


class Unreadable(ModelUnavailable):
    """A frozen role repeatedly gave a reply that was not the required JSON, or was cut off."""

    def __init__(self, message: str, *, is_truncated: bool) -> None:
        super().__init__(message)
        self.is_truncated = is_truncated


def unreadable(role: str, attempts: int, *, is_truncated: bool) -> Unreadable:
    how, step = "cannot be read as its JSON", "a model that follows the format"
    if is_truncated:
        how, step = "were cut off at its token limit", "more max_tokens"
    return Unreadable(
        f"the model of role `{role}` gave {attempts} replies in a row that {how}.\n"
        f"This is never scored. Give the role {step} (see the call records).",
        is_truncated=is_truncated,
    )


class Unmeasurable(Exception):
    """The example cannot be measured. A verdict, so it never leaves the relay.

    `is_role_fault`: the role gave no readable reply about an ordinary example either. `is_undrawn`: every
    rollout was refused before any solver answered, so no outcome depended on chance.
    """

    def __init__(
        self,
        message: str,
        category: FailureCategory,
        *,
        is_stuck: bool = False,
        is_role_fault: bool = False,
        is_undrawn: bool = False,
    ) -> None:
        super().__init__(message)
        self.category = category
        self.is_stuck = is_stuck
        self.is_role_fault = is_role_fault
        self.is_undrawn = is_undrawn


TRUNCATED = "does not come to an end about it within its token limit"
UNREADABLE = "gives it no reply in the required form: fewer or plainer criteria may help"
ROLE_FAULT = "gives no reply in the required form, for an ordinary example neither: not this example's fault"
WORDS = {
    FailureKind.REFUSED: "cannot take it: too long, or filtered",
    FailureKind.SILENT: "answers it with nothing",
    FailureKind.TRUNCATED: TRUNCATED,
    FailureKind.STUCK: "does not answer it in time, or fails on it, while it answers others",
}


FIRST_ROLE = "weak"
"""The solver that is asked before all other frozen roles."""


def ask_fairly(role: str, ask: Callable[[int], T], ask_control: Callable[[], object]) -> T:
    """Return what `ask` returns; its argument is the number of earlier attempts.

    Raises Unmeasurable when neither attempt gives a usable answer, and errors of the infrastructure.
    """
    try:
        return ask(0)
    except RequestFailed as error:
        raise _of_request(role, error) from error
    except Unreadable:
        is_role_fault = not _is_answered(ask_control)
    try:
        return ask(1)
    except RequestFailed as error:
        raise _of_request(role, error) from error
    except Unreadable as error:
        category = FailureCategory.TRUNCATED if error.is_truncated else FailureCategory.UNREADABLE
        words = TRUNCATED if error.is_truncated else UNREADABLE
        told = _told(role, ROLE_FAULT if is_role_fault else words)
        raise Unmeasurable(told, category, is_role_fault=is_role_fault) from error


def _of_request(role: str, error: RequestFailed) -> Unmeasurable:
    kind = FailureKind(error.kind)
    category = FailureCategory.TRUNCATED if kind is FailureKind.TRUNCATED else FailureCategory.MALFORMED
    return Unmeasurable(
        _told(role, WORDS[kind]),
        category,
        is_stuck=kind is FailureKind.STUCK,
        is_undrawn=role == FIRST_ROLE and kind is FailureKind.REFUSED,
    )


def _told(role: str, words: str) -> str:
    return f"the evaluator's model of role `{role}` {words}"


def _is_answered(ask_control: Callable[[], object]) -> bool:
    try:
        ask_control()
    except (Unreadable, RequestFailed):
        return False
    return True


MOST_UNREADABLE_PAPERS = 3
"""In a row within an evaluation, through the fault of a frozen role; then the run pauses."""


JUDGING_ROLES = ("judge", "final_verifier")
_CATEGORIES = (FailureCategory.UNREADABLE, FailureCategory.TRUNCATED)


def roles_read(result: PaperResult) -> frozenset[str]:
    """The judging roles that gave a usable reply about some example of this paper."""
    judged = {"judge"} if any(each.weak_average is not None for each in result.rounds) else set()
    is_checked = any(
        each.status == "accepted" or each.category is FailureCategory.QUALITY for each in result.rounds
    )
    return frozenset(judged | ({"final_verifier"} if is_checked else set()))


def roles_at_fault(result: PaperResult) -> frozenset[str]:
    """The judging roles that gave no usable reply about any example, mostly through their own fault.

    A harness cannot cause this by provoking unreadable replies: the role can read other examples then.
    """
    reasons = Counter(each.reason for each in result.rounds if each.category in _CATEGORIES)
    at_fault = {role: reasons[_told(role, ROLE_FAULT)] for role in JUDGING_ROLES}
    others = {role: sum(reasons[_told(role, why)] for why in (UNREADABLE, TRUNCATED)) for role in at_fault}
    found = {role for role, faults in at_fault.items() if faults and others[role] <= faults}
    return frozenset(found - roles_read(result))


def role_to_pause_for(results: Sequence[PaperResult]) -> str:
    """The role at fault on the last of these papers and on enough in a row before it, or "".

    `results` are those of one evaluation so far, in paper order, so workers and timing decide nothing. A
    paper on which a role was not asked does not interrupt its row.
    """
    papers: Counter[str] = Counter()
    for result in results:
        for role in roles_read(result):
            del papers[role]
        papers.update(roles_at_fault(result))
    failed = sorted(roles_at_fault(results[-1])) if results else ()
    return next((role for role in failed if papers[role] >= MOST_UNREADABLE_PAPERS), "")


def paused_by(role: str) -> Unreadable:
    return Unreadable(
        f"role `{role}` gave no usable reply on {MOST_UNREADABLE_PAPERS} papers in a row: what "
        "it replies cannot be read as its JSON, not even about an ordinary example\n"
        "this says nothing about the harnesses: give the role a model that follows the format, or more "
        "max_tokens, then resume\n"
        "the last paper, and those after it, are then judged with new random seeds",
        is_truncated=False,
    )


_LINES = (
    "The old bridge of the town was built of oak on stone piers and carried carts for two hundred years.",
    "After the flood the council asked two engineers whether it should be mended or replaced by one of iron.",
    "The first measured the piers and found that the river had washed out the gravel below three of them.",
    "The second counted the carts and showed that their weight had doubled since the mill was opened.",
)

CONTROL = Example(
    context="\n".join(
        _LINES * 8
    ),  # as long as a typical context: a model that fails on this fails on any example
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
