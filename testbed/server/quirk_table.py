"""docs/quirks.md, made from the table of quirks.

python -m studbook.testbed.server.quirk_table > docs/quirks.md
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from studbook.testbed.server.quirks import Outcome, Quirk, quirks, table

HEAD = """\
<!-- Written by: python -m studbook.testbed.server.quirk_table > docs/quirks.md -->
# Quirks of endpoints

What OpenAI-compatible endpoints do differently, and what Studbook does about it. Each row is a rule of the
testbed's server, and a test: a small evaluation against an endpoint with this quirk must come to what the row
says (`tests/testbed/test_quirks.py`). Try one yourself:

    studbook testbed serve --quirk think-closed

“Known from” names software or services that are publicly known for it; versions and settings differ. “At
first” is what a run did before this table existed, where that was measured.

The outcomes:

- **same result**: every verdict and score is as without the quirk.
- **other samples**: the endpoint takes no random seed. The run is sound; a second run would draw other ones.
- **this paper is skipped**: it is not judged and counts as not passed, and the user reads why; all others are
  as without the quirk.
- **stops**: nothing is scored, and the error says what to do.
"""

WITHOUT = "–"


def page() -> str:
    parts = [HEAD]
    for group, title in table().groups.items():
        rows = [_row(quirk) for quirk in quirks() if quirk.group == group]
        if not rows:
            continue
        head = ["| quirk | the endpoint … | known from | outcome | at first |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"## {title}", "", *head, *rows, ""]))
    return "\n".join(parts)


def _row(quirk: Quirk) -> str:
    cells = (
        f"`{quirk.name}`",
        quirk.does,
        ", ".join(quirk.seen) or WITHOUT,
        "; ".join(_outcome(quirk)),
        quirk.before or WITHOUT,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _outcome(quirk: Quirk) -> Iterator[str]:
    said = ", ".join(f"“{words}”" for words in quirk.says)
    if quirk.outcome is Outcome.STOPPED:
        yield f"**{quirk.outcome}**: {said}"
    else:
        yield f"**{quirk.outcome}**" + (f" (notice: {said})" if said else "")
    if quirk.spec:
        yield "with " + ", ".join(f"`{path}: {_yaml(value)}`" for path, value in quirk.spec.items())
    if quirk.remark:
        yield quirk.remark


def _yaml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_yaml(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)


if __name__ == "__main__":
    sys.stdout.write(page())
