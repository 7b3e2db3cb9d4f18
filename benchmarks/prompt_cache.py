"""How much of a run's prompts a prompt cache could answer: the share that repeats the beginning of another.

    .venv/bin/python -m benchmarks.prompt_cache [RUN] [--papers PAPERS] [--cache-tokens 500000]

RUN is the folder of a recorded run. It is replayed from its records, which makes no API call, because records
hold no prompts; the prompts are then taken in the order in which their answers were recorded. Without RUN a
small run of the testbed is made first.

A cache like those of model servers: prompts are cut into blocks of 64 tokens (256 characters), a block is
found if it and everything before it is in the cache, and the blocks not used for longest leave first. Each
model has a cache of its own, in which its roles share. `endless` is a cache that forgets nothing.
"""

import argparse
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from threading import Lock

from benchmarks.iterations import say
from studbook.experiments.library.working import run as run_spec
from studbook.experiments.replay.recorded import replay_whole
from studbook.experiments.run.foreign import Consent
from studbook.experiments.run.models import role_models
from studbook.experiments.run.opening import open_run
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.views.displays.silent import SilentDisplay
from studbook.llm.contracts import (
    CHARACTERS_PER_TOKEN,
    Chat,
    ChatCall,
    ChatReply,
    ChatRequest,
    RoleModel,
)
from studbook.llm.records import CallRecords

BLOCK_TOKENS = 64
BLOCK_CHARACTERS = BLOCK_TOKENS * CHARACTERS_PER_TOKEN
CACHE_TOKENS = 500_000
SMALL_RUN = {"search.iterations": 4, "workers": 8, "display": "silent", "sandbox.kind": "process"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """`blocks`: of each whole block a hash of everything up to its end."""

    role: str
    model: str
    characters: int
    blocks: tuple[int, ...]


def prompt_of(role: str, request: ChatRequest) -> Prompt:
    """Within one process, because Python's hashes differ between processes."""
    text = "".join(f"<{message.role}>\n{message.content}\n" for message in request.messages)
    blocks: list[int] = []
    for end in range(BLOCK_CHARACTERS, len(text) + 1, BLOCK_CHARACTERS):
        blocks.append(hash((blocks[-1] if blocks else 0, text[end - BLOCK_CHARACTERS : end])))
    return Prompt(role=role, model=request.model, characters=len(text), blocks=tuple(blocks))


class PromptCache:
    """The cache of one model: `room` blocks, of which those not used for longest leave first."""

    def __init__(self, room: float) -> None:
        self._room = room
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def ask(self, prompt: Prompt) -> int:
        """The number of characters found; afterwards the whole prompt is in the cache."""
        found = next(
            (at for at, block in enumerate(prompt.blocks) if block not in self._blocks), len(prompt.blocks)
        )
        for block in reversed(prompt.blocks):  # the beginning is the most likely to be asked for again
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self._room:
            self._blocks.popitem(last=False)
        return found * BLOCK_CHARACTERS


@dataclass(slots=True, kw_only=True)
class Share:
    prompts: int = 0
    characters: int = 0
    found: int = 0

    @property
    def rate(self) -> float:
        return self.found / self.characters if self.characters else 0.0

    def add(self, characters: int, found: int) -> None:
        self.prompts += 1
        self.characters += characters
        self.found += found


def found_shares(prompts: Iterable[Prompt], cache_tokens: float) -> dict[str, Share]:
    """By role, and in all as `all`; `prompts` in order of time."""
    caches: dict[str, PromptCache] = {}
    shares: dict[str, Share] = {}
    for prompt in prompts:
        cache = caches.setdefault(prompt.model, PromptCache(cache_tokens / BLOCK_TOKENS))
        found = cache.ask(prompt)
        for name in (prompt.role, "all"):
            shares.setdefault(name, Share()).add(prompt.characters, found)
    return {name: shares[name] for name in sorted(shares, key=lambda name: (name == "all", name))}


@dataclass(slots=True, kw_only=True)
class Listening:
    """A `Chat` that keeps the prompt of every answered call, by the key of its record."""

    chat_on: Chat
    models: Mapping[str, RoleModel]
    prompts: dict[str, Prompt] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def chat(self, call: ChatCall) -> ChatReply:
        reply = self.chat_on.chat(call)
        prompt = prompt_of(call.role, self.models[call.role].resolve(call))
        with self.lock:
            self.prompts[reply.key] = prompt
        return reply


def recorded_prompts(folder: Path, papers: Path | None) -> list[Prompt]:
    """Of every recorded call that the replay makes, in the order of the records."""
    run = open_run(str(folder), folder.parent)
    heard: list[Listening] = []

    def listen(chat: Chat) -> Chat:
        heard.append(Listening(chat_on=chat, models=role_models(read_resolved(run.folder.spec))))
        return heard[-1]

    consent = Consent(
        run=run.folder.name,
        provenance=run.provenance,
        command="",
        adopting=f"studbook adopt {run.folder.name}",
    )
    replay_whole(run, papers, SilentDisplay(), listen, open_sandbox=consent.open_for_replay)
    with CallRecords.read_only(run.folder.calls) as records:
        keys = [call.key for call in records.stored()]
    return [heard[0].prompts[key] for key in keys if key in heard[0].prompts]


def print_shares(prompts: Sequence[Prompt], cache_tokens: int) -> None:
    bounded, endless = found_shares(prompts, cache_tokens), found_shares(prompts, inf)
    say(f"role               prompts   characters   cache of {cache_tokens:,} tokens   endless")
    for name, share in bounded.items():
        rates = f"{share.rate:24.1%} {endless[name].rate:9.1%}"
        say(f"{name:16} {share.prompts:9,} {share.characters:12,} {rates}")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", type=Path, nargs="?", help="the folder of a recorded run")
    parser.add_argument("--papers", type=Path, help="its papers, if they have moved")
    parser.add_argument("--cache-tokens", type=int, default=CACHE_TOKENS, help="for each model")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="studbook-prompts-") as temporary:
        folder = options.run or run_spec("quickstart", overrides=SMALL_RUN, runs_dir=temporary).folder
        print_shares(recorded_prompts(folder, options.papers), options.cache_tokens)


if __name__ == "__main__":
    main(sys.argv[1:])
