"""Generated papers: not real research."""

from pathlib import Path

from studbook.evaluate.contracts import Paper
from studbook.testbed.papers.synthesis import synthetic_papers, write_papers


class SyntheticPapers:
    def papers(self, count: int, seed: int) -> list[Paper]:
        return list(synthetic_papers(count, seed))

    def write(self, folder: Path, count: int, seed: int) -> tuple[Path, ...]:
        return write_papers(folder, count, seed)


plugin = SyntheticPapers
