"""A run's folder changed in every way we know: `studbook verify` finds each change and names the place.

A row is a name, what is done to a copy of a really made run, and the place that has to be named. Where
whoever did it mends the hashes behind him, something else contradicts him; where nothing can, because all
was rewritten in agreement, the published head of the journal does, and the row says so.
"""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from support import tampering as t
from support.made_runs import copy_run, shared_run, told

from studbook.evaluate.trajectories import trajectory_key
from studbook.experiments.run.environment import environment_text
from studbook.experiments.spec.loading import read_resolved, write_resolved
from studbook.experiments.verifying import NOT_CHECKED, verify_run
from studbook.llm.contracts import Seal, evidence_of, seal_reply
from studbook.llm.records import StoredCall, unpack
from studbook.populations.storage import RunFolder

Act = Callable[[RunFolder, RunFolder], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """`places`: texts that the faults must hold. `expect`: nothing in the folder can tell; the head does."""

    name: str
    act: Act
    places: tuple[str, ...]
    expect: bool = False


# -- the journal, as bytes


def line(number: int, change: Callable[[bytes], bytes]) -> Act:
    def act(run: RunFolder, other: RunFolder) -> None:
        def edit(lines: list[bytes]) -> None:
            lines[number - 1] = change(lines[number - 1])

        t.edit_lines(run, edit)

    return act


def lines(edit: Callable[[list[bytes]], object]) -> Act:
    return lambda run, other: t.edit_lines(run, lambda all_lines: edit(all_lines) and None)


def foreign_lines(run: RunFolder, other: RunFolder) -> None:
    alien = t.journal_lines(other)[4]
    t.edit_lines(run, lambda own: own.__setitem__(4, alien))


def cut_into_the_middle(own: list[bytes]) -> None:
    own[7] = own[7][: len(own[7]) // 2]


def cut_at_an_append(run: RunFolder, count: int) -> None:
    """The last so many whole appends are gone; nothing in the journal itself can tell."""

    def edit(own: list[bytes]) -> None:
        for _ in range(count):
            own.pop()
            while own and json.loads(own[-1])["left"]:
                own.pop()

    t.edit_lines(run, edit)


def cut_to_the_seed(run: RunFolder, other: RunFolder) -> None:
    t.edit_lines(run, lambda own: own.__delitem__(slice(3, None)))


JOURNAL = (
    Attack(
        name="a letter of a line changed",
        act=line(5, lambda text: text.replace(b"iteration", b"iteratiom", 1)),
        places=("journal.jsonl, line 5: its checksum",),
    ),
    Attack(
        name="a time changed",
        act=line(5, lambda text: text.replace(b'"time":"2', b'"time":"3')),
        places=("journal.jsonl, line 5: its checksum",),
    ),
    Attack(
        name="a line removed",
        act=lines(lambda own: own.pop(5)),
        places=("journal.jsonl, line 6: it has number",),
    ),
    Attack(
        name="a line given twice",
        act=lines(lambda own: own.insert(5, own[4])),
        places=("journal.jsonl, line 6: it has number",),
    ),
    Attack(
        name="two lines exchanged",
        act=lines(lambda own: own.insert(5, own.pop(6))),
        places=("journal.jsonl, line 6: it has number",),
    ),
    Attack(
        name="a line inserted",
        act=lines(lambda own: own.insert(5, b'{"data":{}}\n')),
        places=("journal.jsonl, line 6: it is not a journal line",),
    ),
    Attack(
        name="a line of another run",
        act=foreign_lines,
        places=("journal.jsonl, line 5: it does not continue", "journal.jsonl, line 6: it does not continue"),
    ),
    Attack(
        name="a line cut in the middle of the file",
        act=lines(cut_into_the_middle),
        places=("journal.jsonl, line 8: ",),
    ),
    Attack(
        name="two lines edited: both are named",
        act=lambda run, other: [
            line(n, lambda text: text.replace(b'"v":1', b'"v":2'))(run, other) for n in (4, 9)
        ],
        places=("journal.jsonl, line 4: ", "journal.jsonl, line 9: "),
    ),
    Attack(
        name="the journal removed",
        act=lambda run, other: run.journal.unlink(),
        places=("journal.jsonl: it is missing",),
    ),
    Attack(
        name="the journal of another run",
        act=lambda run, other: shutil.copy(other.journal, run.journal),
        places=("spec.resolved.yaml: it is not the spec", "trajectories/", "lineage.git/refs/mutants/seed: "),
    ),
    Attack(
        name="all iterations cut off",
        act=cut_to_the_seed,
        places=("lineage.git/refs/mutants/m0002: the journal has no such ref",),
    ),
    Attack(
        name="the last append cut off",
        act=lambda run, other: cut_at_an_append(run, 1),
        places=("journal.jsonl: its head hash is not the expected one",),
        expect=True,
    ),
    Attack(
        name="the end and a sealed test cut off",
        act=lambda run, other: cut_at_an_append(run, 2),
        places=("journal.jsonl: its head hash is not the expected one",),
        expect=True,
    ),
)


# -- the journal, with every hash mended


def events(kind: str, change: Callable[[t.Json], object], at: int = -1) -> Act:
    """Change the data of one event of a kind."""

    def act(run: RunFolder, other: RunFolder) -> None:
        def edit(all_events: list[t.Json]) -> None:
            found = [event for event in all_events if event["kind"] == kind]
            change(found[at]["data"])

        t.rewrite_events(run, edit)

    return act


def evaluation(purpose: str, change: Callable[[t.Json], object]) -> Act:
    def act(run: RunFolder, other: RunFolder) -> None:
        def edit(all_events: list[t.Json]) -> None:
            found = [
                event["data"]["evaluation"]
                for event in all_events
                if event["kind"] == "evaluation_done" and event["data"]["purpose"] == purpose
            ]
            change(found[-1])

        t.rewrite_events(run, edit)

    return act


def let_the_mutant_win(run: RunFolder, other: RunFolder) -> None:
    """Every result, both rates, the verdict and its reason agree afterwards."""

    def edit(all_events: list[t.Json]) -> None:
        number = next(
            n
            for n, event in enumerate(all_events)
            if event["kind"] == "decision_made" and event["data"]["decision"]["verdict"] == "rejected"
        )
        decision = all_events[number]["data"]["decision"]
        parent, mutant = (
            all_events[number - 2]["data"]["evaluation"],
            all_events[number - 1]["data"]["evaluation"],
        )
        for result in parent["results"]:
            result["verdict"] = "not_accepted"
        for result in mutant["results"]:
            result["verdict"] = "accepted"
        n = len(mutant["results"])
        decision["parent_rate"] = {"passed": 0, "n": len(parent["results"])}
        decision["mutant_rate"] = {"passed": n, "n": n}
        decision["verdict"] = "admitted"
        decision["reason"] = f"beats its parent: {n}/{n} vs 0/{len(parent['results'])}"

    t.rewrite_events(run, edit)


def turn(result: t.Json) -> None:
    result["verdict"] = "accepted" if result["verdict"] != "accepted" else "not_accepted"


def move_a_paper(start: t.Json) -> None:
    start["splits"]["train"].append(start["splits"]["test"].pop())


def share_a_paper(start: t.Json) -> None:
    start["splits"]["train"][0] = start["splits"]["test"][0]


MENDED = (
    Attack(
        name="mended: a result turned",
        act=evaluation("validation", lambda value: turn(value["results"][0])),
        places=("its rates are not those of its evaluations", "result.verdict is not what journal.jsonl"),
    ),
    Attack(
        name="mended: a mutant made the winner",
        act=let_the_mutant_win,
        places=("trajectories/", "result.verdict is not what journal.jsonl"),
    ),
    Attack(
        name="mended: a test result turned",
        act=evaluation("test", lambda value: turn(value["results"][0])),
        places=("result.verdict is not what journal.jsonl",),
    ),
    Attack(
        name="mended: a failed paper left out",
        act=evaluation("test", lambda value: value["results"].pop()),
        places=(
            "its flag for covering the whole split is wrong",
            "its papers are not those of test in order",
        ),
    ),
    Attack(
        name="mended: a paper measured twice",
        act=evaluation("test", lambda value: value["results"].__setitem__(1, value["results"][0])),
        places=("a paper was measured twice",),
    ),
    Attack(
        name="mended: another replicate number",
        act=evaluation("test", lambda value: value.update(replicate=7)),
        places=("its replicate number does not belong to its purpose",),
    ),
    Attack(
        name="mended: rates of a decision",
        act=events("decision_made", lambda data: data["decision"].update(mutant_rate={"passed": 3, "n": 3})),
        places=("rates",),
    ),
    Attack(
        name="mended: a verdict",
        act=events("decision_made", lambda data: data["decision"].update(verdict="admitted")),
        places=("journal.jsonl, line",),
    ),
    Attack(
        name="mended: another parent",
        act=events("decision_made", lambda data: data["decision"].update(parent_id="m0001")),
        places=("selection from the population at that time gives a different parent",),
    ),
    Attack(
        name="mended: a hypothesis",
        act=events("mutant_made", lambda data: data["mutant"].update(hypothesis="a better idea")),
        places=("lineage.git, commit", "it differs from the journal"),
    ),
    Attack(
        name="mended: the tree of a mutant",
        act=events("mutant_made", lambda data: data["mutant"].update(tree_hash="0" * 64)),
        places=("the files do not match the tree hash",),
    ),
    Attack(
        name="mended: a diagnosis",
        act=events("diagnosis_made", lambda data: data.update(text="all is well")),
        places=("no call record of the analyzer gave this diagnosis",),
    ),
    Attack(
        name="mended: what the implementer's work rests on",
        act=events("decision_made", lambda data: data["rests"].update(whole="0" * 64)),
        places=("the hash over its call records is different",),
    ),
    Attack(
        name="mended: the champion",
        act=events("champion_chosen", lambda data: data.update(reason="it is the best")),
        places=("the reason should be a different one",),
    ),
    Attack(
        name="mended: the ranking of the champion",
        act=events("champion_chosen", lambda data: data["ranking"][0].update(passed=99, n=99)),
        places=("the ranking does not follow from the evaluations",),
    ),
    Attack(
        name="mended: the seed's tree",
        act=events("run_started", lambda data: data.update(seed_tree_hash="0" * 64)),
        places=("the seed's files are not those the run started with",),
    ),
    Attack(
        name="mended: a test paper moved to training",
        act=events("run_started", move_a_paper),
        places=("the sizes of the splits differ from the spec", "its training papers are not those drawn"),
    ),
    Attack(
        name="mended: a paper in two splits",
        act=events("run_started", share_a_paper),
        places=("test and train share papers",),
    ),
    Attack(
        name="mended: another evaluator",
        act=events("run_started", lambda data: data.update(evaluator_hash="0" * 64)),
        places=("it was made by a different evaluator than the run's", "environment.json: "),
    ),
    Attack(
        name="mended: a safer sandbox",
        act=events("run_started", lambda data: data.update(contains_hostile_code=True)),
        places=("the sandbox's isolation is recorded wrongly",),
    ),
    Attack(
        name="mended: iterations of the end",
        act=events("run_finished", lambda data: data.update(iterations=30)),
        places=("the number of iterations is wrong",),
    ),
    Attack(
        name="mended: refused actions",
        act=events("decision_made", lambda data: data.update(refused_actions=5)),
        places=("journal.jsonl: its head hash is not the expected one",),
        expect=True,
    ),
)


# -- the lineage


def change_a_file(run: RunFolder, other: RunFolder) -> None:
    tree = t.tree_of(run, "m0002")
    blob = next(row for row in _rows(run, tree) if row[0] == "agent.py")[1]
    t.replace_object(run, blob, t.object_data(run, blob) + b"\n# better\n", "blob")


def _rows(run: RunFolder, tree: str) -> list[tuple[str, str]]:
    data, rows = t.object_data(run, tree), []
    while data:
        head, _, rest = data.partition(b"\0")
        rows.append((head.split(b" ", 1)[1].decode(), rest[:20].hex()))
        data = rest[20:]
    return rows


def other_tree_in_commit(run: RunFolder, other: RunFolder) -> None:
    """A new commit under its right name, and the ref moved to it."""
    commit = t.object_data(run, t.commit_of(run, "m0002"))
    forged = commit.replace(t.tree_of(run, "m0002").encode(), t.tree_of(run, "seed").encode())
    sha = t.write_object(run, "commit", forged)
    (run.lineage / "refs/mutants/m0002").write_text(sha + "\n")


def remove_tree(run: RunFolder, other: RunFolder) -> None:
    t.object_path(run, t.tree_of(run, "m0002")).unlink()


def remove_commit(run: RunFolder, other: RunFolder) -> None:
    t.object_path(run, t.commit_of(run, "m0002")).unlink()


def cut_object(run: RunFolder, other: RunFolder) -> None:
    path = t.object_path(run, t.commit_of(run, "m0001"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-5])


def swap_refs(run: RunFolder, other: RunFolder) -> None:
    one, two = (run.lineage / "refs/mutants" / name for name in ("m0001", "m0002"))
    first, second = one.read_text(), two.read_text()
    one.write_text(second)
    two.write_text(first)


def git(run: RunFolder, *arguments: str) -> None:
    subprocess.run(["git", "--git-dir", run.lineage, *arguments], check=True, capture_output=True)


def pack_and_cut(run: RunFolder, other: RunFolder) -> None:
    git(run, "gc", "--prune=now")
    pack = next((run.lineage / "objects/pack").glob("*.pack"))
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:-200])


