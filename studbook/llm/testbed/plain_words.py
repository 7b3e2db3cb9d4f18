"""Turns of phrase rewritten into the plain words that the lexicon knows, before a sentence is cut up.

Only idioms that mislead a reader of single words stand here: "nothing but" is no denial, "fails to" is one,
"fail the example" is a judgement. What the words mean together stands in `frames.py`.
"""

import re

from studbook.llm.testbed.quantities import without_quantities

_FORBIDDEN = "rejected"
_NOT_ANYTHING = r"(?:do not|never|not) (?:\w+ ){0,3}?anything"
_SOME = "(?:a|some|merely|general|broad|basic|typical|usual|solid)"
_REWRITTEN = (
    (r"n['’]t\b", " not"),
    (r"\bcan not\b", "cannot"),
    (rf"\b(?:nothing|{_NOT_ANYTHING}) (?:but|except|besides|other than|apart from)\b", "only"),
    (r"\b(?:anything|everything) (?:but|except|other than|short of)\b", "what is not"),
    (rf"\b(?:background knowledge|(?:{_SOME} )+background(?: in| of|(?= alone)))", "general knowledge"),
    (r"\b(not|no|neither|never|cannot)\b([^;.]*?)\bnor\b", r"\1\2or"),
    (r"\bzero (?=negative|penalt)", "no "),
    (r"\b(?:do not|never|must not|should not|cannot) (?:accept|admit|allow|permit|tolerate)\b", "reject"),
    (r"\bprefer(\w* [^.;]{3,60}?) over\b", r"prefer\1 instead of"),
    (r"\bprefer(?:red|able) (?:over|to)\b", "preferred instead of"),
    (r"\bpass\W{1,3}false\b|\bpass to false\b", _FORBIDDEN),
    (r"\bun(?:answerable|solvable)\b", "cannot be answered"),
    (r"\b(?:answerable|solvable)\b", "can be answered"),
    (r"\b(?:do|must|should|shall|may) not fail to\b|\bnever fail to\b", "always"),
    (r"\bfail(?:s|ed|ing)? to(?! (?:be|meet))\b", "cannot"),
    (r"^\W*fail\b(?! (?:it|any|every|if|when|an|where)\b)", _FORBIDDEN),
    (r"\bfail (?:the|a|this|that|all|such|each|those) (?=\w)", f"{_FORBIDDEN} the "),
    (
        r"\bfails (?:the|this|that|an|a) (?:whole )?(?=(?:example|draft|rubric|check|test)\b)",
        f"is {_FORBIDDEN} ",
    ),
    (r":\s*(?:no|never|wrong)\W*$", f" {_FORBIDDEN}"),
    (r"\bfails?(?=\s*(?:[.;:!]|$))", _FORBIDDEN),
    (r"\b(?:(?:do|does|must|should|shall|may|can|will) not|cannot|never) pass(?:es)?\b", _FORBIDDEN),
    (r"\b(?:is|are|be) not (?:to be )?accept(?:ed|able)\b", f"is {_FORBIDDEN}"),
)
_RULES = tuple((re.compile(pattern, re.IGNORECASE), plain) for pattern, plain in _REWRITTEN)
_TOO_EASY = re.compile(
    r"\btoo (?:easy|simple|weak|shallow|trivial|generic|general|much|many|high|large|heavy|broad)\b"
    r"|\bnot (?:nearly )?[\w-]+ enough\b",
    re.IGNORECASE,
)
_SUPPOSES = re.compile(r"\b(?:if|when|whenever|where|whether|in case|should)\b", re.IGNORECASE)
_DO_OVER = re.compile(
    r"\b(?:rewrite|revise|redo|replace|rework|change) (?:it|them|the \w+)\b|\bstart (?:over|again)\b"
    r"|\b(?:write|pick|choose|find|ask|invent|look for|try) (?:another|a new|a different|again)\b",
    re.IGNORECASE,
)


def in_plain_words(text: str) -> str:
    plain = text.replace("’", "'")
    for pattern, words in _RULES:
        plain = pattern.sub(words, plain)
    if _SUPPOSES.search(plain):
        plain = _DO_OVER.sub("discard it", plain)
    return _TOO_EASY.sub("tooeasy", without_quantities(plain))
