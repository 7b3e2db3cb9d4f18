"""Derives the random seeds of the evaluator, and the check words that its judging roles repeat."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studbook.identity import derive_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScope:
    """The values from which every random seed for one paper is derived; the harness is not among them."""

    run_seed: int
    paper_id: str
    replicate: int

    def seed(self, purpose: str, *parts: str | int) -> int:
        return derive_seed(purpose, self.run_seed, self.paper_id, self.replicate, *parts)


def confirmation_seeds(seeds: SeedScope) -> SeedScope:
    """Every seed of the confirmation differs from every seed of the rounds."""
    return replace(seeds, run_seed=seeds.seed("confirmation"))


def reading_word(seeds: SeedScope, role: str, place: Sequence[str | int], unseen: str) -> str:
    """The word a role is asked to repeat, which distinguishes its own reply from one that it quotes.

    `unseen` is text that no harness is shown, such as the answer that is marked: everything else here a
    harness could know or guess, and then write the word into its example.
    """
    return f"{seeds.seed('check', role, *place, unseen):016x}"[-8:]
