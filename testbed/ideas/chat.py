"""Code ideas about talking to the challenger: retries, drafts, guards, temperatures, reading of replies."""

import random

from studbook.testbed.ideas.code import (
    around_reply,
    chats_with,
    code_idea,
    instead_of_chat,
    on_python,
    with_keyword,
)
from studbook.testbed.ideas.idea import Files, python_files
from studbook.testbed.ideas.source import (
    Change,
    apply_changes,
    calls_of,
    is_defined,
    span,
    text_of,
    with_helper,
)

_MEND_JSON = '''
def mended_json(text):
    """What models get wrong most: fences, plus signs, trailing commas, quoted numbers."""
    start, end = text.find("{"), text.rfind("}")
    body = text[start : end + 1] if 0 <= start < end else text
    body = re.sub(r"\\bTrue\\b", "true", re.sub(r"\\bFalse\\b", "false", body))
    body = re.sub(r'("weight"\\s*:\\s*)"?\\+?\\s*(-?\\d+)[^",}\\]]*"?', r"\\1\\2", body)
    return re.sub(r",(\\s*[}\\]])", r"\\1", body)
'''

_FENCES = '''
def without_fences(text):
    """The reply without Markdown fences around it."""
    lines = [line for line in text.strip().splitlines() if not line.strip().startswith("```")]
    return "\\n".join(lines)
'''

_UNTIL_JSON = '''
def chat_until_json(box, *args, **kwargs):
    """Asks again, twice at most, when the reply holds no readable object."""
    text = box.chat(*args, **kwargs)
    for _ in range(2):
        try:
            json.loads(text[text.find("{") : text.rfind("}") + 1])
            return text
        except ValueError:
            text = box.chat(*args, **kwargs)
    return text
'''

_TWO_DRAFTS_LONG = '''
def longer_of_two(box, *args, **kwargs):
    """Two drafts; the longer one has had more thought."""
    return max(box.chat(*args, **kwargs), box.chat(*args, **kwargs), key=len)
'''

_TWO_DRAFTS_SHORT = '''
def shorter_of_two(box, *args, **kwargs):
    """Two drafts; the shorter one is usually to the point."""
    return min(box.chat(*args, **kwargs), box.chat(*args, **kwargs), key=len)
'''

_MOST_SPECIFIC = '''
def most_specific_draft(box, *args, **kwargs):
    """Of two drafts, the one with more figures and names in it."""
    drafts = [box.chat(*args, **kwargs) for _ in range(2)]
    return max(drafts, key=lambda text: len(re.findall(r"\\d|\\b[A-Z]{2,}\\b", text)))
'''

_NOT_GENERIC = '''
def chat_without_generic(box, *args, **kwargs):
    """Asks once more when the question opens like any exam question."""
    text = box.chat(*args, **kwargs)
    if re.search(r'"question"\\s*:\\s*"(what is|explain|describe|discuss|summari[sz]e)', text, re.IGNORECASE):
        text = box.chat(*args, **kwargs)
    return text
'''

_LEAST_LEAKY = '''
def least_leaky_draft(box, *args, **kwargs):
    """Of two drafts, the one whose context shares fewer words with its reference answer."""

    def shared(text):
        fields = dict(re.findall(r'"(context|reference_answer)"\\s*:\\s*"((?:[^"\\\\]|\\\\.)*)"', text))
        context = set(fields.get("context", "").lower().split())
        answer = set(fields.get("reference_answer", "").lower().split())
        return len(context & answer) / (len(answer) or 1)

    return min((box.chat(*args, **kwargs) for _ in range(2)), key=shared)
'''

_LOG_REPLY = '''
def logged(text):
    """Nothing is changed; the length tells later whether replies were cut off."""
    print(f"challenger replied with {len(text)} characters")
    return text
'''

_LAST_OBJECT = '''
def last_object(text):
    """After a scratchpad, only the last top-level object counts."""
    starts = [match.start() for match in re.finditer(r"^\\{", text, re.MULTILINE)]
    return text[starts[-1] :] if starts else text
'''


def _mend_before_parsing(source: str) -> str:
    """Mends the text where it is parsed, but not the verifier's: its replies are another matter."""
    texts = [call.args[0] for call in calls_of(source, "loads") if len(call.args) == 1]
    if is_defined(source, "mended_json") or chats_with(source, "verifier") or not texts:
        return source
    changes = [Change(*span(source, text), f"mended_json({text_of(source, text)})") for text in texts]
    return with_helper(apply_changes(source, changes), _MEND_JSON, ("re",))


