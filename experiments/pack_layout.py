"""Which files a packed run may hold, by name: what `studbook pack` takes and `studbook unpack` accepts.

Anything else is left out, or refused: a git hook, a lock, a link's target, a file of another's making.
"""

import re

TOP = frozenset(
    {
        "spec.resolved.yaml",
        "environment.json",
        "journal.jsonl",
        "calls.sqlite",
        "notices.jsonl",
        "report.html",
    }
)
TRAJECTORY = re.compile(r"trajectories/[0-9a-f]{2}/[0-9a-f]{64}\.json\.zst\Z")
LINEAGE = re.compile(
    r"lineage\.git/(?:HEAD|config|packed-refs|refs/(?:heads|mutants)/[a-z0-9]{1,40}"
    r"|objects/[0-9a-f]{2}/[0-9a-f]{38}|objects/pack/pack-[0-9a-f]{40}\.(?:pack|idx|rev))\Z"
)


def is_packed(name: str) -> bool:
    """`name` is relative to the run folder, with slashes."""
    return name in TOP or bool(TRAJECTORY.match(name) or LINEAGE.match(name))
