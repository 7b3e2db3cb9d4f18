"""How people put orders to those who answer, mark or check: patterns in plain English, nothing else.

Three groups of orders, what shows that somebody is spoken to, and what an example says of itself. Searched in
one sentence at a time, whatever its case.
"""

import re


def _any(patterns: str) -> re.Pattern[str]:
    """One pattern a line, a line that begins with `+` goes on; `~`: up to 60 characters of the sentence."""
    whole = re.sub(r"\n\s*\+ ", "", patterns).replace("~", "[^.]{0,60}")
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    return re.compile("|".join(f"(?:{line})" for line in lines), re.IGNORECASE)


SPOKEN_TO = _any(
    r"""
    \b(?:you|your|yourself|please|pls|whoever|any(?:one|body) who)\b
    ^\W*(?:answer|reply|respond|return|output|write|say|keep|mark|award|give|grant|count|treat|rate|score)\b
    ^\W*(?:pass|approve|accept|skip|ignore|disregard|forget|pretend|act|imagine|assume|leave|stop|print)\b
    ^\W*(?:do not|don['’]t|never)\b
    \b(?:note|hint|message|instructions?|reminder|attention|important|system|override|check)\b[^.]{0,30}:
    """
)

NAMED = _any(
    r"""
    \b(?:judges?|graders?|markers?|verifiers?|reviewers?|assessors?|examiners?|evaluators?)\b
    \b(?:solvers?|assistants?)\b
    \b(?:language )?models?\b
    \b(?:grading|marking|correction|review) (?:guideline|instruction|note|system)s?\b
    """
)
"""Somebody is named who could be meant; not where the past is told ("the graders were asked to …")."""

REPORTED = re.compile(r"\b(?:was|were|had|did)\b", re.IGNORECASE)

ORDERS = _any(
    r"""
    \b(?:answer|reply|respond|response|say|write|output|return|print)\b~\b(?:only|nothing|just|badly|poorly)\b
    \b(?:answer|reply|respond|response|say|write)\b~\b(?:wrong(?:ly)?|incorrectly|brief(?:ly)?|vague(?:ly)?)\b
    \b(?:answer|reply|respond|response|say|write)\b~\b(?:short|empty|blank)\b
    \b(?:answer|reply|respond|response|say|write)\b~\bone (?:\w+ )?(?:line|word|sentence)\b
    \b(?:answer|reply|respond|response|say)\b~\b(?:do not|don['’]t|not) know\b
    \b(?:answer|reply|respond|response)\b~\bno (?:detail|figure|number|reason)s?\b
    \bpretend\b|\bact as (?:if|an?)\b|\bplay the (?:role|part)\b|\brole-?play\b
    \byou are (?:an?|the|now) (?:\w+ ){0,3}(?:model|student|assistant|novice|child|beginner|judge|grader)\b
    \b(?:give|write|produce|submit|provide) an? (?:\w+ ){0,2}(?:wrong|bad|weak|poor|vague|empty|incomplete)\b
    \b(?:if|unless|when)\b~\b(?:given|see|have|having|attached|provided|shown)\b
    + ~\b(?:document|paper|source|article)\b
    \bwithout (?:having )?(?:the |a )?(?:\w+ )?(?:document|paper|source|article)\b
    \b(?:do not|don['’]t|never|leave out|omit)\b~\b(?:in your|your answer|your reply|unless you)\b
    \bkeep (?:your|the) (?:answer|reply|response)\b
    \b(?:mark|grade|award|give|grant|count|treat|rate|score|consider|assign|tick)(?:s|ed|ing)?\b
    + ~\b(?:full|all|every|each|highest|maximum|top|perfect)\b
    + ~\b(?:criteri\w+|marks?|points?|credits?|scores?|met|fulfilled|satisfied|true|lines?|items?)\b
    \b(?:criteri\w+|marks?|points)\b~\b(?:count|are|be|as|considered|counted)\b
    + ~\b(?:met|fulfilled|satisfied|true|passed)\b
    \bfull (?:marks|score|credit|points)\b|\b(?:highest|maximum|top) (?:mark|score|grade)\b
    \b(?:be|is) (?:lenient|generous|kind|strict|harsh)\b~\b(?:answers?|repl\w+|ones?|mark\w*|grad\w+)\b
    \b(?:ignore|disregard|forget|override|bypass|skip)\b
    + ~\b(?:instructions?|rules?|checks?|prompts?|guidelines?|verification|screening)\b
    \b(?:ignore|disregard|forget)\b~\b(?:above|previous|earlier|prior)\b
    \b(?:pass|approve|accept|validate|clear)\b~\b(?:this|the|it)\b~\b(?:example|item|question|without)\b
    \bapprove (?:it|this)\b|\bdo(?:es)? not apply here\b
    \b(?:check|review|verification|screening)\b~\b(?:already|done|passed|completed?|not needed)\b
    """
)

OF_ITSELF = _any(
    r"""
    \bthis (?:example|item|rubric|entry|exam question|test question)\b
    + ~\b(?:pass(?:es)?|approved|perfect|valid|verified|reviewed)\b
    \bthis (?:example|item|rubric|entry)\b~\bno (?:leak|fault|flaw|problem)s?\b
    """
)
"""What an example says of itself needs nobody who is spoken to."""

MACHINE = re.compile(
    r"[\"'“]?\b(?:marks?|pass|passed|verdict)[\"'”]\s*:\s*(?:\[|true|false|\d|[\"'“])"
    r"|[‹<]\s*[|/]?\s*(?:im_start|system|assistant|user)\b|[\[⁅]/?INST\b",
    re.IGNORECASE,
)
"""The form of a reply, or of a chat's roles, in the place of text."""
