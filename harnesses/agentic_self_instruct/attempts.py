"""What has been tried on this paper, and how it is told to the challenger: grouped by the kind of failure."""

from dataclasses import dataclass, field

GROUPS = {
    "too_easy": "Too easy (the weak solver did too well):",
    "strong": "Failed on strong (the strong solver could not answer it either, or was no better):",
    "quality": "Failed the quality check or could not be read:",
}
GROUP_OF = {
    "too_easy": "too_easy",
    "too_hard": "strong",
    "strong_failed": "strong",
    "small_gap": "strong",
    "quality": "quality",
    "malformed": "quality",
}


@dataclass
class Attempt:
    """One round that ended. `outcome` is "accepted" or the category of the failure."""

    outcome: str
    question: str = ""
    reason: str = ""
    weak: float | None = None
    strong: float | None = None

    @classmethod
    def from_report(cls, question: str, report: dict) -> "Attempt":
        outcome = "accepted" if report["status"] == "accepted" else str(report["category"])
        return cls(outcome, question, report["reason"], average(report["weak"]), average(report["strong"]))

    def as_line(self) -> str:
        scores = [
            f"{name} solver average {score:.2f}"
            for name, score in (("weak", self.weak), ("strong", self.strong))
            if score is not None
        ]
        detail = ", ".join(scores) or self.reason
        return f"- “{self.question}” ({detail})" if self.question else f"- a draft that was lost ({detail})"


@dataclass
class Attempts:
    items: list = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.items)

    def add(self, attempt: Attempt) -> None:
        self.items.append(attempt)

    def as_feedback(self, limit: int) -> str:
        """The last `limit` failures, group by group; empty groups are left out."""
        recent = self.items[-limit:] if limit > 0 else []
        parts = []
        for group, heading in GROUPS.items():
            lines = [item.as_line() for item in recent if GROUP_OF.get(item.outcome, "quality") == group]
            if lines:
                parts.append("\n".join([heading, *lines]))
        return "\n\n".join(parts)


def average(scores: dict | None) -> float | None:
    return None if scores is None else scores["average"]
