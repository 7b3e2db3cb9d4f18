"""Code ideas about the flow: what of the paper is shown, how many rounds, what feedback, which checks."""

import ast
import re

from studbook.testbed.ideas.code import around_paper, chats_with, code_idea, on_python
from studbook.testbed.ideas.idea import Edit
from studbook.testbed.ideas.source import (
    Change,
    apply_changes,
    at_start_of,
    functions_of,
    nodes_of,
    span,
    text_of,
)

_OPENING_ONLY = '''
def opening(text, characters=4000):
    """The opening says what a paper is about."""
    return text[:characters]
'''

_HEAD_AND_TAIL = '''
def head_and_tail(text, characters=5000):
    """Introduction and conclusion; the middle is detail."""
    return text if len(text) <= 2 * characters else text[:characters] + "\\n\\n" + text[-characters:]
'''

_NO_REFERENCES = '''
def without_references(text):
    """The paper up to its bibliography."""
    return re.split(r"\\n#* *(?:References|Bibliography)\\b", text, maxsplit=1)[0]
'''

_MIDDLE = '''
def main_part(text):
    """The middle half, where method and findings stand."""
    quarter = len(text) // 4
    return text[quarter : 3 * quarter] if quarter > 2000 else text
'''

_TURNED = '''
def sections_reversed(text):
    """Sections in reverse, so that the findings come first."""
    return "\\n\\n".join(reversed(re.split(r"\\n(?=#+ )", text)))
'''

_ONE_LINE = '''
def on_one_line(text):
    """Paragraph breaks confuse; plain running text does not."""
    return " ".join(text.split())
'''

_FEEDBACK_NAME = re.compile(r"feedback|failure|failed|refine|lesson|so_far|retry|grouped", re.IGNORECASE)
_FAILURES_NAME = re.compile(
    r"(?:self\.)?\w*(?:fail|attempt|histor|earlier|tries|past|report|items|record)\w*", re.IGNORECASE
)


def _feedback_functions(source: str) -> list[ast.FunctionDef]:
    """Functions that put failures into words: named so, returning text."""
    return [
        function
        for function in functions_of(source)
        if _FEEDBACK_NAME.search(function.name) and _returns_text(function)
    ]


def _returns_text(function: ast.FunctionDef) -> bool:
    annotation = ast.unparse(function.returns) if function.returns is not None else "str"
    returns_value = any(isinstance(node, ast.Return) and node.value for node in ast.walk(function))
    return annotation == "str" and returns_value


def _no_feedback(source: str) -> str:
    changes = [
        at_start_of(source, function, 'return ""')
        for function in _feedback_functions(source)
        if 'return ""' not in text_of(source, function)
    ]
    return apply_changes(source, changes)


def _of_failures(template: str) -> Edit:
    """Rewrites each read of the failures, a name or a field, in a feedback function by `template`."""

    def transform(source: str) -> str:
        inside = {id(node) for function in _feedback_functions(source) for node in ast.walk(function)}
        reads = [node for node in _reads_of_failures(source) if id(node) in inside]
        pairs = [(node, template.format(text_of(source, node))) for node in reads]
        fresh = [(node, text) for node, text in pairs if text not in source]
        return apply_changes(source, [Change(*span(source, node), text) for node, text in fresh])

    return on_python(transform)


def _reads_of_failures(source: str) -> list[ast.Name | ast.Attribute]:
    reads = [node for node in nodes_of(source) if isinstance(node, ast.Name | ast.Attribute)]
    loads = [node for node in reads if isinstance(node.ctx, ast.Load)]
    return [node for node in loads if _FAILURES_NAME.fullmatch(text_of(source, node))]


def _rounds(template: str) -> Edit:
    """Rewrites each read of the number of rounds by `template`."""

    def transform(source: str) -> str:
        changes = []
        for node in nodes_of(source):
            if isinstance(node, ast.expr) and _reads_rounds(source, node):
                text = template.format(text_of(source, node))
                changes += [Change(*span(source, node), text)] if text not in source else []
        return apply_changes(source, changes)

    return on_python(transform)


def _reads_rounds(source: str, node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "max_rounds" and isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load) and text_of(source, node.slice).strip("\"'") == "max_rounds"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return bool(node.args) and text_of(source, node.args[0]).strip("\"'") == "max_rounds"
    return False


