"""What each role of a run could and could not do, counted from the run's records.

Reads journal, trajectories, call records and notices; makes no call and runs no harness. A reply counts as
readable if the run's reader for its role gets something out of it. This is an approximation: which criteria
and which word a reply was about is not recorded beside it. So a mark sheet may have the length of any rubric
of its paper, and without the word, all objects of a reply have to agree. Of the implementer's dialogues the
replies are recorded, and its edits are made again on the parent's files, in memory.

Says nothing about how good a readable reply is: that is measured against planted truth (the canary).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studbook.errors import IntegrityError
from studbook.evaluate.control import CONTROL
from studbook.evaluate.examples import ReadExample, read_example
from studbook.evaluate.replies import find_check, find_marks
from studbook.evaluate.trajectories import SUFFIX, Trajectory, TrajectoryStore
from studbook.evolve.policies.actions import EDITS
from studbook.evolve.policies.analyzers.chat import asked_sections, missing_sections
from studbook.evolve.policies.replies import read_reply
from studbook.evolve.policies.workbench import Workbench
from studbook.evolve.policies.worktree import Worktree
from studbook.evolve.prompting import load_prompt
from studbook.experiments.run.costs import state_of
from studbook.experiments.run.opening import OpenedRun
from studbook.experiments.spec.loading import read_resolved
from studbook.experiments.spec.model import Spec
from studbook.harnesses.tree import HarnessTree
from studbook.json_text import read_json
from studbook.llm.contracts import ROLES, Evidence, Usage, split_name
from studbook.llm.json_reader import find_objects, read_flag
from studbook.llm.meter import Totals
from studbook.llm.records import CallRecords, StoredCall
from studbook.populations.events import DecisionMade, DiagnosisMade, Event
from studbook.populations.journal import Entry
from studbook.populations.records import CanaryScore, PaperVerdict, Verdict
from studbook.populations.storage import read_plain
from studbook.rate import NO_RATE, Rate

READABLE = {
    "challenger": "an example in valid form",
    "verifier": "a JSON object with a verdict",
    "orchestrator": "text",
    "weak": "a finished answer",
    "strong": "a finished answer",
    "judge": "one mark per criterion",
    "final_verifier": "a JSON object with a verdict",
    "analyzer": "all the sections asked for",
    "implementer": "an action that can be executed",
}
"""What a readable reply of each role contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFigures:
    """`replies` counts recorded replies, `cut` those that ended at the token limit, `thinking` those with
    visible reasoning. `readable` is about the replies that a paper, a diagnosis or a proposal used.

    `failures` counts requests without any usable reply, by kind. `answered_as` are the names that the
    endpoint gave. `seconds` adds up the waiting for replies; None if it was not recorded.
    """

    role: str
    model: str
    answered_as: tuple[str, ...]
    replies: int
    cut: int
    thinking: int
    readable: Rate
    failures: Mapping[str, int]
    usage: Usage
    dollars: float
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditFigures:
    """`proposed` edits were written, `applied` ones fit the files, `refused` ones were not allowed.

    `verdicts` counts the iterations by how they ended.
    """

    dialogues: int = 0
    turns: int = 0
    proposed: int = 0
    applied: int = 0
    refused: int = 0
    changed: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """`papers` counts the trajectories by verdict, `rounds` their rounds by outcome.

    `canary`: what judge and final verifier made of planted cases before the run; () if they were not asked.
    `seconds` is the time from the first to the last event. `learned`: what the client found out about the
    endpoint, in its words. `troubles` counts retries and outages by their message.
    """

    run: str
    state: str
    spec: Spec = field(repr=False)
    environment: Mapping[str, Any]
    roles: tuple[RoleFigures, ...]
    canary: tuple[CanaryScore, ...]
    edits: EditFigures
    papers: Mapping[str, int]
    rounds: Mapping[str, int]
    iterations: int
    champion: str | None
    seconds: float
    learned: tuple[str, ...]
    troubles: Mapping[str, int]

    @property
    def totals(self) -> Totals:
        usage = sum((role.usage for role in self.roles), Usage())
        calls = sum(role.replies for role in self.roles)
        return Totals(calls=calls, usage=usage, dollars=sum(role.dollars for role in self.roles))