def pack_and_move_ref(run: RunFolder, other: RunFolder) -> None:
    git(run, "pack-refs", "--all")
    path = run.lineage / "packed-refs"
    path.write_text(path.read_text().replace(t_packed(run, "m0002"), t_packed(run, "seed")))


def t_packed(run: RunFolder, name: str) -> str:
    rows = (run.lineage / "packed-refs").read_text().splitlines()
    return next(row.split()[0] for row in rows if row.endswith(f"refs/mutants/{name}"))


def add(path: str, text: str) -> Act:
    def act(run: RunFolder, other: RunFolder) -> None:
        target = run.lineage / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return act


def ref_to_seed(path: str) -> Act:
    def act(run: RunFolder, other: RunFolder) -> None:
        add(path, t.commit_of(run, "seed") + "\n")(run, other)

    return act


LINEAGE = (
    Attack(
        name="a mutant's file changed",
        act=change_a_file,
        places=("lineage.git/objects/", "the object is not what its name says"),
    ),
    Attack(
        name="a commit with another tree",
        act=other_tree_in_commit,
        places=("lineage.git/refs/mutants/m0002: the journal names another commit",),
    ),
    Attack(name="a tree removed", act=remove_tree, places=("(m0002): its tree",)),
    Attack(name="a commit removed", act=remove_commit, places=("(m0002): it is missing or cannot be read",)),
    Attack(
        name="an object cut short",
        act=cut_object,
        places=("lineage.git/objects/", "the object cannot be read"),
    ),
    Attack(
        name="two refs exchanged",
        act=swap_refs,
        places=("lineage.git/refs/mutants/m0001: ", "lineage.git/refs/mutants/m0002: "),
    ),
    Attack(
        name="a ref removed",
        act=lambda run, other: (run.lineage / "refs/mutants/m0001").unlink(),
        places=("lineage.git/refs/mutants/m0001: the journal names another commit",),
    ),
    Attack(
        name="a ref that is no commit",
        act=add("refs/mutants/m0001", "ref: refs/heads/best\n"),
        places=("lineage.git/refs/mutants/m0001: the ref names no commit",),
    ),
    Attack(
        name="a ref added",
        act=ref_to_seed("refs/mutants/m0099"),
        places=("lineage.git/refs/mutants/m0099: the journal has no such ref",),
    ),
    Attack(
        name="a branch added",
        act=ref_to_seed("refs/heads/m0001"),
        places=("lineage.git/refs/heads/m0001: ",),
    ),
    Attack(
        name="a tag and a replacement added",
        act=lambda run, other: [
            ref_to_seed(name)(run, other) for name in ("refs/tags/v1", f"refs/replace/{'a' * 40}")
        ],
        places=("lineage.git/refs/tags/v1: ", f"lineage.git/refs/replace/{'a' * 40}: "),
    ),
    Attack(
        name="the branch `best` moved",
        act=lambda run, other: add("refs/heads/best", t.commit_of(run, "m0002") + "\n")(run, other),
        places=("lineage.git/refs/heads/best: the branch does not point to the best",),
    ),
    Attack(
        name="packed, and the pack cut short",
        act=pack_and_cut,
        places=("lineage.git/objects/pack: ", "its checksum does not match"),
    ),
    Attack(
        name="packed, and a packed ref edited",
        act=pack_and_move_ref,
        places=("lineage.git/refs/mutants/m0002: the journal names another commit",),
    ),
    Attack(
        name="a hook planted",
        act=add("hooks/post-checkout", "#!/bin/sh\nid\n"),
        places=("lineage.git/hooks/post-checkout: Studbook did not write this file",),
    ),
    Attack(
        name="a config planted",
        act=add("config", "[core]\n\tfsmonitor = id\n"),
        places=("lineage.git/config: it is not what Studbook wrote",),
    ),
    Attack(
        name="objects borrowed from elsewhere",
        act=add("objects/info/alternates", "/tmp/elsewhere\n"),
        places=("lineage.git/objects/info/alternates: ",),
    ),
    Attack(
        name="HEAD moved",
        act=add("HEAD", "ref: refs/heads/evil\n"),
        places=("lineage.git/HEAD: it is not what Studbook wrote",),
    ),
    Attack(
        name="the lineage of another run",
        act=lambda run, other: (shutil.rmtree(run.lineage), shutil.copytree(other.lineage, run.lineage)),
        places=("lineage.git/refs/mutants/seed: the journal names another commit",),
    ),
    Attack(
        name="the lineage removed",
        act=lambda run, other: shutil.rmtree(run.lineage),
        places=("lineage.git: it is missing",),
    ),
)


