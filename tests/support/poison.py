"""Text that tries to control a terminal, put wherever the formats of a run hold text."""

import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from support import tampering as t

from studbook.errors import IntegrityError
from studbook.experiments.spec.loading import read_resolved
from studbook.identity import canonical_json
from studbook.populations.events import from_json
from studbook.populations.storage import RunFolder

FORGED = "FORGED"
"""Begins a line of its own if a line break gets through."""
SEQUENCES = {
    "C0": "\x08\x0b\x0c\r\x0e\x7f",
    "C1": "\x85\x8d\x9b38;5;201m\x9c",
    "a color": "\x1b[38;5;201m",
    "a title": "\x1b]0;title\x07",
    "a title without its end": "\x1b]0;title",
    "a clipboard": "\x1b]52;c;ZWNobw==\x1b\\",
    "a cursor": "\x1b[2J\x1b[1;1H\x1b7\x1b8\x1bc",
    "a device string": "\x1bP1$r0m\x1b\\",
    "a direction": "\u202e\u2066\u200f\u061c",
    "no width": "\u200b\u2060\ufeff\u034f\u3164\ufe0f\U000e0041",
    "a line": f"\n{FORGED} a line\r\n{FORGED} another\u2028{FORGED} a third",
    "markup": "[bold red]markup[/bold red]<script>alert(1)</script>",
}
POISON = "!".join(SEQUENCES.values())

SPARED = frozenset({"status", "split", "sandbox", "spec_hash", "run_name"})
"""Texts whose other values end every command at once, before it shows anything else."""


def poisoned_texts(value: Any, holds: Callable[[Any], bool], whole: Any = None) -> Any:
    """`value` with poison at the end of every text, where `holds` accepts the whole with it."""
    for holder, key in _texts(value):
        text = holder[key]
        if key not in SPARED:
            holder[key] = text + POISON
            if not holds(value if whole is None else whole):
                holder[key] = text
    return value


def _texts(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        if isinstance(inner, str):
            yield value, key
        else:
            yield from _texts(inner)


def poison_journal(run: RunFolder) -> int:
    """Every text that an event can hold, and the names of roles; the number of poisoned texts."""

    def edit(events: list[t.Json]) -> None:
        for event in events:
            if event["kind"] == "run_started":
                event["data"]["models"] = {
                    f"{role}{POISON}": name for role, name in event["data"]["models"].items()
                }
            poisoned_texts(event["data"], lambda data, kind=event["kind"]: _is_event(kind, data))

    t.rewrite_events(run, edit)
    return run.journal.read_text("utf-8").count(json.dumps(POISON, ensure_ascii=False)[1:-1])


def _is_event(kind: str, data: Any) -> bool:
    try:
        from_json(kind, canonical_json(data))
    except IntegrityError:
        return False
    return True


def poison_calls(run: RunFolder) -> None:
    """The columns that tables show: roles, models, and kinds of failures."""
    connection = sqlite3.connect(run.calls)
    connection.execute("UPDATE calls SET role = role || ?, model = model || ?", (POISON, POISON))
    connection.execute("INSERT INTO failures VALUES (?,?,?,?)", (b"x" * 32, *["failed" + POISON] * 3))
    connection.execute("INSERT INTO wasted VALUES (?,1,1,0.5)", ("judge" + POISON,))
    connection.commit()
    connection.close()


def poison_trajectories(run: RunFolder) -> None:
    """All free texts of every trajectory: prompts, replies, reasons, logs."""
    for path in run.trajectories.glob("??/*.zst"):
        key = path.name.partition(".")[0]
        value = t.read_trajectory_file(run, key)
        poisoned_texts(value["events"], lambda _: True)
        for event, before in zip(value["events"], t.read_trajectory_file(run, key)["events"], strict=True):
            event.update(
                {name: before[name] for name in ("kind", "role", "status", "category") if name in before}
            )
            for rollout in (*event.get("weak", ()), *event.get("strong", ())):
                rollout.update(score="1/2", solver="weak")
        t.write_trajectory_file(run, key, value)


def poison_spec(run: RunFolder) -> None:
    """Every text of the spec. No such spec is taken, so what refuses it quotes it."""
    values = read_resolved(run.spec).model_dump(mode="json")
    run.spec.write_text(yaml.safe_dump(poisoned_texts(values, lambda _: True)), encoding="utf-8")


def poison_rest(run: RunFolder) -> None:
    """Notices, the lock's holder, a foreign file's name."""
    line = {"v": 1, "time": POISON, "kind": f"retry{POISON}", "text": POISON}
    run.notices.write_text(json.dumps(line) + "\n", encoding="utf-8")
    run.journal.with_name("journal.jsonl.lock").write_text(f"somebody{POISON}", encoding="utf-8")
    (run.root / f"notes {POISON.replace('/', '')[-60:]}").write_text("x", encoding="utf-8")
    (run.trajectories / f"x{SEQUENCES['a color']}\n{FORGED}").write_text("x", encoding="utf-8")


POISONERS: dict[str, Callable[[RunFolder], object]] = {
    "journal": poison_journal,
    "calls.sqlite": poison_calls,
    "trajectories": poison_trajectories,
    "spec.resolved.yaml": poison_spec,
    "other files": poison_rest,
}


def poison_everything(run: RunFolder) -> None:
    """But the spec, with which every command would end."""
    for poison in POISONERS.values():
        if poison is not poison_spec:
            poison(run)


def renamed(run: RunFolder) -> RunFolder:
    """The run under a name that is poison too."""
    name = run.root.with_name(f"trial{POISON.replace('/', '')}"[:100])
    return RunFolder(run.root.rename(name))


def unfit_for_a_terminal(text: str, *, styled: bool = False) -> list[str]:
    """The characters that must not be there, and forged lines.

    `styled`: our own colors are allowed, and how a line of progress is hidden, redrawn and removed.
    """
    if styled:
        text = re.sub(
            r"\x1b\[(?:[0-9]{1,2}(?:;[0-9]{1,2})?)?m|\r?\x1b\[(?:1A\x1b\[)?2K|\x1b\[\?25[lh]", "", text
        )
    bad = {
        each
        for each in text
        if each not in "\n\t"
        and (
            unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
            or each in "\u034f\u3164\ufe0f"
        )
    }
    return [repr(each) for each in sorted(bad)] + [
        line for line in text.split("\n") if line.startswith(FORGED)
    ]
