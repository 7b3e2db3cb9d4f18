"""Is the model that answered the one that was asked? Names only; what a server really runs nobody can see.

Providers answer with a dated name, or without the owner's: `gpt-x` becomes `gpt-x-2026-01-31`, `owner/small`
becomes `small`. A name that differs otherwise is another model, perhaps put in silently by a proxy.
"""

import re

VERSION = re.compile(
    r"""(?: [-@:._] (?: latest | preview | v?\d{3,8} | \d{4}-\d{2}-\d{2} | \d{2}-\d{2} | v\d{1,2} ) )+ $""",
    re.VERBOSE,
)


def is_same_model(asked: str, answered: str) -> bool:
    """An endpoint that names no model is believed."""
    return not answered.strip() or _family(asked) == _family(answered)


def _family(name: str) -> str:
    return VERSION.sub("", name.strip().lower().rsplit("/", 1)[-1])