# -- call records


def column(name: str, value: object) -> Act:
    def act(run: RunFolder, other: RunFolder) -> None:
        key = bytes.fromhex(t.record_keys(run, "judge")[0])
        t.execute(run, f"UPDATE calls SET {name} = ? WHERE key = ?", value, key)

    return act


def reply_of(role: str) -> Act:
    return lambda run, other: [
        t.change_reply(run, key, "I do not know.") for key in t.record_keys(run, role)[:2]
    ]


def exchange_rows(run: RunFolder, other: RunFolder) -> None:
    one, two = (bytes.fromhex(key) for key in t.record_keys(run, "weak")[:2])
    for before, after in ((one, b"\0" * 32), (two, one), (b"\0" * 32, two)):
        t.execute(run, "UPDATE calls SET key = ? WHERE key = ?", after, before)


def exchange_replies_mended(run: RunFolder, other: RunFolder) -> None:
    one, two = t.record_keys(run, "weak")[:2]
    texts = [_stored(run, key).reply.text for key in (one, two)]
    t.change_reply(run, one, texts[1] + " ")
    t.change_reply(run, two, texts[0] + " ")


def _stored(run: RunFolder, key: str) -> StoredCall:
    connection = sqlite3.connect(run.calls)
    data = connection.execute("SELECT reply FROM calls WHERE key = ?", (bytes.fromhex(key),)).fetchone()[0]
    connection.close()
    return unpack(key, data, "row")


