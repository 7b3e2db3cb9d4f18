"""The words that the final verifier's checks look for. Decides nothing."""

import re

from studbook.llm.testbed.words import stem, word_set

STYLE = re.compile(
    r"\b(?:tone|style|spelling|fluen\w+|gramma\w+|format\w*|well[- ](?:organi[sz]ed|written|structured)"
    r"|readab\w+|polite\w*|concise\w*|punctuation|paragraphs?|headings?|bullets?|words long"
    r"|repetition|register|easy to read)\b",
    re.IGNORECASE,
)
RECALL = re.compile(r"\b(?:is it true|what is meant by|list what)\b", re.IGNORECASE)
ABSENT = re.compile(
    r"\b(?:figures?|fig\.|tables?|equations?|eq\.|appendix|panel|footnote|page|theorem|algorithm) \(?[A-Z]?\d"
    r"|\b(?:described|shown|mentioned|given|stated|\w+ (?:figure|table|equation|graph|diagram)) above\b"
    r"|\b(?:in|of|to) (?:the|this) (?:paper|article|appendix)\b",
    re.IGNORECASE,
)
MATTER = re.compile(
    r"\b(?:judges?|graders?|solvers?|verifiers?|prompts?|language models?|LLMs?|rubrics?)\b", re.I
)
PLAIN = frozenset(
    map(
        stem,
        word_set(
            """
            explain approach described work works better simple simpler alternative main idea effective
            advantage advantages offer offers usual method methods succeed trade offs off describe important
            problem solution good technique result results finding findings paper study contribution strengths
            strength weaknesses weakness proposed key summarise summarize conclusions conclusion drawn next
            matter point points useful words own learn discuss different earlier one reason reasons answer
            question significance significant overall implications impact purpose aim goal role play together
            follows follow belong
            """
        ),
    )
)
REPORTING = frozenset(
    map(
        stem,
        word_set(
            """
            mention mentions word words term terms refer refers reference uses use used contain contains speak
            speaks least once answer answers question topic subject include includes name names something
            anything there state states say says explain explains reader response relevant information
            """
        ),
    )
)
