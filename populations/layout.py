"""Where the parts of a run lie on disk (docs/design.md, "On disk"). Reads nothing, creates when told to."""

from dataclasses import dataclass
from pathlib import Path

from studbook.populations.storage import storage_errors


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run; `root` is runs/<name>."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def spec(self) -> Path:
        return self.root / "spec.resolved.yaml"

    @property
    def environment(self) -> Path:
        return self.root / "environment.json"

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def lineage(self) -> Path:
        return self.root / "lineage.git"

    @property
    def calls(self) -> Path:
        return self.root / "calls.sqlite"

    @property
    def trajectories(self) -> Path:
        return self.root / "trajectories"

    @property
    def notices(self) -> Path:
        return self.root / "notices.jsonl"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def exists(self) -> bool:
        """A folder becomes a run with its first journal line."""
        return self.journal.is_file()

    def create(self) -> "RunFolder":
        """Makes the folders that are missing; raises StorageError naming the one that cannot be made."""
        with storage_errors(self.root, "create"):
            self.trajectories.mkdir(parents=True, exist_ok=True)
        return self
