"""What a predicate says, checked: a predicate may be the user's own."""

from collections.abc import Sequence
from fractions import Fraction

from studbook.errors import PluginError
from studbook.evaluate.contracts import Predicate, Ruling, Status
from studbook.populations.records import FailureCategory


def ruled(predicate: Predicate, weak: Sequence[Fraction], strong: Sequence[Fraction] = ()) -> Ruling:
    """The ruling, its words as enums. Raises PluginError for what no predicate may say."""
    said = predicate.rule(weak, strong)
    try:
        status = Status(said.status)
        category = FailureCategory(said.category) if said.category is not None else None
    except (AttributeError, ValueError) as error:
        raise PluginError(f"the predicate gave no ruling: {said!r:.200} ({error})") from error
    if status is Status.ACCEPTED and not strong:
        raise PluginError("the predicate accepted an example without strong rollouts; it may say UNDECIDED")
    if status is Status.UNDECIDED and strong:
        raise PluginError("the predicate left an example undecided though all rollouts were run")
    return Ruling(status=status, category=category, reason=str(said.reason))