_WAVED_THROUGH = {
    "bool": "return True",
    "str": "return ''",
    "tuple[bool, str]": "return (True, '')",
    "dict[str, Any]": "return {'pass': True, 'feedback': ''}",
    "dict": "return {'pass': True, 'feedback': ''}",
    "str | None": "return None",
    "Optional[str]": "return None",
    "None": "return None",
}
"""What a checking function returns when it has no objection, by its annotation."""


_YES = re.compile(r"return (?:\w+\()?\(?(?:passed=)?True(?:, \w*=?['\"]{2})?\)?\)?")


def _skip_verifier(source: str) -> str:
    """The function that asks the verifier gives its blessing at once."""
    asking = {id(call) for call in chats_with(source, "verifier")}
    changes = []
    for function in functions_of(source):
        statement = _blessing(function)
        asks = any(id(node) in asking for node in ast.walk(function))
        opening = [ast.unparse(node) for node in function.body[:2]]
        if asks and statement and statement not in opening:
            changes.append(at_start_of(source, function, statement))
    return apply_changes(source, changes)


def _blessing(function: ast.FunctionDef) -> str:
    """A return of its own that says yes, or the one that fits its annotation."""
    own = [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Return)]
    said = [text for text in own if _YES.fullmatch(text)]
    annotation = ast.unparse(function.returns) if function.returns is not None else ""
    return said[0] if said else _WAVED_THROUGH.get(annotation, "")


FLOW_IDEAS = (
    code_idea(
        "opening_only",
        ("length paper", "shorter excerpt", "paper excerpt"),
        around_paper(_OPENING_ONLY),
        "Hand the challenger only the first four thousand characters, so that it does not lose itself.",
        "Cut the paper to its opening, where the main idea stands.",
    ),
    code_idea(
        "head_and_tail",
        ("length paper", "shorter excerpt"),
        around_paper(_HEAD_AND_TAIL),
        "Show only the beginning and the end of long papers; the middle is detail.",
    ),
    code_idea(
        "without_references",
        ("length paper", "paper excerpt"),
        around_paper(_NO_REFERENCES, ("re",)),
        "Cut the bibliography off before the paper is shown, for it distracts.",
    ),
    code_idea(
        "main_part_only",
        ("specific mechanism", "shorter excerpt", "length paper"),
        around_paper(_MIDDLE),
        "Show the middle of the paper, where method and findings are, to get less general questions.",
    ),
    code_idea(
        "sections_reversed",
        ("different part paper", "another angle"),
        around_paper(_TURNED, ("re",)),
        "Reverse the order of sections so that findings come before generalities.",
    ),
    code_idea(
        "paper_on_one_line",
        ("hygiene code", "length paper"),
        around_paper(_ONE_LINE),
        "Join the paper's lines into running text, which costs fewer tokens.",
    ),
    code_idea(
        "fewer_rounds",
        ("rounds run", "spend attempts"),
        _rounds("min(2, {})"),
        "Stop after two rounds; what has not worked by then will not.",
    ),
    code_idea(
        "one_round",
        ("spend attempts", "attempts promising"),
        _rounds("min(1, {})"),
        "Make a single careful attempt for each paper.",
        weight=0.5,
    ),
    code_idea(
        "more_rounds",
        ("rounds allow", "rounds run", "allow rounds"),
        _rounds("({} + 3)"),
        "Allow three more rounds for each paper, since acceptance comes late.",
    ),
    code_idea(
        "no_feedback",
        ("drop feedback", "feedback confuse"),
        on_python(_no_feedback),
        "Leave the list of failures out and let each attempt start afresh.",
    ),
    code_idea(
        "last_failure_only",
        ("fewer failures", "shorten feedback", "feedback confuse", "failures clearer"),
        _of_failures("{}[-1:]"),
        "Mention only the latest failure, so that the message stays short.",
    ),
    code_idea(
        "three_failures",
        ("fewer failures", "shorten feedback", "list failures grows"),
        _of_failures("{}[-3:]"),
        "Limit the list of failures to the last three.",
    ),
    code_idea(
        "failures_reversed",
        ("reorder feedback", "failures steer"),
        _of_failures("list(reversed({}))"),
        "Put the most recent failure first, where it is noticed.",
    ),
    code_idea(
        "skip_verifier",
        ("skip verifier", "relax verifier", "attempts verifier"),
        on_python(_skip_verifier),
        "Skip the harness's own verification and let the evaluator decide.",
        "Save the verifier's call: its objections cost more attempts than they are worth.",
    ),
)
