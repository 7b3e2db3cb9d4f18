"""A run can move: the endpoint's address, its key's variable and the papers may change at a resume."""

import json
import os
import re
import shutil
import signal
import time

import pytest
from support.studbook_cli import TINY, start, studbook

from studbook.llm.contracts import ROLES
from studbook.llm.secrets import Secret
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.server.server import BackendServer

KEYS = ("sk-first-first-first", "sk-second-second-second")


def serving(key):
    return BackendServer(TestbedBackend(), models=MODELS, api_key=Secret(key))


@pytest.fixture
def here(tmp_path):
    assert studbook("papers", "synth", "papers", "--count", "8", cwd=tmp_path).returncode == 0
    named = (f"{role}: {{model: testbed-{role.replace('_', '-')}}}" for role in ROLES)
    models = f"models: {{default: {{endpoint: openai}}, roles: {{{', '.join(named)}}}}}\n"
    text = TINY.replace("corpus: {", "corpus: {path: papers, ") + models
    (tmp_path / "tiny.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def hashes(folder):
    return [json.loads(line)["hash"] for line in (folder / "journal.jsonl").read_bytes().splitlines()]


def killed_in_the_search(here, **variables):
    """The journal holds the seed and one iteration at most when the run is killed."""
    process = start("run", "tiny.yaml", "--name", "moved", cwd=here, **variables)
    journal = here / "runs/moved/journal.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_killed_run_goes_on_at_another_address_with_papers_in_another_folder(here):
    with serving(KEYS[0]) as server:
        variables = {"OPENAI_API_KEY": KEYS[0], "OPENAI_BASE_URL": server.base_url}
        stayed = studbook(
            "run", "tiny.yaml", "--name", "moved", "--runs-dir", "stayed", cwd=here, **variables
        )
        assert stayed.returncode == 0, stayed.stderr
        killed_in_the_search(here, **variables)
    (here / "elsewhere").mkdir()
    (here / "papers").rename(here / "elsewhere" / "texts")
    shutil.copy(here / "tiny.yaml", here / "elsewhere/texts/other.md")
    (here / "runs").rename(here / "other-runs")
    with serving(KEYS[1]) as server:
        done = studbook(
            "resume",
            "moved",
            *("--runs-dir", "other-runs", "--papers", "elsewhere/texts"),
            *("-s", f"models.endpoints.openai.base_url={server.base_url}"),
            *(
                "-s",
                "models.endpoints.openai.api_key_env=SECOND",
                "-s",
                "models.endpoints.openai.concurrency=3",
            ),
            cwd=here,
            OPENAI_API_KEY=KEYS[0],
            SECOND=KEYS[1],
        )
        assert done.returncode == 0, done.stderr
    assert re.search(r"models\.endpoints\.openai\.base_url: http\S+ → http\S+ \(-s\)", done.stderr)
    assert "corpus.path: " in done.stderr
    assert hashes(here / "other-runs/moved") == hashes(here / "stayed/moved")
    notices = [
        json.loads(each) for each in (here / "other-runs/moved/notices.jsonl").read_text().splitlines()
    ]
    changed = [each["text"] for each in notices if each["kind"] == "changed"]
    assert "models.endpoints.openai.concurrency: 8 → 3 (-s)" in changed
    for command in ("verify", "replay"):
        flags = ["--level", "recorded"] if command == "replay" else []
        checked = studbook(command, "moved", *flags, "--runs-dir", "other-runs", cwd=here)
        assert checked.returncode == 0, checked.stderr


def test_the_variable_with_the_address_is_read_again_at_a_resume(here):
    flags = ("--runs-dir", "runs")
    with serving(KEYS[0]) as server:
        variables = {"OPENAI_API_KEY": KEYS[0], "OPENAI_BASE_URL": server.base_url}
        begun = studbook("run", "tiny.yaml", "-s", "search.iterations=1", *flags, cwd=here, **variables)
        assert begun.returncode == 0, begun.stderr
    with serving(KEYS[0]) as server:
        variables["OPENAI_BASE_URL"] = server.base_url
        done = studbook("resume", "tiny-1", "-s", "search.iterations=2", *flags, cwd=here, **variables)
    assert done.returncode == 0, done.stderr
    assert f"→ {server.base_url} (environment OPENAI_BASE_URL)" in done.stderr


@pytest.mark.parametrize(
    "override",
    [
        "models.roles.weak.model=other",
        "models.roles.judge.max_tokens=9",
        "models.endpoints.openai.kind=testbed",
        "evaluator.predicate=prose",
        "seed=4",
        "corpus.splits.train=3",
        "corpus.too_long=shorten",
    ],
)
def test_what_is_part_of_the_experiment_is_refused(here, override):
    done = studbook("run", "tiny.yaml", "-s", "search.iterations=0", "-s", "models=" + TESTBED, cwd=here)
    assert done.returncode == 0, done.stderr
    refused = studbook("resume", "tiny-1", "-s", override, cwd=here)
    assert refused.returncode == 2
    assert f"{override.partition('=')[0]}: a resumed run keeps its spec" in refused.stderr


TESTBED = "{default: {endpoint: testbed}}"


def test_a_paper_whose_content_has_changed_is_named(here):
    done = studbook("run", "tiny.yaml", "-s", "search.iterations=0", "-s", "models=" + TESTBED, cwd=here)
    assert done.returncode == 0, done.stderr
    for paper in (here / "papers").iterdir():
        paper.write_text(paper.read_text().replace(" the ", " teh "))
    refused = studbook("resume", "tiny-1", "-s", "search.iterations=1", cwd=here)
    assert refused.returncode != 0
    assert "7 papers of run tiny-1 are not in 8 papers in papers" in refused.stderr
    assert "--papers PATH" in refused.stderr