CALLS = (
    Attack(
        name="a reply changed",
        act=reply_of("judge"),
        places=("calls.sqlite, record", "refers to a different answer"),
    ),
    Attack(
        name="an analyzer's reply changed",
        act=reply_of("analyzer"),
        places=("calls.sqlite, record", "journal.jsonl, line"),
    ),
    Attack(
        name="an implementer's reply changed",
        act=reply_of("implementer"),
        places=("calls.sqlite, record", "journal.jsonl, line"),
    ),
    Attack(
        name="a record removed",
        act=lambda run, other: t.execute(
            run, "DELETE FROM calls WHERE key = ?", bytes.fromhex(t.record_keys(run, "strong")[0])
        ),
        places=("it is missing, and trajectories/",),
    ),
    Attack(
        name="all records removed",
        act=lambda run, other: t.execute(run, "DELETE FROM calls"),
        places=("call records it refers to are missing",),
    ),
    Attack(name="two records exchanged", act=exchange_rows, places=("holds the record of another call",)),
    Attack(
        name="two replies exchanged, rows mended",
        act=exchange_replies_mended,
        places=("refers to a different answer",),
    ),
    Attack(
        name="tokens of a record", act=column("prompt_tokens", 1), places=("its column prompt_tokens is not",)
    ),
    Attack(name="the price of a record", act=column("dollars", 0.5), places=("its column dollars is not",)),
    Attack(name="the role of a record", act=column("role", "weak"), places=("its column role is not",)),
    Attack(name="the model of a record", act=column("model", "gpt"), places=("its column model is not",)),
    Attack(
        name="a record that is no record", act=column("reply", b"nothing"), places=("calls.sqlite, record",)
    ),
    Attack(name="a record that holds text", act=column("reply", "nothing"), places=("holds no bytes",)),
    Attack(
        name="a table added",
        act=lambda run, other: t.execute(run, "CREATE TABLE horses (name TEXT)"),
        places=("its tables are not those of call records",),
    ),
    Attack(
        name="a trigger added",
        act=lambda run, other: t.execute(
            run, "CREATE TRIGGER x AFTER INSERT ON calls BEGIN DELETE FROM calls; END"
        ),
        places=("its tables are not those of call records",),
    ),
    Attack(
        name="the records of another run",
        act=lambda run, other: shutil.copy(other.calls, run.calls),
        places=("call records it refers to are missing",),
    ),
    Attack(
        name="the records removed",
        act=lambda run, other: run.calls.unlink(),
        places=("calls.sqlite: it is missing",),
    ),
    Attack(
        name="the records replaced by nonsense",
        act=lambda run, other: run.calls.write_bytes(b"no database" * 999),
        places=("calls.sqlite: it cannot be read as a database",),
    ),
)


