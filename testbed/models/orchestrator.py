"""The orchestrator role, for harnesses that use one: says in a sentence what the failures so far suggest."""

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.feedback import read_prompt
from studbook.testbed.models.sentences import all_text, without_section


def reply(request: ChatRequest) -> str:
    feedback = read_prompt(without_section(all_text(request.messages), "paper")).feedback
    counts = {
        "too easy": feedback.too_easy,
        "failed on strong": feedback.strong_failed,
        "failed quality check": feedback.quality,
    }
    worst = max(counts, key=lambda name: counts[name])
    if not counts[worst]:
        return "Nothing has failed so far. Start with what is most specific in the paper."
    return f"Most attempts were {worst} ({counts[worst]} of {feedback.failures}). {_ADVICE[worst]}"


_ADVICE = {
    "too easy": "Ask an entirely new question that needs the paper.",
    "failed on strong": "Ask an entirely new question whose answer the paper states.",
    "failed quality check": "Ask an entirely new question and mend the form.",
}
