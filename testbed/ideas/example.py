"""Code ideas that change the example on its way to the evaluator: weights, criteria, context, question.

Helpers are written as an engineer would write them: defensive about types, and the same result for the same
example, because an example evaluated twice must not cost two rounds.
"""

from studbook.testbed.ideas.code import around_example, code_idea

_WHOLE_WEIGHTS = '''
def whole_weights(example):
    """Weights as whole numbers, whatever the model wrote."""
    rubric = []
    for item in example.get("rubric") or []:
        digits = re.search(r"[-+]?\\d+(\\.\\d+)?", str(item.get("weight", "")))
        rubric.append({**item, "weight": round(float(digits.group())) if digits else 1})
    return {**example, "rubric": rubric}
'''

_POSITIVE_ONLY = '''
def rewarding_only(example):
    """The example without the criteria that take points away."""
    items = example.get("rubric") or []
    rubric = [item for item in items if not str(item.get("weight", "")).strip().startswith("-")]
    return {**example, "rubric": rubric} if rubric else example
'''

_CLAMPED = '''
def clamp_weights(example, most=7):
    """No criterion may dominate."""
    rubric = []
    for item in example.get("rubric") or []:
        weight = item.get("weight")
        if isinstance(weight, int):
            item = {**item, "weight": max(-most, min(most, weight))}
        rubric.append(item)
    return {**example, "rubric": rubric}
'''

_STRIP_LEAKS = '''
def without_giveaways(example):
    """Takes sentences out of the context that hold much of the reference answer."""
    answer = set(re.findall(r"[a-z]{5,}", str(example.get("reference_answer", "")).lower()))
    kept = []
    for sentence in re.split(r"(?<=[.!?])\\s+", str(example.get("context", ""))):
        words = set(re.findall(r"[a-z]{5,}", sentence.lower()))
        if not words or len(words & answer) < 0.4 * len(words):
            kept.append(sentence)
    return {**example, "context": " ".join(kept)} if kept else example
'''

_SHORT_CONTEXT = '''
def brief_context(example, sentences=2):
    """Only the opening of the context."""
    parts = re.split(r"(?<=[.!?])\\s+", str(example.get("context", "")))
    return {**example, "context": " ".join(parts[:sentences])}
'''

_LONG_CONTEXT = '''
def with_background(example, box):
    """Gives the solvers the opening of the paper as well."""
    opening = box.paper.text[:1500]
    context = str(example.get("context", ""))
    return example if opening in context else {**example, "context": context + "\\n\\n" + opening}
'''

_FEW_CRITERIA = '''
def fewer_criteria(example, most=5):
    """A short rubric is easier to judge."""
    return {**example, "rubric": list(example.get("rubric") or [])[:most]}
'''

_SORTED = '''
def ordered_rubric(example):
    """The same criteria, longest first, so that rubrics are easier to compare."""
    rubric = sorted(example.get("rubric") or [], key=lambda item: -len(str(item.get("criterion", ""))))
    return {**example, "rubric": rubric}
'''

_EQUAL = '''
def equal_weights(example):
    """Every criterion counts the same; only the sign is kept."""
    rubric = []
    for item in example.get("rubric") or []:
        is_penalty = str(item.get("weight", "")).strip().startswith("-")
        rubric.append({**item, "weight": -5 if is_penalty else 5})
    return {**example, "rubric": rubric}
'''

_HARSHER = '''
def harsher_penalties(example):
    """Penalties at full size."""
    rubric = []
    for item in example.get("rubric") or []:
        is_penalty = str(item.get("weight", "")).strip().startswith("-")
        rubric.append({**item, "weight": -10} if is_penalty else item)
    return {**example, "rubric": rubric}
'''

_BRIEF_ANSWERS = '''
def ask_for_brevity(example):
    """Long answers ramble; one sentence shows who knows."""
    wish = " Answer in one sentence."
    question = str(example.get("question", ""))
    return example if question.endswith(wish) else {**example, "question": question + wish}
'''

_TITLED = '''
def name_the_paper(example, box):
    """Says which paper the question is about."""
    prefix = f"About the paper “{box.paper.title}”: "
    question = str(example.get("question", ""))
    return example if question.startswith(prefix) else {**example, "question": prefix + question}
'''

_ONE_SENTENCE = '''
def single_question(example):
    """Only the first question that was asked."""
    question = str(example.get("question", ""))
    return {**example, "question": question.split("?")[0] + "?"} if "?" in question else example
'''

_HINTED = '''
def with_hint(example):
    """The context opens the way with the first words of the answer."""
    first = re.split(r"(?<=[.!?])\\s+", str(example.get("reference_answer", "")))[0]
    context = str(example.get("context", ""))
    return example if first in context else {**example, "context": context + " " + first}
'''

_TIDY = '''
def tidy(example):
    """Single spaces in every text of the example."""
    texts = {key: " ".join(value.split()) for key, value in example.items() if isinstance(value, str)}
    return {**example, **texts}
'''

