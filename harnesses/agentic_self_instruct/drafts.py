"""From the challenger's reply to an example: the form it is asked for, and the fields the evaluator knows."""

from harness_kit import read_json

FIELDS = ("context", "question", "reference_answer", "rubric", "question_type", "tags")
NEEDED = ("context", "question", "reference_answer", "rubric")

TEXT = {"type": "string"}
CRITERION = {
    "type": "object",
    "properties": {"criterion": TEXT, "weight": {"type": "integer"}, "category": TEXT},
    "required": ["criterion", "weight", "category"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "question_type": TEXT,
        "tags": {"type": "array", "items": TEXT},
        "context": TEXT,
        "question": TEXT,
        "reference_answer": TEXT,
        "rubric": {"type": "array", "items": CRITERION},
    },
    "required": ["question_type", "tags", "context", "question", "reference_answer", "rubric"],
    "additionalProperties": False,
}
"""What the reply has to look like, where the challenger's endpoint knows JSON schemas."""


class BadDraft(Exception):
    """The reply holds no example that can be read; the message says what is wrong."""


def read_draft(reply: str) -> dict:
    try:
        draft = read_json(reply)
    except ValueError as error:
        raise BadDraft(f"the reply is not valid JSON: {error}") from error
    missing = [name for name in NEEDED if not draft.get(name)]
    if missing:
        raise BadDraft(f"fields are missing or empty: {', '.join(missing)}")
    return {name: draft[name] for name in FIELDS if name in draft}
