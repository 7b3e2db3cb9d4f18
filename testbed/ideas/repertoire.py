"""The repertoire: every idea the testbed's implementer can have, in a fixed order."""

from studbook.testbed.ideas.chat import CHAT_IDEAS
from studbook.testbed.ideas.example import EXAMPLE_IDEAS
from studbook.testbed.ideas.flow import FLOW_IDEAS
from studbook.testbed.ideas.idea import Idea
from studbook.testbed.ideas.question import QUESTION_IDEAS
from studbook.testbed.ideas.rubric import MANNER_IDEAS
from studbook.testbed.ideas.upkeep import UPKEEP_IDEAS

REPERTOIRE: tuple[Idea, ...] = (
    *QUESTION_IDEAS,
    *MANNER_IDEAS,
    *EXAMPLE_IDEAS,
    *CHAT_IDEAS,
    *FLOW_IDEAS,
    *UPKEEP_IDEAS,
)