# -- trajectories


def some_result(run: RunFolder, verdict: str = "not_accepted") -> t.Json:
    """One with rounds that were measured in full."""
    for purpose in ("test", "seed", "validation", "training"):
        for _, result in t.results_of(run, purpose, verdict):
            if any(each["weak_average"] is not None for each in result["rounds"]):
                return result
    raise AssertionError(f"the made run has no {verdict} result with rounds")


def report_of(value: t.Json) -> t.Json:
    return next(event for event in value["events"] if event["kind"] == "report" and event["weak"])


def forge(change: Callable[[t.Json], object]) -> Act:
    """Change a trajectory, and let the journal say the same."""
    return lambda run, other: t.follow_up(run, some_result(run)["key"], change)


def bare(change: Callable[[t.Json], object]) -> Act:
    """Change a trajectory only."""

    def act(run: RunFolder, other: RunFolder) -> None:
        key = some_result(run)["key"]
        value = t.read_trajectory_file(run, key)
        change(value)
        t.write_trajectory_file(run, key, value)

    return act


def accept(value: t.Json) -> None:
    value["result"]["verdict"] = "accepted"
    value["result"]["reason"] = "accepted in round 1"


def accept_a_round(value: t.Json) -> None:
    accept(value)
    report = report_of(value)
    report.update(status="accepted", category=None, reason="all is well")
    value["result"]["rounds"][report["round"] - 1].update(
        status="accepted", category=None, reason="all is well"
    )


