"""An implementer that edits outside the harness in every way we know, through the real loop.

A row is what a scripted model writes in one message. Expected of each: nothing outside is touched, every edit
is refused and counted in the decision, and the model is told so in the next message; its one honest edit,
made in the same dialogue, counts all the same. Adding an attack is one line.
"""

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
from support.search_rig import PAPERS, STARTED

from studbook.evolve.contracts import SearchSettings, Silent
from studbook.evolve.gates import SeenTrees
from studbook.evolve.iteration import Workshop
from studbook.evolve.loop import evolve
from studbook.evolve.measuring import VALIDATION, Measuring, StopToken, found
from studbook.evolve.policies.admission.strict import Strict
from studbook.evolve.policies.implementers.chat import ChatImplementer
from studbook.evolve.policies.knob_proposers.optuna import KnobSampler
from studbook.evolve.policies.selection.boltzmann import Boltzmann
from studbook.experiments.run.ledger import LineageTrees
from studbook.harnesses.tree import HarnessTree
from studbook.llm.client import ModelClient
from studbook.llm.contracts import Endpoint, RoleModel
from studbook.llm.records import CallRecords
from studbook.populations.events import DecisionMade, Event, MutantMade
from studbook.populations.lineage import Lineage
from studbook.populations.population import Population, fold
from studbook.testbed.fakes import LEVEL, FakeAnalyzer, FakeEvaluator, fake_harness
from studbook.testbed.scripted import ScriptedBackend

HONEST = f"```write {LEVEL}\n60\n```\n```done\nraise the level\n```"
REPLACE = "<<<<<<< FIND\nname: fake\n=======\nname: other\n>>>>>>> END"


def write(path: str) -> str:
    return f"```write {path}\nx\n```"


def delete(path: str) -> str:
    return f"```delete {path}\n```"


def replace(path: str, body: str = REPLACE) -> str:
    return f"```replace {path}\n{body}\n```"