def read_figures(run: OpenedRun, meter: Mapping[str, Totals] | None = None) -> RunFigures:
    """`meter`: what the process that executed the run measured, for the seconds of each role.

    Raises IntegrityError for damaged records.
    """
    spec = read_resolved(run.folder.spec)
    with CallRecords.read_only(run.folder.calls) as records:
        calls, failures, totals = tuple(records.stored()), records.failures(), records.totals()
    replies = Replies(calls)
    events = [entry.event for entry in run.entries]
    trajectories = tuple(read_trajectories(run.folder.trajectories))
    readable = _readable(replies, events, trajectories)
    roles = []
    for role in ROLES:
        own = [call for call in calls if call.role == role]
        if own or role in failures:
            roles.append(
                RoleFigures(
                    role=role,
                    model=run.start.models.get(role, ""),
                    answered_as=tuple(sorted({without_folders(call.reply.model) for call in own})),
                    replies=len(own),
                    cut=sum(call.reply.is_truncated for call in own),
                    thinking=sum(bool(call.reply.thoughts) for call in own),
                    readable=readable.get(role, NO_RATE),
                    failures=failures.get(role, {}),
                    usage=totals[role].usage if role in totals else Usage(),
                    dollars=totals[role].dollars if role in totals else 0.0,
                    seconds=meter[role].seconds if meter is not None and role in meter else None,
                )
            )
    notices = tuple(_notices(run.folder.notices))
    rounds = [each for trajectory in trajectories for each in trajectory.result.rounds]
    times = [_time_of(entry) for entry in run.entries]
    champion = run.population.champion
    return RunFigures(
        run=run.folder.name,
        state=state_of(run),
        spec=spec,
        environment=_environment(run.folder.environment),
        roles=tuple(roles),
        canary=run.start.canary,
        edits=_edits(run, replies, events),
        papers=_counts((each.result.verdict for each in trajectories), PaperVerdict),
        rounds=dict(Counter(each.category.value if each.category else each.status for each in rounds)),
        iterations=run.population.iterations_done,
        champion=champion.harness_id if champion else None,
        seconds=(times[-1] - times[0]).total_seconds() if times else 0.0,
        learned=tuple(dict.fromkeys(text for kind, text in notices if kind == "endpoint")),
        troubles=dict(Counter(text for kind, text in notices if kind in TROUBLES)),
    )


def without_folders(model: str) -> str:
    """Local servers give a model's file as its name; its folders are the user's own business."""
    is_file = model.startswith(("/", ".", "~")) or "\\" in model or model.endswith(".gguf")
    return re.split(r"[/\\]", model)[-1] if is_file else model


class Replies:
    """Recorded replies by the names that evidence gives them, in the order in which they ended."""

    def __init__(self, calls: Iterable[StoredCall]) -> None:
        self._by_name: dict[str, tuple[int, StoredCall]] = {}
        for number, call in enumerate(calls):
            self._by_name[call.seal.name.partition(":")[0]] = (number, call)

    def behind(self, evidence: Evidence) -> list[StoredCall]:
        """Calls that failed have no reply."""
        keys = dict.fromkeys(split_name(name)[0] for name in evidence.names)
        return [
            call
            for _, call in sorted((self._by_name[key] for key in keys if key in self._by_name), key=_number)
        ]


def _number(numbered: tuple[int, StoredCall]) -> int:
    return numbered[0]


def read_trajectories(folder: Path) -> Iterator[Trajectory]:
    """All in the folder, also those of work that was put aside."""
    store = TrajectoryStore(folder)
    for path in sorted(folder.glob(f"*/*{SUFFIX}")):
        yield store.get(path.name.removesuffix(SUFFIX))


def _readable(
    replies: Replies, events: Iterable[Event], trajectories: Iterable[Trajectory]
) -> dict[str, Rate]:
    """A reply that several papers used counts once."""
    found: dict[str, tuple[str, bool]] = {}

    def look_at(evidence: Evidence, sizes: Iterable[int] = ()) -> None:
        for call in replies.behind(evidence):
            _, before = found.get(call.key, ("", False))
            found[call.key] = (call.role, before or is_readable_reply(call, sizes))

    for trajectory in trajectories:
        look_at(trajectory.evidence, rubric_sizes(trajectory))
    for event in events:
        if isinstance(event, DiagnosisMade | DecisionMade):
            look_at(event.evidence)
    rates: dict[str, Rate] = {}
    for role, is_readable in found.values():
        rates[role] = rates.get(role, NO_RATE) + Rate(int(is_readable), 1)
    return rates