def better_score(value: t.Json) -> None:
    rollout = report_of(value)["weak"][0]
    rollout["score"] = "1/7"


def other_marks(value: t.Json) -> None:
    rollout = report_of(value)["weak"][0]
    rollout["marks"] = [not mark for mark in rollout["marks"]]


def exchange_marks(run: RunFolder, other: RunFolder) -> None:
    """Of two rollouts of one round, with their scores: every sum stays as it was."""
    for purpose in ("test", "seed", "validation", "training"):
        for verdict in ("not_accepted", "accepted"):
            for _, result in t.results_of(run, purpose, verdict):
                reports = t.read_trajectory_file(run, result["key"])["events"]
                if any(_differ(event) for event in reports):
                    t.follow_up(run, result["key"], _exchange)
                    return
    raise AssertionError("the made run has no two rollouts with other marks")


def _differ(event: t.Json) -> bool:
    return event["kind"] == "report" and len({str(item["marks"]) for item in event["weak"][:2]}) == 2


def _exchange(value: t.Json) -> None:
    report = next(event for event in value["events"] if _differ(event))
    one, two = report["weak"][:2]
    for name in ("marks", "score"):
        one[name], two[name] = two[name], one[name]


def other_answer(value: t.Json) -> None:
    report_of(value)["weak"][0]["answer"] = "forty-two"


def other_rubric(value: t.Json) -> None:
    for item in report_of(value)["example"]["rubric"]:
        item["weight"] *= 3 if item["weight"] > 1 else 1


def other_reply(value: t.Json) -> None:
    next(event for event in value["events"] if event["kind"] == "chat")["reply"] = "{}"


def swap_papers(run: RunFolder, other: RunFolder) -> None:
    one, two = [result for _, result in t.results_of(run, "seed", "not_accepted")][:2]
    paths = [t.trajectory_path(run, each["key"]) for each in (one, two)]
    contents = [path.read_bytes() for path in paths]
    paths[0].write_bytes(contents[1])
    paths[1].write_bytes(contents[0])


def from_other_run(run: RunFolder, other: RunFolder) -> None:
    own, alien = some_result(run)["key"], some_result(other)["key"]
    shutil.copy(t.trajectory_path(other, alien), t.trajectory_path(run, own))


def under_other_key(run: RunFolder, other: RunFolder) -> None:
    """An orphan that nobody named, from another evaluator, under its own right key."""
    value = t.read_trajectory_file(run, some_result(run)["key"])
    value["evaluator_hash"] = "e" * 64
    result = value["result"]
    key = trajectory_key("e" * 64, value["tree_hash"], result["paper_id"], result["replicate"])
    result["key"] = key
    t.write_trajectory_file(run, key, value)


def truncate(run: RunFolder, other: RunFolder) -> None:
    path = t.trajectory_path(run, some_result(run)["key"])
    path.write_bytes(path.read_bytes()[:-20])


def append_to(run: RunFolder, other: RunFolder) -> None:
    path = t.trajectory_path(run, some_result(run)["key"])
    path.write_bytes(path.read_bytes() + b"x")


