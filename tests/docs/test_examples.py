"""The examples in the docs are run, section by section; a `yaml` block with `version: 1` is a spec."""

import re

import pytest
from support.doc_sections import BLOCK, REPOSITORY, sections_of

from studbook.experiments.spec.loading import load_spec

PAGES = [REPOSITORY / "docs" / name for name in ("library.md", "plugins.md")]
RUNNABLE = [section for page in PAGES for section in sections_of(page) if section.is_runnable]
SPECS = [
    (page.name, block["body"])
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    for block in BLOCK.finditer(page.read_text(encoding="utf-8"))
    if block["language"] == "yaml"
    and re.search(r"^version: 1$", block["body"], re.MULTILINE)
    and "entry:" not in block["body"]
]


@pytest.mark.slow
@pytest.mark.parametrize("section", RUNNABLE, ids=lambda section: section.name)
def test_an_example_of_the_docs_works_as_it_stands(section, tmp_path):
    section.write_files(tmp_path)
    section.run_commands(tmp_path)


@pytest.mark.parametrize(
    ("page", "text"), SPECS, ids=[f"{page}-{number}" for number, (page, _) in enumerate(SPECS)]
)
def test_every_spec_in_the_docs_is_one(page, text, tmp_path):
    path = tmp_path / "spec-of-the-docs.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_spec(path).version == 1