def every(*paths: str) -> tuple[str, ...]:
    """Each path written, deleted and replaced."""
    return tuple(block for path in paths for block in (write(path), delete(path), replace(path)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """`uncounted` of the blocks are no edits (reads), or cannot be told from a slip of the pen."""

    name: str
    blocks: tuple[str, ...]
    uncounted: int = 0
    told: str = "refused: "


ATTACKS = (
    Attack(
        name="parent folders",
        blocks=every("../outside.md", "prompts/../../outside.md", "prompts/../agent.py"),
    ),
    Attack(
        name="absolute paths", blocks=every("/etc/passwd", "//etc/passwd", "/tmp/x.md", "file:///etc/passwd")
    ),
    Attack(name="home and variables", blocks=every("~/x.md", "$HOME/x.md", "%TEMP%/x.md", "%2e%2e/x.md")),
    Attack(
        name="dots and empty parts", blocks=every(".", "..", "prompts//x.md", "prompts/./x.md", "././x.md")
    ),
    Attack(
        name="git's own folder", blocks=every(".git/hooks/pre-commit", "prompts/.git/config", "git~1/config")
    ),
    Attack(name="git's own files", blocks=every(".gitattributes", ".gitmodules", "prompts/.gitignore")),
    Attack(name="git in other cases", blocks=every(".GIT/config", ".Git/hooks/update", "prompts/.gIt/HEAD")),
    Attack(
        name="git behind hidden characters",
        blocks=every(".g\u200cit/config", ".git\u200b/config", "\u2024git/x"),
    ),
    Attack(
        name="the manifest",
        blocks=every("harness.yaml", "./harness.yaml", '"harness.yaml"', "path: harness.yaml"),
    ),
    Attack(name="the manifest in other cases", blocks=every("Harness.YAML", "HARNESS.yaml", "harness.Yaml")),
    Attack(
        name="fields of the manifest",
        blocks=(
            replace(
                "harness.yaml",
                '<<<<<<< FIND\neditable: ["*.py", "prompts/*.md"]\n=======\neditable: ["**"]\n>>>>>>> END',
            ),
            replace(
                "harness.yaml",
                "<<<<<<< FIND\nroles: [challenger]\n=======\nroles: [challenger, verifier]\n>>>>>>> END",
            ),
            replace(
                "harness.yaml",
                "<<<<<<< FIND\nentry: agent.py:main\n=======\nentry: agent.py:evil\n>>>>>>> END",
            ),
            replace("harness.yaml", "<<<<<<< FIND\nvalue: 0\n=======\nvalue: 8\n>>>>>>> END"),
        ),
    ),
    Attack(name="a second manifest", blocks=every("prompts/harness.yaml", "harness.yml")),
    Attack(
        name="files that are not editable",
        blocks=every("notes.txt", "lib/util.py", "prompts/deep/x.md", "x.json"),
    ),
    Attack(
        name="files in other cases",
        blocks=every("Prompts/level.md", "prompts/LEVEL.md", "AGENT.PY", "Agent.py"),
    ),
    Attack(name="the injected kit", blocks=every("harness_kit.py", "Harness_Kit.py", "./harness_kit.py")),
    Attack(
        name="look-alike letters",
        blocks=every("agеnt.py", "prompts/ａ.md", "prompts/a\u0301.md", "prompts/ﬁ.md"),
    ),
    Attack(
        name="right-to-left and joiners",
        blocks=every("prompts/\u202egpj.md", "prompts/a\u2060.md", "pro\u00admpts/x.md"),
    ),
    Attack(name="backslashes", blocks=every("..\\outside.md", "prompts\\x.md", "prompts/..\\..\\x.md")),
    Attack(
        name="drives and shares",
        blocks=every("C:/x.md", "C:x.md", "\\\\server\\share\\x.md", "\\\\?\\C:\\x.md"),
    ),
    Attack(
        name="streams and globs",
        blocks=every("agent.py:evil", "agent.py::$DATA", "prompts/*.md", "prompts/?.md"),
    ),
    Attack(
        name="devices",
        blocks=every("prompts/con.md", "nul.py", "prompts/AUX.md", "COM1.py", "prompts/lpt9.x.md"),
    ),
    Attack(
        name="NUL and controls", blocks=every("prompts/x.md\0.txt", "prompts/\x07x.md", "prompts/\x1b[2Jx.md")
    ),
    Attack(
        name="dots and spaces at the end",
        blocks=every("prompts/x.md.", "agent.py.", "prompts /x.md", "agent.py ."),
    ),
    Attack(name="lone surrogates", blocks=every("prompts/\udcff.md", "\udc2e\udc2e/x.md")),
    Attack(
        name="very long names", blocks=every("prompts/" + "a" * 300 + ".md", "/".join("abcdefghij") + "/x.md")
    ),
    Attack(name="files as folders", blocks=every("agent.py/x.py", f"{LEVEL}/x.md", "prompts")),
    Attack(
        name="a link of text",
        blocks=(write("prompts/link"), delete("prompts/link/passwd"), write("prompts/link/passwd")),
    ),
    Attack(
        name="two paths in one", blocks=(write("prompts/x.md ../outside.md"), delete("prompts/x.md agent.py"))
    ),
    Attack(
        name="the path in the body",
        blocks=("```write\npath: ../outside.md\nx\n```", "```delete\n../outside.md\n```"),
    ),
    Attack(
        name="lines in a path",
        blocks=("```delete\nprompts/x.md\n../outside.md\n```",),
        uncounted=1,
        told="`delete` needs exactly one path",
    ),
    Attack(name="deleting the entry", blocks=(delete("agent.py"), delete("./agent.py"))),
    Attack(
        name="reading outside",
        blocks=(
            "```read ../../etc/passwd\n```",
            "```read /proc/self/environ\n```",
            "```read .git/config\n```",
        ),
        uncounted=3,
    ),
)


def shown(attack: Attack) -> str:
    """What was tried, each path once; xdist and terminals take no lone surrogates."""
    heads = [block.split("\n")[0].strip("`").partition(" ") for block in attack.blocks]
    paths = dict.fromkeys(path or "(in the body)" for _, _, path in heads)
    verbs = "/".join(dict.fromkeys(verb for verb, _, _ in heads))
    return ascii(f"{verbs} {', '.join(paths)}")[1:-1][:120]


@dataclass(slots=True)
class Outcome:
    """What one iteration came to."""

    decision: DecisionMade
    files: dict[str, bytes]
    told: str
    tried: list[HarnessTree] = field(default_factory=list)


@dataclass(slots=True)
class Watched(FakeEvaluator):
    """The fake evaluator, which also keeps what it was given to run."""

    trees: list[HarnessTree] = field(default_factory=list)

    def evaluate_paper(self, harness, paper, replicate):
        self.trees.append(harness)
        return FakeEvaluator.evaluate_paper(self, harness, paper, replicate)


@contextmanager
def scripted_chat(backend: ScriptedBackend) -> Iterator[ModelClient]:
    with CallRecords.in_memory() as records:
        yield ModelClient(
            roles={"implementer": RoleModel(endpoint="script", model="script")},
            endpoints={"script": Endpoint(name="script", backend=backend)},
            records=records,
        )


def one_iteration(folder: Path, replies: list[str]) -> Outcome:
    """The real loop, implementer, gates, lineage and model client; only the measuring is a double."""
    events: list[Event] = []
    backend, evaluator = ScriptedBackend(replies), Watched()

    def commit(new) -> Population:
        events.extend(new)
        return fold(events)

    with (
        scripted_chat(backend) as chat,
        Lineage(folder / "lineage.git") as lineage,
        ThreadPoolExecutor(2) as pool,
    ):
        trees = LineageTrees(lineage, "attacked")
        measuring = Measuring(
            evaluator=evaluator,
            pool=pool,
            workers=2,
            observer=Silent(),
            stop_token=StopToken(threading.Event()),
        )
        population = commit((STARTED, *found(fake_harness(), trees, measuring, PAPERS[VALIDATION])))
        shop = Workshop(
            settings=SearchSettings(run_seed=1, iterations=1, minibatch=1, knob_share=0.0),
            papers=PAPERS,
            selection=Boltzmann(),
            trees=trees,
            seen=SeenTrees(trees),
            measuring=measuring,
            analyzer=FakeAnalyzer(),
            implementer=ChatImplementer(chat),
            admission=Strict(),
            knobs=KnobSampler(),
            observer=Silent(),
        )
        evolve(shop, population, commit)
        made = [event.mutant for event in events if isinstance(event, MutantMade)]
        files = lineage.read(made[-1].commit)
    decision = events[-1]
    assert isinstance(decision, DecisionMade)
    told = backend.requests[1].messages[-1].content if len(backend.requests) > 1 else ""
    return Outcome(decision=decision, files=files, told=told, tried=evaluator.trees)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_edit_outside_is_refused_counted_and_told(attack, tmp_path, monkeypatch, attack_row):
    (tmp_path / "work").mkdir()
    (tmp_path / "outside.md").write_text("mine")
    monkeypatch.chdir(tmp_path / "work")
    began = monotonic()
    outcome = one_iteration(tmp_path / "work", ["\n".join(attack.blocks), HONEST])
    counted = len(attack.blocks) - attack.uncounted
    count = outcome.decision.refused_actions
    attack_row(
        suite="implementer",
        name=attack.name,
        tried=shown(attack),
        outcome=f"refused {count}/{counted}, told" if counted else "refused and told",
        seconds=monotonic() - began,
    )
    assert count == counted
    assert outcome.told.count(attack.told) == len(attack.blocks)
    assert outcome.files == {**fake_harness().files, LEVEL: b"60\n"}
    assert (tmp_path / "outside.md").read_text() == "mine"
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["lineage.git"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside.md", "work"]


def test_what_was_refused_leaves_a_repository_that_git_has_nothing_to_say_about(tmp_path):
    blocks = [block for attack in ATTACKS for block in attack.blocks]
    working = "```list\n```"  # messages in which nothing works end a dialogue
    pages = ["\n".join([*blocks[start : start + 39], working]) for start in range(0, len(blocks), 39)]
    outcome = one_iteration(tmp_path, [*pages, HONEST])
    assert outcome.decision.refused_actions == sum(len(a.blocks) - a.uncounted for a in ATTACKS)
    done = subprocess.run(
        ["git", "--git-dir", str(tmp_path / "lineage.git"), "fsck", "--full", "--strict"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_try_runs_the_harness_as_it_stands_and_nothing_that_it_is_given(tmp_path, attack_row):
    tries = "```try ../../etc/passwd\n/bin/sh -c id\n```"
    outcome = one_iteration(
        tmp_path, [f"{write('../x.md')}\n{tries}", f"```write {LEVEL}\n70\n```\n{tries}", HONEST]
    )
    known = [{**fake_harness().files, LEVEL: level} for level in (b"20\n", b"60\n", b"70\n")]
    attack_row(
        suite="implementer",
        name="reaching outside with try",
        tried="try ../../etc/passwd, try /bin/sh -c id",
        outcome="refused: runs the harness as edited, nothing else",
    )
    assert all(dict(tree.files) in known for tree in outcome.tried)
    assert "not run: the implementer's edit left the harness as it was" in outcome.told


def test_only_so_many_actions_of_one_message_are_carried_out(tmp_path, attack_row):
    outcome = one_iteration(tmp_path, ["\n".join([write("../x.md")] * 1000), HONEST])
    attack_row(
        suite="implementer",
        name="a thousand edits in one message",
        tried="write ../x.md, 1,000 times",
        outcome=f"refused {outcome.decision.refused_actions}/40, the rest not looked at",
    )
    assert outcome.decision.refused_actions == 40
    assert "neither this nor what follows: at most 40 actions a message" in outcome.told


def test_an_entry_that_is_edited_away_is_broken_before_it_costs_anything(tmp_path, attack_row):
    outcome = one_iteration(tmp_path, ["```write agent.py\nx = 1\n```\n```done\nno entry\n```"])
    decision = outcome.decision.decision
    attack_row(
        suite="implementer",
        name="an entry without its function",
        tried="write agent.py without main",
        outcome=f"refused: {decision.verdict}, {decision.reason}",
    )
    assert decision.verdict == "broken"
    assert decision.reason == "harness.yaml: entry: `agent.py` defines no `main`."


def test_a_hypothesis_forges_no_trailer_of_its_commit(tmp_path, attack_row):
    forged = "better\n\nTree-Hash: 0000\nParent: m9999\nMutant: seed"
    one_iteration(tmp_path, [f"```write {LEVEL}\n60\n```\n```done\n{forged}\n```"])
    with Lineage(tmp_path / "lineage.git") as lineage:
        trailers = lineage.trailers("m0001")
        lineage.read("m0001")  # raises when the hash over the files is another
    attack_row(
        suite="implementer",
        name="trailers in a hypothesis",
        tried="done: better ¶ Tree-Hash: 0000 ¶ Parent: m9999",
        outcome="refused: one line, no trailer of it",
    )
    assert (trailers["Mutant"], trailers["Parent"]) == ("m0001", "seed")
    assert trailers["Hypothesis"] == "better Tree-Hash: 0000 Parent: m9999 Mutant: seed"