TRAJECTORIES = (
    Attack(
        name="a verdict in a trajectory",
        act=bare(accept),
        places=("trajectories/", "its content is not the one that journal.jsonl"),
    ),
    Attack(
        name="a key more in a trajectory",
        act=bare(lambda value: value.update(note="x")),
        places=("its content or format is not what",),
    ),
    Attack(
        name="a trajectory removed",
        act=lambda run, other: t.trajectory_path(run, some_result(run)["key"]).unlink(),
        places=("it is missing, and journal.jsonl, line",),
    ),
    Attack(name="a trajectory cut short", act=truncate, places=("trajectories/", "is damaged")),
    Attack(name="a trajectory with bytes behind it", act=append_to, places=("trajectories/", "is damaged")),
    Attack(
        name="trajectories of two papers exchanged",
        act=swap_papers,
        places=("holds the trajectory of another key",),
    ),
    Attack(
        name="a trajectory of another run",
        act=from_other_run,
        places=("holds the trajectory of another key",),
    ),
    Attack(
        name="a trajectory that nobody named",
        act=under_other_key,
        places=("it was made by a different evaluator than the run's",),
    ),
    Attack(
        name="a file that is no trajectory",
        act=lambda run, other: (run.trajectories / "x.json").write_text("{}"),
        places=("trajectories/x.json: it is not a trajectory",),
    ),
    Attack(
        name="mended: a verdict, journal and trajectory",
        act=forge(accept),
        places=("result.verdict is not what its own events lead to",),
    ),
    Attack(
        name="mended: a round accepted",
        act=forge(accept_a_round),
        places=("ruling is not what its own events lead to",),
    ),
    Attack(name="mended: a score", act=forge(better_score), places=("weak rollout 0: score is not",)),
    Attack(name="mended: marks", act=forge(other_marks), places=("trajectories/",)),
    Attack(
        name="mended: marks of two rollouts exchanged",
        act=exchange_marks,
        places=("weak rollout 0: its weak is not what its call records lead to",),
    ),
    Attack(name="mended: an answer", act=forge(other_answer), places=("no call record gave the answer",)),
    Attack(name="mended: a rubric", act=forge(other_rubric), places=("trajectories/",)),
    Attack(
        name="mended: a seed",
        act=forge(lambda value: report_of(value)["weak"][0].update(seed=1)),
        places=("weak rollout 0: seed is not",),
    ),
    Attack(
        name="mended: a reply of the challenger",
        act=forge(other_reply),
        places=("no call record of role challenger gave this reply",),
    ),
    Attack(
        name="mended: a round left out",
        act=forge(lambda value: value["result"]["rounds"].pop()),
        places=("result.rounds is not what its own events lead to",),
    ),
    Attack(
        name="mended: the end of the box",
        act=forge(lambda value: value["events"].pop()),
        places=("it does not say how the box ended",),
    ),
    Attack(
        name="mended: calls",
        act=forge(lambda value: value["calls_by_role"].update(weak=1)),
        places=("result.calls is not", "its call records are of other roles"),
    ),
    Attack(
        name="mended: tokens",
        act=forge(lambda value: value["result"]["usage"].update(prompt_tokens=1)),
        places=("its tokens are not those of its call records",),
    ),
    Attack(
        name="mended: the records it rests on",
        act=forge(lambda value: value["rests"]["names"].pop()),
        places=("the hash over its call records is different",),
    ),
)


# -- everything else


def edit_text(name: str, before: str, after: str) -> Act:
    def act(run: RunFolder, other: RunFolder) -> None:
        path = run.root / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))

    return act


def link_away(run: RunFolder, other: RunFolder) -> None:
    run.trajectories.rename(run.root.parent / "elsewhere")
    run.trajectories.symlink_to(run.root.parent / "elsewhere")


SURROUNDINGS = (
    Attack(
        name="a threshold of the spec",
        act=edit_text("spec.resolved.yaml", "predicate: deployed", "predicate: prose"),
        places=("spec.resolved.yaml: it is not the spec whose hash",),
    ),
    Attack(
        name="the budget of the spec",
        act=edit_text("spec.resolved.yaml", "workers: 2", "workers: 3"),
        places=("spec.resolved.yaml, line",),
    ),
    Attack(
        name="a comment in the spec",
        act=edit_text("spec.resolved.yaml", "# Written", "# written"),
        places=("spec.resolved.yaml, line 1",),
    ),
    Attack(
        name="a spec that is none",
        act=edit_text("spec.resolved.yaml", "version: 1", "version: x"),
        places=("spec.resolved.yaml: ",),
    ),
    Attack(
        name="the spec of another run",
        act=lambda run, other: shutil.copy(other.spec, run.spec),
        places=("spec.resolved.yaml: it is not the spec whose hash",),
    ),
    Attack(
        name="the spec removed", act=lambda run, other: run.spec.unlink(), places=("spec.resolved.yaml: ",)
    ),
    Attack(
        name="a version in environment.json",
        act=edit_text("environment.json", '"python": "3', '"python": "2'),
        places=("environment.json, line",),
    ),
    Attack(
        name="the evaluator in environment.json",
        act=edit_text("environment.json", '"evaluator_hash": "', '"evaluator_hash": "0'),
        places=("environment.json: evaluator or sandbox differ",),
    ),
    Attack(
        name="environment.json removed",
        act=lambda run, other: run.environment.unlink(),
        places=("environment.json: it is missing",),
    ),
    Attack(name="a link in the place of a folder", act=link_away, places=("trajectories: it is a link",)),
)


