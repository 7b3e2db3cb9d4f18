"""What in an example speaks to a solver, a judge or a verifier instead of to its subject.

Deterministic and pure. Findings inform: they are counted, shown, and handed to the final verifier. They never
reject by themselves, because a paper about language models says such things in earnest.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One attempt: what kind, in which field (`question`, `rubric.2.criterion`), and a short quote of it."""

    kind: str
    field: str
    quote: str
