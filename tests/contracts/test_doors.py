"""Every door, with plug-ins from outside the package: named in a spec, run, resumed, verified and
replayed.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.studbook_cli import REPOSITORY, environment, studbook

SPEC = """\
version: 1
name: mine
seed: 3
corpus: {{splits: {{train: 2, validation: 3, test: 2}}{corpus}}}
evaluator: {{max_rounds: 3{evaluator}}}
search: {{iterations: 3, minibatch: 1, knob_share: {share}{search}}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
sandbox: {sandbox}
workers: 2
display: {display}
"""

PLUGINS = {
    "selection": """
        class Oldest:
            def __init__(self, skip: int = 0) -> None:
                self.skip = skip

            def select(self, population, seed):
                return population.members[min(self.skip, len(population.members) - 1)]

        def newest(population, seed, *, back: int = 0):
            return population.members[-1 - min(back, len(population.members) - 1)]

        def wrong(population, seed):
            return "m9999"

        def failing(population, seed):
            return 1 / 0
        """,
    "admission": """
        from studbook.evolve.contracts import Admission

        def everyone(parent, mutant, papers):
            return Admission(admitted=True, reason="everyone is let in")
        """,
    "predicate": """
        from studbook.evaluate.contracts import Ruling, Status

        class Gap:
            def __init__(self, least: float = 0.01) -> None:
                self.least = least

            def rule(self, weak, strong):
                if not strong:
                    return Ruling(status=Status.UNDECIDED, category=None, reason="weak ones decide nothing")
                return Ruling(status=Status.ACCEPTED, category=None, reason="every example is welcome")
        """,
    "sandbox": """
        from studbook.sandbox.kinds.process import plugin as process

        class Counted:
            def __init__(self, label: str = "mine") -> None:
                self.inner = process()
                self.name, self.isolates_untrusted_code = "mine", False
                self.identity = {**self.inner.identity, "kind": self.name}
                self.fingerprint = f"mine, {label}, {self.inner.fingerprint}"
                self.statement = f"my own boxes ({label})"

            def run(self, job, handler):
                return self.inner.run(job, handler)

            def close(self):
                self.inner.close()
        """,
    "reader": """
        from studbook.evaluate.contracts import ReadPaper

        class Upside:
            def reads(self, name):
                return name.endswith(".upside")

            def read(self, data, name):
                if data.startswith(b"broken"):
                    raise ValueError("it is broken")
                return ReadPaper(text=data.decode(), title="A title from the reader")
        """,
    "analyzer": """
        from studbook.evolve.contracts import Diagnosis

        class Short:
            def __init__(self, chat, words: str = "Weights must be whole numbers.") -> None:
                self.words = words

            def analyze(self, parent, results, history, seed):
                return Diagnosis(text=f"My own diagnosis: {self.words}")
        """,
    "implementer": """
        from studbook.evolve.contracts import Proposal
        from studbook.populations.records import MutationKind

        class Commenting:
            def implement(self, parent, diagnosis, history, try_harness, seed):
                before = parent.files["prompts/challenger_task.md"]
                tree = parent.replace({"prompts/challenger_task.md": before + f"\\nNote {seed}.\\n".encode()})
                return Proposal(tree=tree, kind=MutationKind.PROMPT, hypothesis="a note helps")
        """,
    "display": """
        from studbook.experiments.views.displays.silent import SilentDisplay

        class Terse(SilentDisplay):
            def __init__(self, progress, results, mark: str = "*") -> None:
                self.results, self.mark = results, mark

            def iteration_ended(self, view, progress):
                print(self.mark, view.iteration, view.verdict.value, file=self.results)

        class Broken(SilentDisplay):
            def seed_measured(self, rate):
                raise ValueError("no ink")
        """,
    "wrong": """
        import colorsys  # a helper beside this one may have the same name

        from studbook.evaluate.contracts import Ruling, Status
        from studbook.evolve.contracts import Admission, Proposal

        def admits_none(parent, mutant, papers):
            return None

        def admits_words(parent, mutant, papers):
            return Admission(admitted="no", reason="never")

        def admits_silently(parent, mutant, papers):
            return Admission(admitted=True, reason=None)

        async def waits(population, seed):
            return "seed"

        def leaves(population, seed):
            raise SystemExit(3)

        class Kind:
            def implement(self, parent, diagnosis, history, try_harness, seed):
                return Proposal(tree=parent, kind="great", hypothesis="x")

        class Nothing:
            def analyze(self, parent, results, history, seed):
                return None

        def not_a_number(knobs, population, seed, is_new):
            return {knob.name: float("nan") for knob in knobs}

        def no_verdict(weak, strong):
            return Ruling(status="rejected", category=None, reason="x")

        class Half:
            def __init__(self):
                from studbook.sandbox.kinds.process import plugin

                self.inner = plugin()
                self.name, self.isolates_untrusted_code, self.statement = "half", False, "half a sandbox"
                self.identity, self.fingerprint = {}, None

            def run(self, job, handler):
                return self.inner.run(job, handler)

            def close(self):
                self.inner.close()
        """,
    "knobs": """
        def lowest(knobs, population, seed, is_new):
            values = {knob.name: knob.low for knob in knobs}
            return values if is_new(values) else {}
        """,
}


def write(folder: Path, door: str, **keys: str) -> Path:
    (folder / "my_plugin.py").write_text(textwrap.dedent(PLUGINS[door]).lstrip(), encoding="utf-8")
    blank = {
        "corpus": "",
        "evaluator": "",
        "search": "",
        "sandbox": "process",
        "share": "0.34",
        "display": "auto",
    }
    path = folder / "mine.yaml"
    path.write_text(SPEC.format(**{**blank, **keys}), encoding="utf-8")
    return path


def done(*arguments: str, cwd: Path) -> str:
    finished = studbook(*arguments, cwd=cwd)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout + finished.stderr


CASES = {
    "selection": {"search": ', selection: {name: "my_plugin:Oldest", params: {skip: 0}}'},
    "selection as a function": {"search": ', selection: "my_plugin:newest"'},
    "admission": {"search": ', admission: "my_plugin:everyone"'},
    "predicate": {"evaluator": ', predicate: {name: "my_plugin:Gap", params: {least: 0.2}}'},
    "sandbox": {"sandbox": '{kind: "my_plugin:Counted", params: {label: "tested"}}'},
    "analyzer": {"search": ', analyzer: "my_plugin:Short"'},
    "implementer": {"search": ', implementer: "my_plugin:Commenting"'},
    "knobs": {"search": ', knobs: "my_plugin:lowest"', "share": "1.0"},
    "display": {"display": '{name: "my_plugin:Terse", params: {mark: "~"}}'},
}
SEEN = {
    "admission": "everyone is let in",
    "sandbox": "my own boxes (tested)",
    "implementer": "a note helps",
    "knobs": "knobs: ",
    "display": "~ 1 ",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_policy_of_the_users_own_runs_goes_on_verifies_and_replays(case, tmp_path):
    spec = write(tmp_path, case.split()[0], **CASES[case])
    told = done("run", spec.name, "--name", "mine", cwd=tmp_path)
    assert SEEN.get(case, "") in told
    shown = done("show", "mine", "--json", cwd=tmp_path)
    assert json.loads(shown[: shown.rindex("}") + 1])["iterations"]
    done("resume", "mine", "-s", "search.iterations=4", cwd=tmp_path)
    done("verify", "mine", cwd=tmp_path)
    done("replay", "mine", "--level", "recorded", cwd=tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_only_with_the_code_it_began_with_and_is_read_without_it(tmp_path):
    spec = write(tmp_path, "selection", search=', selection: "my_plugin:newest"')
    done("run", spec.name, "--name", "mine", cwd=tmp_path)
    plugin = tmp_path / "my_plugin.py"
    text = plugin.read_text(encoding="utf-8")
    plugin.write_text("# a remark changes nothing\n" + text, encoding="utf-8")
    done("resume", "mine", "-s", "search.iterations=4", cwd=tmp_path)
    plugin.write_text(text.replace("back: int = 0", "back: int = 1"), encoding="utf-8")
    refused = studbook("resume", "mine", "-s", "search.iterations=5", cwd=tmp_path)
    assert refused.returncode == 2
    assert "selection my_plugin:newest is not the code that run mine began with" in refused.stderr
    plugin.write_text("raise SystemExit('read, and so imported')\n", encoding="utf-8")
    for command in (
        ("show", "mine"),
        ("tree", "mine"),
        ("report", "mine"),
        ("replay", "mine", "--level", "fold"),
    ):
        done(*command, cwd=tmp_path)
    plugin.unlink()
    gone = studbook("resume", "mine", "-s", "search.iterations=5", cwd=tmp_path)
    assert gone.returncode == 2
    assert "run mine needs its selection" in gone.stderr
    assert "there is no module my_plugin" in gone.stderr


@pytest.mark.slow
def test_a_run_begun_elsewhere_goes_on_where_the_user_says_its_plug_in_is(tmp_path):
    specs, other = tmp_path / "specs", tmp_path / "other"
    specs.mkdir()
    other.mkdir()
    spec = write(specs, "selection", search=', selection: "my_plugin:newest"')
    told = done("run", f"specs/{spec.name}", "--name", "mine", cwd=tmp_path)
    assert "studbook replay mine --level recorded --plugins specs" in told
    for command in (
        ("resume", "mine", "-s", "search.iterations=4"),
        ("replay", "mine", "--level", "recorded"),
    ):
        refused = studbook(*command, cwd=tmp_path)
        assert refused.returncode == 2
        assert "there is no module my_plugin" in refused.stderr
        assert "--plugins DIR" in refused.stderr
        done(*command, "--plugins", "specs", cwd=tmp_path)
    missing = studbook("verify", "mine", "--plugins", "nowhere", cwd=tmp_path)
    assert missing.returncode == 2
    assert "--plugins nowhere: there is no such directory" in missing.stderr


@pytest.mark.slow
def test_a_display_is_no_part_of_a_run_and_a_broken_one_is_told(tmp_path):
    spec = write(tmp_path, "display", display='"my_plugin:Terse"')
    done("run", spec.name, "--name", "mine", cwd=tmp_path)
    (tmp_path / "my_plugin.py").unlink()
    done("resume", "mine", "-s", "search.iterations=4", "-s", "display=plain", cwd=tmp_path)
    broken = write(tmp_path, "display", display='"my_plugin:Broken"')
    told = studbook("run", broken.name, "--name", "other", cwd=tmp_path)
    assert told.returncode == 0, "no result depends on a display"
    assert "display my_plugin:Broken failed in seed_measured: ValueError: no ink" in told.stderr
    assert "continuing with plain lines" in told.stderr
    assert "Champion" in told.stdout


@pytest.mark.parametrize(
    ("search", "told"),
    [
        (", selection: boltzman", "did you mean 'boltzmann'?"),
        (', selection: "my_plugin:Newset"', "has no Newset"),
        (', selection: "nowhere:Thing"', "there is no module nowhere"),
        (', selection: {name: "my_plugin:Oldest", params: {skop: 1}}', "did you mean skip?"),
        (', selection: {name: "my_plugin:Oldest", params: {skip: "one"}}', "params.skip"),
        (', selection: "my_plugin:wrong"', "chose 'm9999', which is no member"),
        (', selection: "my_plugin:failing"', "failed in select: ZeroDivisionError"),
        (", analyzer: chatt", "did you mean 'chat'?"),
        (', implementer: "my_plugin:newest"', "implementer"),
    ],
)
def test_what_does_not_fit_is_told_by_name_and_ends_with_2(search, told, tmp_path):
    spec = write(tmp_path, "selection", search=search)
    refused = studbook("run", spec.name, cwd=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


WRONG = {
    "admits_none": (
        {"search": ', admission: "my_plugin:admits_none"'},
        "rule: it is None; expected Admission",
    ),
    "admits_words": (
        {"search": ', admission: "my_plugin:admits_words"'},
        "rule: admitted is 'no'; expected bool",
    ),
    "admits_silently": (
        {"search": ', admission: "my_plugin:admits_silently"'},
        "rule: reason is None; expected str",
    ),
    "waits": ({"search": ', selection: "my_plugin:waits"'}, "select is an async function"),
    "leaves": ({"search": ', selection: "my_plugin:leaves"'}, "failed in select: SystemExit: 3"),
    "Kind": (
        {"search": ', implementer: "my_plugin:Kind"', "share": "0"},
        "implement: kind is 'great'; expected MutationKind",
    ),
    "Nothing": (
        {"search": ', analyzer: "my_plugin:Nothing"', "share": "0"},
        "analyze: it is None; expected Diagnosis",
    ),
    "not_a_number": (
        {"search": ', knobs: "my_plugin:not_a_number"', "share": "1.0"},
        "is nan; expected float",
    ),
    "no_verdict": (
        {"evaluator": ', predicate: "my_plugin:no_verdict"'},
        "rule: status is 'rejected'; expected Status",
    ),
    "Half": ({"sandbox": '{kind: "my_plugin:Half"}'}, "fingerprint is None; expected str"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_told_by_its_door_and_never_recorded(case, tmp_path):
    keys, told = WRONG[case]
    spec = write(tmp_path, "wrong", **keys)
    refused = studbook("run", spec.name, "--name", "mine", cwd=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    if (tmp_path / "runs" / "mine").exists():
        done("show", "mine", cwd=tmp_path)
        done("verify", "mine", cwd=tmp_path)


@pytest.mark.parametrize(
    "search",
    [
        ', selection: "nowhere:Thing"',
        ', selection: {name: "my_plugin:Oldest", params: {skop: 1}}',
        ", selection: {name: boltzmann, params: {temprature: 3}}",
        ', implementer: "my_plugin:newest"',
        ', selection: {name: "my_plugin:newest", params: {back: .nan}}',
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_written(search, tmp_path):
    spec = write(tmp_path, "selection", search=search)
    for command in (("run", spec.name), ("run", spec.name, "--dry-run"), ("doctor", spec.name)):
        refused = studbook(*command, cwd=tmp_path)
        assert refused.returncode == 2, command
        assert "Traceback" not in refused.stderr
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True


def test_a_helper_that_another_module_hides_is_refused(tmp_path):
    specs = tmp_path / "specs"
    specs.mkdir()
    spec = write(specs, "wrong", search=', selection: "my_plugin:leaves"')
    (specs / "colorsys.py").write_text("MINE = True\n", encoding="utf-8")
    refused = studbook("run", f"specs/{spec.name}", cwd=tmp_path)
    assert refused.returncode == 2
    assert "importing colorsys finds" in refused.stderr
    assert "give the helper another name" in refused.stderr


@pytest.mark.slow
def test_a_plug_in_that_was_edited_since_it_was_imported_is_refused(tmp_path):
    write(tmp_path, "selection")
    script = """
        import studbook
        from pathlib import Path

        few = {"search.iterations": 1}
        studbook.run("mine.yaml", selection="my_plugin:newest", overrides=few, name="one")
        path = Path("my_plugin.py")
        path.write_text("# a remark\\n" + path.read_text())
        studbook.run("mine.yaml", selection="my_plugin:newest", overrides=few, name="two")
        path.write_text(path.read_text().replace("back: int = 0", "back: int = 1"))
        studbook.run("mine.yaml", selection="my_plugin:newest", overrides=few, name="three")
        """
    (tmp_path / "script.py").write_text(textwrap.dedent(script), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert "was edited since it was imported" in told.stderr.replace("\n", " ").replace("  ", " ")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["one", "two"]


@pytest.mark.slow
def test_papers_are_read_by_a_reader_of_the_users_own(tmp_path):
    done("papers", "synth", "papers", "--count", "7", cwd=tmp_path)
    for path in sorted((tmp_path / "papers").iterdir()):
        path.rename(path.with_suffix(".upside"))
    (tmp_path / "papers" / "bad.upside").write_text("broken", encoding="utf-8")
    spec = write(tmp_path, "reader", corpus=', path: papers, readers: [text, "my_plugin:Upside"]')
    told = done("run", spec.name, "--name", "mine", "-s", "search.iterations=1", cwd=tmp_path)
    assert "1 file skipped: bad.upside: it is broken" in told
    assert "7 papers in papers" in told


@pytest.mark.slow
def test_an_installed_package_gives_its_policy_a_name(tmp_path):
    site = tmp_path / "site"
    info = site / "my_policies-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-policies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[studbook.selection]\nnewest = my_policies:newest\n")
    (site / "my_policies.py").write_text("def newest(population, seed):\n    return population.members[-1]\n")
    spec = write(tmp_path, "selection", search=", selection: newest")
    told = studbook("run", spec.name, "--name", "mine", cwd=tmp_path, PYTHONPATH=_with(site))
    assert told.returncode == 0, told.stderr
    near = write(tmp_path, "selection", search=", selection: newst")
    refused = studbook("run", near.name, cwd=tmp_path, PYTHONPATH=_with(site))
    assert "did you mean 'newest'?" in refused.stderr


def _with(site: Path) -> str:
    return f"{REPOSITORY}:{site}"


@pytest.mark.slow
def test_the_library_takes_the_objects_themselves(tmp_path):
    write(tmp_path, "selection")
    (tmp_path / "my_predicate.py").write_text(
        textwrap.dedent(PLUGINS["predicate"]).lstrip(), encoding="utf-8"
    )
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
        import my_plugin
        import my_predicate
        import studbook

        run = studbook.run("mine.yaml", selection=my_plugin.newest, predicate=my_predicate.Gap, name="mine")
        plugins = run.opened.start.plugins
        print(plugins["selection"], plugins["predicate"], run.summary.state)
        """),
        encoding="utf-8",
    )
    script = [sys.executable, "script.py"]
    told = subprocess.run(
        script, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=180
    )
    assert told.returncode == 0, told.stderr
    assert "my_plugin:newest " in told.stdout
    assert "my_predicate:Gap " in told.stdout
    assert told.stdout.endswith(" finished\n")
    done("resume", "mine", "-s", "search.iterations=4", cwd=tmp_path)
    done("replay", "mine", "--level", "recorded", cwd=tmp_path)