def rubric_sizes(trajectory: Trajectory) -> tuple[int, ...]:
    """How many marks the judge may have been asked for: once per criterion of any example."""
    sizes = {len(CONTROL.rubric)}
    for event in trajectory.events:
        if event["kind"] == "report":
            sizes.add(len(event["example"]["rubric"]))
        elif event["kind"] == "malformed":
            sizes.add(len(re.findall(r"'criterion':", event["raw"])))
    return tuple(sorted(sizes - {0}))


def is_readable_reply(call: StoredCall, sizes: Iterable[int]) -> bool:
    """Whether the reader of the reply's role gets something out of it. `sizes`: see `rubric_sizes`."""
    text = call.reply.text
    if call.role == "judge":
        return not call.reply.is_truncated and any(find_marks(text, size) is not None for size in sizes)
    if call.role == "final_verifier":
        return not call.reply.is_truncated and find_check(text) is not None
    if call.role == "verifier":
        return any(read_flag(each.get("pass")) is not None for each in find_objects(text))
    if call.role == "challenger":
        return any(is_example(each) for each in find_objects(text))
    if call.role == "analyzer":
        return not missing_sections(text, asked_sections(load_prompt("analyzer.md")))
    if call.role == "implementer":
        return any(not action.problem for action in read_reply(call.reply))
    return bool(text.strip()) and not call.reply.is_truncated


FIELDS = ("context", "question", "reference_answer", "rubric", "question_type", "tags")


def is_example(draft: Mapping[str, Any]) -> bool:
    """Whether the evaluator would measure it; fields that it does not know are ignored."""
    return isinstance(read_example({key: draft[key] for key in FIELDS if key in draft}), ReadExample)


def _edits(run: OpenedRun, replies: Replies, events: Iterable[Event]) -> EditFigures:
    decisions = [event for event in events if isinstance(event, DecisionMade)]
    dialogues = turns = proposed = applied = changed = 0
    for event in decisions:
        said = [call for call in replies.behind(event.evidence) if call.role == "implementer"]
        if not said:
            continue
        dialogues, turns = dialogues + 1, turns + len(said)
        made, fitting = edits_of(run.read_tree(event.decision.parent_id), said)
        proposed, applied = proposed + made, applied + fitting
        changed += event.decision.verdict is not Verdict.NO_CHANGE
    return EditFigures(
        dialogues=dialogues,
        turns=turns,
        proposed=proposed,
        applied=applied,
        refused=sum(event.refused_actions for event in decisions),
        changed=changed,
        verdicts=_counts((event.decision.verdict for event in decisions), Verdict),
    )


def edits_of(parent: HarnessTree, said: Iterable[StoredCall]) -> tuple[int, int]:
    """How many edits a dialogue proposed, and how many of them fit the files as they then were."""
    bench = Workbench(parent=parent, worktree=Worktree(parent), try_harness=lambda tree: "", tries_left=1000)
    results = [
        result
        for call in said
        for result in bench.execute(read_reply(call.reply))
        if result.action.kind in EDITS
    ]
    return len(results), sum(result.ok for result in results)


def _counts(values: Iterable[Any], kind: Any) -> dict[str, int]:
    """In the order of the enum, without zeros."""
    counted = Counter(values)
    return {each.value: counted[each] for each in kind if counted[each]}


MAX_NOTICES_BYTES = 256 * 1024 * 1024
MAX_ENVIRONMENT_BYTES = 1024 * 1024
TROUBLES = frozenset({"retry", "waiting", "failure"})
_SPEAKER = re.compile(r"^(?:endpoint '[^']*', model '[^']*'|\w+ \([^()]*\)): ")


def _notices(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and first line of each notice, without the names of endpoint and model."""
    for line in (read_plain(path, MAX_NOTICES_BYTES) or b"").splitlines():
        notice = read_json(line, str(path))
        try:
            kind, text = str(notice["kind"]), str(notice["text"])
        except (KeyError, TypeError) as error:
            raise IntegrityError(f"{path} cannot be read: {error}") from error
        yield kind, _SPEAKER.sub("", text.partition("\n")[0])


def _environment(path: Path) -> dict[str, Any]:
    found = read_json(read_plain(path, MAX_ENVIRONMENT_BYTES) or b"", str(path))
    if not isinstance(found, dict) or not isinstance(found.get("sandbox", {}), dict):
        raise IntegrityError(f"{path} is not what Studbook wrote")
    return found


def _time_of(entry: Entry) -> datetime:
    try:
        return datetime.fromisoformat(entry.time).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise IntegrityError(f"journal entry {entry.seq} has no time: {error}") from error