def _lenient_json(files: Files, luck: random.Random) -> dict[str, str]:
    """Where replies are parsed; where they arrive, when no parsing is found."""
    if any(is_defined(files[path], "mended_json") for path in python_files(files)):
        return {}
    return on_python(_mend_before_parsing)(files, luck) or around_reply(_MEND_JSON, "challenger", ("re",))(
        files, luck
    )


CHAT_IDEAS = (
    code_idea(
        "lenient_json",
        ("json", "parse lenient", "string weight", "output format", "replies read"),
        _lenient_json,
        "Repair the usual slips of JSON before parsing, so that a stray comma or quoted weight costs "
        "no round.",
        "Parse replies leniently: strip fences and plus signs, forgive trailing commas.",
        weight=1.2,
    ),
    code_idea(
        "strip_fences",
        ("json", "text around object"),
        around_reply(_FENCES, "challenger"),
        "Remove Markdown fences from replies before they are parsed.",
    ),
    code_idea(
        "retry_unreadable",
        ("parse retry", "json parse", "guard unexpected", "malformed"),
        instead_of_chat(_UNTIL_JSON, "challenger", ("json",)),
        "Ask the challenger again when its reply holds no readable object, instead of losing the attempt.",
        "Retry unreadable drafts at once within the same round.",
        weight=1.2,
    ),
    code_idea(
        "longer_draft",
        ("several candidates", "thinking step", "draft best"),
        instead_of_chat(_TWO_DRAFTS_LONG, "challenger"),
        "Write two drafts each round and take the longer one.",
    ),
    code_idea(
        "shorter_draft",
        ("simpler shorter", "several candidates"),
        instead_of_chat(_TWO_DRAFTS_SHORT, "challenger"),
        "Write two drafts each round and take the more concise one.",
    ),
    code_idea(
        "specific_draft",
        ("specific generic", "several candidates", "draft best"),
        instead_of_chat(_MOST_SPECIFIC, "challenger", ("re",)),
        "Propose two examples each round and send the one that names more figures and systems.",
    ),
    code_idea(
        "refuse_generic_draft",
        ("refuse generic", "generic question"),
        instead_of_chat(_NOT_GENERIC, "challenger", ("re",)),
        "Ask for another draft when a question opens like a textbook exercise.",
    ),
    code_idea(
        "least_leaky_draft",
        ("context leak", "check leaked", "context answer"),
        instead_of_chat(_LEAST_LEAKY, "challenger", ("re",)),
        "Of two drafts take the one whose context shares least with its own answer.",
    ),
    code_idea(
        "cold_challenger",
        ("temperature", "sloppy", "variety"),
        with_keyword("temperature", "0.2", "challenger"),
        "Lower the challenger's temperature so that drafts keep to the instructions.",
    ),
    code_idea(
        "hot_challenger",
        ("temperature", "variety draft", "repeat"),
        with_keyword("temperature", "1.4", "challenger"),
        "Raise the challenger's temperature so that later rounds leave the beaten track.",
    ),
    code_idea(
        "cold_verifier",
        ("temperature", "verifier strict"),
        with_keyword("temperature", "0.0", "verifier"),
        "Run the verifier at temperature zero, for steady verdicts.",
    ),
    code_idea(
        "json_mode",
        ("strict json", "json valid"),
        with_keyword("json_mode", "True", "challenger"),
        "Switch the endpoint's JSON mode on for the challenger.",
    ),
    code_idea(
        "short_replies",
        ("output rambl", "reply length"),
        with_keyword("max_tokens", "500", "challenger"),
        "Limit replies to five hundred tokens; what matters fits.",
    ),
    code_idea(
        "roomy_replies",
        ("reply cut", "parse fail"),
        with_keyword("max_tokens", "6000", "challenger"),
        "Give the challenger more room, so that no reply is cut off.",
    ),
    code_idea(
        "print_lengths",
        ("logging", "log received"),
        around_reply(_LOG_REPLY, "challenger"),
        "Print the length of each reply to see whether any was truncated.",
        weight=0.5,
    ),
    code_idea(
        "last_object",
        ("scratchpad", "text around object"),
        around_reply(_LAST_OBJECT, "challenger", ("re",)),
        "Take only the last object of a reply, so that reasoning ahead of it does no harm.",
    ),
)