_DISTINCT = '''
def distinct_criteria(example):
    """Drops criteria that share their opening words with an earlier one."""
    seen, rubric = set(), []
    for item in example.get("rubric") or []:
        opening = " ".join(str(item.get("criterion", "")).lower().split()[:6])
        if opening not in seen:
            rubric.append(item)
        seen.add(opening)
    return {**example, "rubric": rubric}
'''

_CONCRETE = '''
def concrete_criteria(example):
    """Keeps criteria that name something; keeps all when too few would be left."""
    items = example.get("rubric") or []
    rubric = [item for item in items if len(str(item.get("criterion", "")).split()) >= 8]
    return {**example, "rubric": rubric} if len(rubric) >= 4 else example
'''

_DISCOURAGED = '''
def closed_book(example):
    """Makes plain that the document itself is needed."""
    note = " Who has not read the source document should answer that the information is not available."
    question = str(example.get("question", ""))
    return example if question.endswith(note) else {**example, "question": question + note}
'''

EXAMPLE_IDEAS = (
    code_idea(
        "whole_weights",
        ("json weight", "string weight", "malformed", "parse fail"),
        around_example(_WHOLE_WEIGHTS, ("re",)),
        "Convert every weight to a whole number in code before the example is sent, so quoted "
        "weights cost no round.",
        'Normalising weights such as "+8" in the agent saves examples that were refused for their form.',
    ),
    code_idea(
        "positive_only_in_code",
        ("penalt misfire", "negative criteria", "negative weight"),
        around_example(_POSITIVE_ONLY),
        "Filter penalising criteria out of the rubric in code, since correct answers were losing "
        "points to them.",
        "Drop criteria below zero just before evaluation, so that good answers keep their points.",
        weight=0.7,
    ),
    code_idea(
        "clamp_weights",
        ("weight cap", "weight beyond"),
        around_example(_CLAMPED),
        "Clamp weights to seven in code so that no single criterion decides a score.",
    ),
    code_idea(
        "strip_leaks",
        ("context leak", "context answer", "context solution"),
        around_example(_STRIP_LEAKS, ("re",)),
        "Remove from the context, in code, every sentence that overlaps with the reference answer.",
        "Cut giveaway sentences out of the context before sending, so that copying no longer pays.",
        weight=0.7,
    ),
    code_idea(
        "brief_context",
        ("context short", "excerpt focus"),
        around_example(_SHORT_CONTEXT, ("re",)),
        "Send only the first two sentences of the context, which should leave solvers less to copy.",
    ),
    code_idea(
        "long_context",
        ("context short", "richer context", "background context"),
        around_example(_LONG_CONTEXT, needs_box=True),
        "Append the opening of the paper to the context so that strong answers have more to work with.",
    ),
    code_idea(
        "fewer_criteria_in_code",
        ("number criteria", "fewer criteria", "size rubric"),
        around_example(_FEW_CRITERIA),
        "Keep the first five criteria only; long rubrics blur the difference between solvers.",
    ),
    code_idea(
        "sorted_rubric",
        ("rubric order",),
        around_example(_SORTED),
        "Order the rubric by length of criterion, which makes examples comparable.",
    ),
    code_idea(
        "equal_weights",
        ("weight noise", "weight cap", "rubric size"),
        around_example(_EQUAL),
        "Give all criteria the same size of weight, because the chosen sizes look arbitrary.",
    ),
    code_idea(
        "harsher_penalties",
        ("harsher penalt", "weak average"),
        around_example(_HARSHER),
        "Raise every penalty to its maximum in code so that weak answers pay for their errors.",
    ),
    code_idea(
        "one_sentence_answers",
        ("question short", "simpler question"),
        around_example(_BRIEF_ANSWERS),
        "Append a wish for one-sentence answers to each question, so that rambling earns nothing.",
    ),
    code_idea(
        "title_in_question",
        ("context title", "definition title"),
        around_example(_TITLED, needs_box=True),
        "Prefix the question with the title of the paper so that solvers know what is meant.",
    ),
    code_idea(
        "first_question_only",
        ("question aspect", "question short"),
        around_example(_ONE_SENTENCE),
        "Cut each question after its first question mark; compound questions hand out partial credit.",
    ),
    code_idea(
        "hint_in_context",
        ("hard", "strong fail", "foothold"),
        around_example(_HINTED, ("re",)),
        "Put the first sentence of the reference answer into the context as a foothold for the solvers.",
    ),
    code_idea(
        "tidy_whitespace",
        ("hygiene code", "output format"),
        around_example(_TIDY),
        "Collapse stray whitespace in all fields before evaluation.",
    ),
    code_idea(
        "distinct_criteria",
        ("rubric noise", "criteria noise", "size rubric"),
        around_example(_DISTINCT),
        "Remove criteria that begin like an earlier one, so that nothing is counted twice.",
    ),
    code_idea(
        "concrete_criteria",
        ("criteria copied", "criteria simple", "rubric hang"),
        around_example(_CONCRETE),
        "Keep only criteria of some length, since terse ones are met by any answer.",
    ),
    code_idea(
        "closed_book_note",
        ("weak average", "general knowledge"),
        around_example(_DISCOURAGED),
        "Tell readers without the document to say that they lack it, which should lower weak scores.",
        weight=0.5,
    ),
)
