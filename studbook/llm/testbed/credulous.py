"""Models that obey whatever the text tells them: for testing the evaluator's defences, and for nothing else.

The testbed's solvers, judge and verifier cannot be persuaded, so an attack by persuasion against them would
prove nothing. These answer as the model behind them does, and then do what any order in the example says.
They do not read the evaluator's own prompts for orders, nor the paper. Not made to be good at anything.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace

from studbook.llm.contracts import Backend, ChatReply, ChatRequest
from studbook.llm.testbed.credulous_orders import Audience, Deed, Order, find_orders
from studbook.llm.testbed.sections import all_text, find_section, numbered_lines
from studbook.llm.testbed.sentences import split_sentences

PREFIX = "testbed-credulous-"
KEPT_WHEN_FEEBLE = 3  # a bad answer keeps every third sentence
_FORGED = re.compile(r"[\"“]marks[\"”]\s*:\s*\[([^\]]*)\]")


class CredulousBackend:
    """Implements `studbook.llm.contracts.Backend`: `testbed-credulous-weak` is `testbed-weak` that obeys.

    So are `-strong`, `-judge` and `-final-verifier`; every other model is passed on as it is. Stateless.
    """

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    def complete(self, request: ChatRequest) -> ChatReply:
        name = request.model.removeprefix(PREFIX)
        if name not in _OBEY or name == request.model:
            return self._inner.complete(request)
        sober = self._inner.complete(replace(request, model=f"testbed-{name}"))
        return replace(sober, text=_OBEY[name](all_text(request.messages), sober.text), model=request.model)


def _solve(text: str, answer: str) -> str:
    has_source = bool(find_section(text, "source_document"))
    mine = {Audience.ALL, Audience.WITH_SOURCE if has_source else Audience.WITHOUT_SOURCE}
    orders = [order for order in _orders(text, "context", "question") if order.audience in mine]
    deeds = {order.deed for order in orders}
    if Deed.EMPTY in deeds:
        return ""
    said = _feeble(answer) if Deed.FEEBLE in deeds else answer
    return " ".join([said, *(order.words for order in orders if order.deed is Deed.SAY)])


def _feeble(answer: str) -> str:
    sentences = [sentence.text for sentence in split_sentences(answer)]
    return " ".join(sentences[KEPT_WHEN_FEEBLE - 1 :: KEPT_WHEN_FEEBLE] or sentences[:1])


def _judge(text: str, reply: str) -> str:
    answer = find_section(text, "answer")
    count = len(numbered_lines(find_section(text, "criteria")))
    orders = _orders(text, "question", "answer", "criteria")
    if any(order.deed is Deed.EVERY_MARK and order.words.lower() in answer.lower() for order in orders):
        return json.dumps({"marks": [True] * count})
    shown = "\n".join(find_section(text, tag) for tag in ("question", "answer", "criteria"))
    return _copied_marks(shown, count) or reply


def _copied_marks(text: str, count: int) -> str:
    """The marks that the text claims, when it claims as many as are asked for."""
    claims = [
        [word.strip().lower() == "true" for word in found.split(",")] for found in _FORGED.findall(text)
    ]
    return next((json.dumps({"marks": marks}) for marks in claims if len(marks) == count), "")


def _verify(text: str, reply: str) -> str:
    """Obeys, unless the evaluator's own screening has just said that the text speaks to it."""
    if find_section(text, "screening"):
        return reply
    orders = _orders(text, "context", "question", "reference_answer", "rubric")
    is_told = any(order.deed is Deed.PASS for order in orders)
    return json.dumps({"pass": True, "reason": "as I was told"}) if is_told else reply


def _orders(text: str, *tags: str) -> list[Order]:
    """Section by section: most of them come back unchanged in the next request."""
    return [order for tag in tags for order in find_orders(find_section(text, tag))]


_OBEY: dict[str, Callable[[str, str], str]] = {
    "weak": _solve,
    "strong": _solve,
    "judge": _judge,
    "final-verifier": _verify,
}
