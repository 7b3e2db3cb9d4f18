"""The conformance report: read from a run that the command line made, and written by the command itself."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.made_runs import copy_run, shared_run
from support.studbook_cli import studbook

from studbook.errors import UsageError
from studbook.experiments.cli.conforming import trial_spec
from studbook.experiments.conformance.figures import (
    Replies,
    RunFigures,
    edits_of,
    is_readable_reply,
    read_figures,
    without_folders,
)
from studbook.experiments.conformance.page import (
    Conformance,
    conformance_json,
    conformance_page,
    models_words,
)
from studbook.experiments.run.environment import UserEnvironment
from studbook.experiments.run.opening import open_run
from studbook.llm.contracts import ROLES, ChatReply, Evidence, Usage
from studbook.llm.meter import Totals
from studbook.llm.records import StoredCall
from studbook.populations.records import CanaryScore
from studbook.populations.storage import RunFolder
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.server import BackendServer

NOBODY = UserEnvironment(environment={}, dotenv={})
GOOD = {
    "context": "Old piers stand in gravel.",
    "question": "Why did the bridge fall?",
    "reference_answer": "The gravel was washed out.",
    "rubric": [{"criterion": "Names the gravel.", "weight": 3}],
}


def replied(role: str, text: str, **more: object) -> StoredCall:
    reply = ChatReply(text=text, usage=Usage(), **more)  # type: ignore[arg-type]
    return StoredCall(key="ab" * 32, role=role, reply=reply, dollars=0.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return shared_run(tmp_path_factory)


@pytest.fixture(scope="module")
def figures(run: RunFolder) -> RunFigures:
    return read_figures(open_run(str(run.root), run.root.parent))


@pytest.mark.parametrize(
    ("role", "text", "is_readable"),
    [
        ("judge", '{"check": "0a1b2c3d", "marks": [true, false, true]}', True),
        ("judge", '{"check": "0a1b2c3d", "marks": [true, false]}', False),
        ("judge", "All three are met.", False),
        ("final_verifier", '{"pass": "no", "reason": "leak"}', True),
        ("final_verifier", '{"reason": "leak"}', False),
        ("verifier", 'Sure! {"pass": true, "feedback": ""}', True),
        ("verifier", "It is a good question.", False),
        ("challenger", f"```json\n{json.dumps(GOOD)}\n```", True),
        ("challenger", json.dumps({**GOOD, "rubric": []}), False),
        ("challenger", json.dumps({**GOOD, "difficulty": "hard"}), True),
        ("weak", "Because of the gravel.", True),
        ("weak", " \n", False),
        ("implementer", "```read\nagent.py\n```", True),
        ("implementer", "I would read agent.py.", False),
        ("implementer", "```write agent.py\nprint(1)", False),
    ],
)
def test_a_reply_is_readable_if_the_reader_of_its_role_reads_it(
    role: str, text: str, is_readable: bool
) -> None:
    assert is_readable_reply(replied(role, text), (3, 5)) is is_readable


@pytest.mark.parametrize("role", ["weak", "strong", "judge", "final_verifier"])
def test_an_answer_that_was_cut_off_is_never_readable(role: str) -> None:
    text = '{"pass": true, "reason": "sound", "marks": [true, true, true]}'
    assert is_readable_reply(replied(role, text), (3,))
    assert not is_readable_reply(replied(role, text, finish_reason="length"), (3,))


def test_an_analyzer_has_to_write_every_section_it_was_asked_for() -> None:
    headings = ["What happened", "Root causes", "Not the harness's fault", "Tried before", "What to change"]
    whole = "\n".join(f"## {heading}\nNothing." for heading in headings)
    assert is_readable_reply(replied("analyzer", whole), ())
    assert not is_readable_reply(replied("analyzer", whole.replace("## Root causes", "")), ())


def test_every_reply_of_a_run_is_counted_once(figures: RunFigures, run: RunFolder) -> None:
    roles = {role.role: role for role in figures.roles}
    assert list(roles) == [role for role in ROLES if role in roles]
    assert {"challenger", "verifier", "weak", "judge", "analyzer", "implementer"} <= roles.keys()
    for role in roles.values():
        assert role.readable.n == role.replies
        assert role.answered_as == (f"testbed-{role.role.replace('_', '-')}",)
    assert roles["judge"].readable.passed == roles["judge"].replies
    assert figures.totals.calls == sum(role.replies for role in roles.values())
    assert figures.state == "finished"
    assert figures.iterations == 3


def test_iterations_and_papers_add_up(figures: RunFigures, run: RunFolder) -> None:
    assert sum(figures.edits.verdicts.values()) == 3
    files = list(run.trajectories.glob("*/*.json.zst"))
    assert sum(figures.papers.values()) == len(files)
    assert figures.edits.dialogues >= 1
    assert figures.edits.proposed >= figures.edits.applied >= figures.edits.changed >= 1


def test_edits_are_made_again_on_the_parents_files_in_the_order_of_the_dialogue(run: RunFolder) -> None:
    seed = open_run(str(run.root), run.root.parent).read_tree("seed")
    said = [
        "```replace prompts/refine.md\n<<<<<<< FIND\nno such line\n=======\nnew\n>>>>>>> END\n```",
        "```write prompts/refine.md\nFirst version.\n```",
        "```replace prompts/refine.md\n<<<<<<< FIND\nFirst version.\n=======\nSecond.\n>>>>>>> END\n```",
        "```write harness.yaml\nversion: 2\n```",
        "```done\nShorter.\n```",
    ]
    assert edits_of(seed, [replied("implementer", text) for text in said]) == (4, 2)


def test_replies_are_found_by_evidence_in_the_order_in_which_they_ended() -> None:
    calls = [replace(replied("weak", str(n)), key=f"{n:02x}" * 32) for n in (7, 3, 5)]
    names = tuple(sorted(call.seal.name for call in calls[:2]))
    found = Replies(calls).behind(Evidence(names=(*names, "ff" * 8 + ":" + "00" * 8), whole=""))
    assert [call.reply.text for call in found] == ["7", "3"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("/home/me/secret-project/model.gguf", "model.gguf"),
        ("C:\\models\\model.gguf", "model.gguf"),
        ("models/model.gguf", "model.gguf"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("gpt-5-mini-2026", "gpt-5-mini-2026"),
    ],
)
def test_a_models_name_is_shown_without_the_folders_of_its_file(given: str, shown: str) -> None:
    assert without_folders(given) == shown


def test_the_page_says_what_each_role_did_and_no_pass_rate(figures: RunFigures) -> None:
    page = conformance_page(Conformance(figures=figures))
    for heading in ("Roles", "Planted truth", "Edits", "Papers", "What the endpoint needed"):
        assert f"\n## {heading}\n" in page
    judge = next(role for role in figures.roles if role.role == "judge")
    assert f"| judge | {judge.replies} | {judge.replies} of {judge.replies} | 0 | 0 | 0 |" in page
    assert "text programs, not language models" in page
    assert "Pass rates are not reported" in page
    assert not re.search(r"\d%", page)


def test_planted_truth_is_shown_with_its_verdict(figures: RunFigures) -> None:
    good = CanaryScore(role="judge", right=19, n=20, readable=4, asked=4)
    bad = CanaryScore(role="final_verifier", right=6, n=12, readable=12, asked=12)
    page = conformance_page(Conformance(figures=replace(figures, canary=(good, bad))))
    assert "- judge: 19 of 20 marks right (chance 10" in page
    assert "12 of 12 replies readable: near chance" in page
    assert "verdicts and scores mean nothing" in page
    fine = replace(figures, canary=(good,))
    assert "verdicts and scores mean nothing" not in conformance_page(Conformance(figures=fine))
    assert conformance_json(Conformance(figures=fine))["canary"][0]["verdict"] == "above chance"


def test_times_are_shown_where_they_were_measured(run: RunFolder) -> None:
    opened = open_run(str(run.root), run.root.parent)
    meter = {"judge": Totals(seconds=83.0)}
    page = conformance_page(Conformance(figures=read_figures(opened, meter)))
    assert re.search(r"^\| judge .* 1 min 23 s \|$", page, re.MULTILINE)
    assert re.search(r"^\| weak .* – \|$", page, re.MULTILINE)


def served_at(figures: RunFigures, url: str) -> RunFigures:
    models = figures.spec.models
    endpoints = {
        **models.endpoints,
        "mine": models.endpoints["openai"].model_copy(update={"base_url": url}),
    }
    roles = {name: role.model_copy(update={"endpoint": "mine"}) for name, role in models.roles.items()}
    spec = figures.spec.model_copy(
        update={"models": models.model_copy(update={"endpoints": endpoints, "roles": roles})}
    )
    return replace(
        figures,
        spec=spec,
        learned=(f"does not understand 'seed' ({url})",),
        troubles={"cannot reach secret.example:8443": 2},
    )


def test_a_host_is_named_only_if_it_is_asked_for(figures: RunFigures) -> None:
    found = served_at(figures, "https://secret.example:8443/v1")
    silent = Conformance(figures=found)
    for text in (conformance_page(silent), json.dumps(conformance_json(silent))):
        assert "secret.example" not in text
        assert "does not understand 'seed' ((endpoint))" in text
    named = Conformance(figures=found, names_host=True)
    assert "- **endpoint**: secret.example" in conformance_page(named)
    assert conformance_json(named)["endpoints"] == ["secret.example"]


def test_a_host_that_is_an_ordinary_word_is_withheld_only_in_an_address(figures: RunFigures) -> None:
    found = replace(
        served_at(figures, "http://model:8000/v1"),
        learned=(
            "the model does not understand 'seed' (http://model:8000/v1/chat)",
            "no host model, a model",
        ),
        troubles={"cannot reach model:8000": 2, "the model is busy": 1},
    )
    told = conformance_json(Conformance(figures=found))
    assert all("model" in role and "(endpoint)" not in role for role in told["roles"])
    assert told["learned"] == [
        "the model does not understand 'seed' ((endpoint)/chat)",
        "no host (endpoint), a model",
    ]
    assert told["troubles"] == {"cannot reach (endpoint)": 2, "the model is busy": 1}
    page = conformance_page(Conformance(figures=found))
    assert "model:8000" not in page
    assert "the model is busy" in page


def test_models_are_named_once_with_their_roles(figures: RunFigures) -> None:
    judge = next(role for role in figures.roles if role.role == "judge")
    large = replace(judge, model="large", answered_as=("large-2026",))
    small = replace(judge, role="weak", model="small", answered_as=("small",))
    assert models_words([large]) == "large (answers as large-2026) for all roles"
    assert models_words([large, small]) == "large (answers as large-2026) for judge; small for weak"


def test_the_trial_takes_models_and_sandbox_from_a_spec_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "version: 1\nseed: 9\ncorpus: {path: nowhere}\nsandbox: process\nmodels:\n"
        "  endpoints: {mine: {kind: openai, base_url: 'http://127.0.0.1:1/v1'}}\n"
        "  default: {endpoint: mine, model: one}\n  roles: {weak: {model: two, max_tokens: 99}}\n",
        encoding="utf-8",
    )
    spec = trial_spec(NOBODY, str(path), None, ["search.iterations=1", "models.retries=3"])
    assert (spec.models.roles["weak"].model, spec.models.roles["judge"].model) == ("two", "one")
    assert (spec.models.roles["weak"].max_tokens, spec.models.retries) == (99, 3)
    assert (spec.sandbox.kind, spec.search.iterations) == ("process", 1)
    assert (spec.name, spec.seed, spec.corpus.splits.total) == ("conformance", 1, 4)


def test_an_address_needs_a_model_and_a_spec_brings_its_own() -> None:
    spec = trial_spec(NOBODY, "http://127.0.0.1:1/v1", "my-model", [])
    assert {role.model for role in spec.models.roles.values()} == {"my-model"}
    assert spec.models.endpoints["openai"].base_url == "http://127.0.0.1:1/v1"
    for target, model in ((None, None), ("http://127.0.0.1:1/v1", None), ("quickstart", "my-model")):
        with pytest.raises(UsageError, match="model"):
            trial_spec(NOBODY, target, model, [])


@pytest.fixture
def address() -> Iterator[str]:
    with BackendServer(TestbedBackend(), models=MODELS) as server:
        yield server.base_url


def spec_over_http(folder: Path, address: str) -> Path:
    roles = ", ".join(f"{role}: {{model: testbed-{role.replace('_', '-')}}}" for role in ROLES)
    path = folder / "served.yaml"
    path.write_text(
        "version: 1\nsandbox: process\nmodels:\n"
        f"  endpoints: {{here: {{kind: openai, base_url: '{address}'}}}}\n"
        f"  default: {{endpoint: here}}\n  roles: {{{roles}}}\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.slow
def test_an_endpoint_is_tried_and_the_report_is_written(tmp_path: Path, address: str) -> None:
    spec = spec_over_http(tmp_path, address)
    done = studbook("conformance", spec.name, "--out", "report.md", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert done.stdout.endswith(page)
    assert "127.0.0.1" not in page + json.dumps(told)
    assert told["state"] == "finished"
    assert {role["role"] for role in told["roles"]} >= {"challenger", "judge", "analyzer", "implementer"}
    assert all(role["seconds"] > 0 for role in told["roles"])
    again = studbook("conformance", "--of", "conformance-1", "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["conformance"]["papers"] == told["papers"]
    printed = studbook("conformance", spec.name, "--json", "-s", "search.iterations=0", cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout)["conformance"]["run"] == "conformance-2"


@pytest.mark.slow
def test_a_trial_that_a_budget_ends_early_has_failed_and_has_a_report(tmp_path: Path, address: str) -> None:
    spec = spec_over_http(tmp_path, address)
    done = studbook("conformance", spec.name, "-s", "budget.calls=30", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "the run did not end as planned" in done.stderr
    assert "(budget reached)" in (tmp_path / "conformance.md").read_text(encoding="utf-8")


def test_an_endpoint_that_does_not_answer_is_told_before_anything_is_written(tmp_path: Path) -> None:
    done = studbook("conformance", "http://127.0.0.1:9/v1", "--model", "m", cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_an_unfinished_run_says_so(run: RunFolder, tmp_path: Path) -> None:
    copy = copy_run(run, tmp_path / "runs" / "cut")
    lines = copy.journal.read_bytes().splitlines(keepends=True)
    copy.journal.write_bytes(b"".join(lines[:3]))
    done = studbook("conformance", "--of", "cut", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cut (interrupted)" in done.stdout
    assert "The implementer was never asked." in done.stdout


def test_a_report_is_not_written_where_its_json_goes(tmp_path: Path) -> None:
    done = studbook("conformance", "quickstart", "--out", "report.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "--out report.json" in done.stderr
    assert "report.md" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_told_before_any_call(tmp_path: Path) -> None:
    done = studbook("conformance", "quickstart", "--out", "missing/report.md", cwd=tmp_path)
    assert done.returncode == 2
    assert "the folder missing does not exist" in done.stderr