# -- all of it in agreement


def rewrite_everything(run: RunFolder, other: RunFolder) -> None:
    """A reply of the challenger in the records, in the trajectory that quotes it, in the journal."""
    key = some_result(run)["key"]
    value = t.read_trajectory_file(run, key)
    chat = next(e for e in value["events"] if e["kind"] == "chat" and isinstance(e["reply"], str))
    prefixes = {name.partition(":")[0] for name in value["rests"]["names"]}
    record = next(
        each
        for each in t.record_keys(run, chat["role"])
        if each[:16] in prefixes and _stored(run, each).reply.text == chat["reply"]
    )
    chat["reply"] += " "
    t.change_reply(run, record, chat["reply"])
    seals: list[Seal] = []
    for name in value["rests"]["names"]:
        full = next(
            k for role in value["calls_by_role"] for k in t.record_keys(run, role) if k[:16] == name[:16]
        )
        call = _stored(run, full)
        seals.append(seal_reply(full, call.role, call.reply))
    evidence = evidence_of(seals)

    def change(kept: t.Json) -> None:
        kept.update(value, rests={"names": list(evidence.names), "whole": evidence.whole})

    t.follow_up(run, key, change)


ALL = (
    Attack(
        name="records, trajectory and journal rewritten in agreement",
        act=rewrite_everything,
        places=("journal.jsonl: its head hash is not the expected one",),
        expect=True,
    ),
    Attack(
        name="the whole folder of another run under this name",
        act=lambda run, other: (shutil.rmtree(run.root), copy_run(other, run.root)),
        places=("journal.jsonl: its head hash is not the expected one",),
        expect=True,
    ),
)

ATTACKS = (*JOURNAL, *MENDED, *LINEAGE, *CALLS, *TRAJECTORIES, *SURROUNDINGS, *ALL)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    return shared_run(tmp_path_factory), shared_run(tmp_path_factory, "other", 4)


@pytest.fixture
def run(made: tuple[RunFolder, RunFolder], tmp_path: Path) -> RunFolder:
    return copy_run(made[0], tmp_path / "trial")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_was_changed_is_found_and_its_place_named(attack, run, made, attack_row):
    head = verify_run(made[0]).head if attack.expect else None
    attack.act(run, made[1])
    began = monotonic()
    without = told(run) if attack.expect else ""
    text = told(run, head)
    found = all(place in text for place in attack.places)
    how = "by the published head" if attack.expect else f"{text.count(chr(10)) + 1} faults, place named"
    attack_row(
        suite="record",
        name=attack.name,
        tried=attack.places[0],
        outcome=f"found: {how}" if found else "not found",
        seconds=monotonic() - began,
    )
    assert found, text
    assert not without, f"the folder itself tells, so the row should say how:\n{without}"


def mend_check(run: RunFolder, other: RunFolder) -> None:
    """Other times, and the checksum of the line mended."""
    events = [json.loads(text) for text in t.journal_lines(run)]
    heads = [event["hash"] for event in events]
    t.rewrite_events(
        run, lambda own: [event.update(time="2031-01-01T00:00:00.000+00:00") for event in own] and None
    )
    assert [json.loads(text)["hash"] for text in t.journal_lines(run)] == heads


def edit_environment(run: RunFolder, other: RunFolder) -> None:
    values = json.loads(run.environment.read_text())
    del values["check"]
    run.environment.write_text(environment_text({**values, "python": "4.0"}))


def edit_budget(run: RunFolder, other: RunFolder) -> None:
    spec = read_resolved(run.spec)
    run.spec.write_text(write_resolved(spec.model_copy(update={"workers": 31})))


UNCOVERED = {
    "the times of the journal, with their checksums": (mend_check, "times of journal lines"),
    "environment.json, with its checksum": (edit_environment, "environment.json"),
    "workers of the spec, with its checksum": (edit_budget, "workers"),
    "report.html": (lambda run, other: run.report.write_text("<p>100 %</p>"), "report.html"),
    "notices.jsonl": (lambda run, other: run.notices.write_text("{}"), "notices.jsonl"),
}
"""What no hash can cover, because two identical runs differ in it, or because it is derived."""


@pytest.mark.parametrize("name", UNCOVERED)
def test_what_is_not_covered_is_said_to_be_not_covered(name, run, made, attack_row):
    act, words = UNCOVERED[name]
    act(run, made[1])
    done = verify_run(run)
    attack_row(
        suite="record",
        name=f"not covered: {name}",
        tried="edited, checksums mended",
        outcome="none: nothing depends on it, and verify says so",
        weaker=True,
    )
    assert done.findings.faults == []
    assert any(words in what for what in NOT_CHECKED)
