"""The repertoire: every idea the testbed's implementer can have, in a fixed order."""

from studbook.llm.testbed.ideas import Idea
from studbook.llm.testbed.ideas_code_chat import CHAT_IDEAS
from studbook.llm.testbed.ideas_code_example import EXAMPLE_IDEAS
from studbook.llm.testbed.ideas_code_flow import FLOW_IDEAS
from studbook.llm.testbed.ideas_code_upkeep import UPKEEP_IDEAS
from studbook.llm.testbed.ideas_prompt_question import QUESTION_IDEAS
from studbook.llm.testbed.ideas_prompt_rubric import MANNER_IDEAS

REPERTOIRE: tuple[Idea, ...] = (
    *QUESTION_IDEAS,
    *MANNER_IDEAS,
    *EXAMPLE_IDEAS,
    *CHAT_IDEAS,
    *FLOW_IDEAS,
    *UPKEEP_IDEAS,
)
