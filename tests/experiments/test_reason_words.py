"""A recorded reason never changes, and people read it in the wording of today."""

import pytest

from studbook.experiments.views.lines import reason_words


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("beats its parent: 4/25 against 3/25", "beats its parent: 4/25 vs 3/25"),
        ("equals its parent: 0/8 against 0/8", "tie with its parent: 0/8 vs 0/8"),
        ("is behind its parent: 2/25 against 3/25", "is behind its parent: 2/25 vs 3/25"),
        (
            "cannot beat its parent any more: 1/5 against 4/8",
            "stopped early: can no longer beat its parent (1/5 vs 4/8)",
        ),
        (
            "the proposal changes nothing",
            "no change: the implementer's edit left the harness as it was",
        ),
        (
            "best of 1 candidate: 12.5 % (6/48, 95 % 5.9–24.7), the seed 0.0 % (0/48, 95 % 0.0–7.4)",
            "best of 1 candidate: 12.5% (6/48, 95% CI 5.9–24.7), the seed 0.0% (0/48, 95% CI 0.0–7.4)",
        ),
        ("a reason of another kind", "a reason of another kind"),
    ],
)
def test_a_recorded_reason_is_shown_in_the_words_of_the_display(recorded: str, shown: str):
    assert reason_words(recorded) == shown
