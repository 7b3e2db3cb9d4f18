"""From the challenger's reply to an example: find the JSON object, keep the fields the evaluator knows."""

import json

FIELDS = ("context", "question", "reference_answer", "rubric", "question_type", "tags")
NEEDED = ("context", "question", "reference_answer", "rubric")


class BadDraft(Exception):
    """The reply holds no example that can be read; the message says what is wrong."""


def read_draft(reply: str) -> dict:
    try:
        draft = json.loads(cut_out_json(reply))
    except ValueError as error:
        raise BadDraft(f"the reply is not valid JSON: {error}") from error
    if not isinstance(draft, dict):
        raise BadDraft("the reply is not a JSON object")
    missing = [name for name in NEEDED if not draft.get(name)]
    if missing:
        raise BadDraft(f"fields are missing or empty: {', '.join(missing)}")
    return {name: draft[name] for name in FIELDS if name in draft}


def cut_out_json(reply: str) -> str:
    """From the first opening brace to the last closing one, whatever stands around them."""
    start, end = reply.find("{"), reply.rfind("}")
    if start < 0 or end < start:
        raise BadDraft("the reply holds no JSON object")
    return reply[start : end + 1]
