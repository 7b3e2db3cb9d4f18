"""The specs of docs/models.md and the README are run as they stand, on the testbed's server."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.doc_sections import REPOSITORY, Section, sections_of

from studbook.experiments.spec.loading import load_spec
from studbook.experiments.spec.model import Spec
from studbook.llm.contracts import ROLES
from studbook.testbed.models.backend import TestbedBackend
from studbook.testbed.models.one_model import OneModel
from studbook.testbed.papers.synthesis import write_papers
from studbook.testbed.server.server import BackendServer

PAGE = REPOSITORY / "docs" / "models.md"
README = REPOSITORY / "README.md"
SECTIONS = [section for page in (README, PAGE) for section in sections_of(page) if section.is_runnable]
KINDS = ("OpenAI", "OpenRouter", "vLLM", "llama.cpp", "Ollama", "LM Studio", "Azure", "reasoning")
KEY = "sk-a-key-that-is-long-enough"


def specs_in(section: Section, folder: Path) -> list[Spec]:
    section.write_files(folder)
    return [load_spec(folder / name) for name in section.files if name.endswith(".yaml")]


@contextmanager
def standing_in(specs: Iterable[Spec]) -> Iterator[dict[str, str]]:
    """A server with the specs' models; yields the variables that move their endpoints there, and keys."""
    known = list(specs)
    models = {role.model for spec in known for role in spec.models.roles.values()}
    fields = {name for spec in known for role in spec.models.roles.values() for name in role.extra_body}
    with BackendServer(OneModel(TestbedBackend()), models=sorted(models), more_fields=fields) as server:
        variables = {"STUDBOOK_SPEC_SANDBOX": "process", "OPENAI_BASE_URL": server.base_url}
        for spec in known:
            for name in {role.endpoint for role in spec.models.roles.values()}:
                variables[f"STUDBOOK_SPEC_MODELS__ENDPOINTS__{name.upper()}__BASE_URL"] = server.base_url
                if variable := spec.models.endpoints[name].api_key_env:
                    variables[variable] = KEY
        yield variables


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_a_spec_works_as_it_stands(section: Section, tmp_path: Path) -> None:
    if not any("papers synth" in command for command in section.commands):
        write_papers(tmp_path / "papers", 100, seed=1)  # the reader's own
    with standing_in(specs_in(section, tmp_path)) as variables:
        section.run_commands(tmp_path, **variables)
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("*-report.json")]
    assert [report["state"] for report in reports] == ["finished"]
    assert not reports[0]["is_testbed"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_every_kind_of_endpoint_has_a_spec_that_is_run() -> None:
    headings = [section.heading for section in SECTIONS]
    for kind in KINDS:
        assert any(kind in heading for heading in headings), kind


def test_no_spec_of_the_page_leaves_a_role_to_the_testbed(tmp_path: Path) -> None:
    for section in SECTIONS:
        for spec in specs_in(section, tmp_path):
            assert spec.models.roles.keys() == set(ROLES)
            assert all(
                spec.models.endpoints[each.endpoint].kind == "openai" for each in spec.models.roles.values()
            )
