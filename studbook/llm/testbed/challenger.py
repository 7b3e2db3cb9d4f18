"""The challenger: reads the paper and its instructions, writes one example.

It takes sentences by salience, follows the rules it recognises in the prose around the paper (by chance, see
`plan.py`) and turns away from what the feedback says was asked. It knows neither who runs it nor what was
changed.
"""

import re

from studbook.llm.contracts import ChatRequest
from studbook.llm.testbed.angle import choose_angle
from studbook.llm.testbed.draft import write_draft
from studbook.llm.testbed.facts import read_paper
from studbook.llm.testbed.feedback import read_prompt
from studbook.llm.testbed.form import put_on_page
from studbook.llm.testbed.luck import Luck
from studbook.llm.testbed.plan import decide, make_plan
from studbook.llm.testbed.recogniser import recognise
from studbook.llm.testbed.rubrics import write_rubric
from studbook.llm.testbed.sections import all_text, find_section, without_section

NOTHING_TO_READ = "I was given no paper to write about."


def reply(request: ChatRequest) -> str:
    paper, rest = _split(all_text(request.messages))
    if not paper:
        return NOTHING_TO_READ
    prompt, luck = read_prompt(rest), Luck(request.seed)
    reading = read_paper(paper)
    if not reading.facts:
        return NOTHING_TO_READ
    will = decide(recognise(prompt.instructions), luck)
    plan = make_plan(will, prompt.feedback, luck)
    angle = choose_angle(reading, plan, will, prompt.feedback, luck)
    draft = write_draft(reading, angle, plan, will, luck)
    rubric = write_rubric(draft, angle, plan, will, luck)
    return put_on_page(draft, rubric, will, prompt.feedback, luck, request.json_mode)


SHORTEST_PAPER = 1_500


def _split(text: str) -> tuple[str, str]:
    """(paper, the rest): what is tagged as the paper, else the longest paragraph if it is long enough."""
    paper = find_section(text, "paper")
    if paper:
        return paper, without_section(text, "paper")
    longest = max(re.split(r"\n\s*\n", text), key=len)
    return (longest, text.replace(longest, "")) if len(longest) >= SHORTEST_PAPER else ("", text)
