"""The examples in the docs are run, section by section.

A fenced block with `title="name"` is a file that is written under that name; a `bash` block is a list of
commands that are run beside it; a `yaml` block with `version: 1` is a spec, and is loaded.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from studbook.experiments.spec.loading import load_spec

REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"^```(?P<language>\w*)[ ]?(?P<options>[^\n]*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL
)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    page: str
    heading: str
    files: dict[str, str]
    commands: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.page}: {self.heading}"


def sections_of(page: Path) -> list[Section]:
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return [_section(page.name, heading, text) for heading, text in named]


def _section(page: str, heading: str, text: str) -> Section:
    files, commands = {}, []
    for block in BLOCK.finditer(text):
        title = TITLE.search(block["options"])
        if title:
            files[title[1]] = block["body"]
        elif block["language"] == "bash":
            lines = (line.strip() for line in block["body"].splitlines())
            commands += [line for line in lines if line and not line.startswith("#")]
    return Section(page=page, heading=heading, files=files, commands=tuple(commands))


PAGES = sorted(
    page for page in (REPOSITORY / "docs").glob("*.md") if page.name in {"plugins.md", "library.md"}
)
RUNNABLE = [section for page in PAGES for section in sections_of(page) if section.files and section.commands]
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
    for name, text in section.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    kept = {
        name: os.environ[name] for name in ("HOME", "LANG", "DOCKER_HOST", "TMPDIR") if name in os.environ
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in section.commands:
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=tmp_path,
            env={**kept, "PATH": path, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=600,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, command


@pytest.mark.parametrize(
    ("page", "text"), SPECS, ids=[f"{page}-{number}" for number, (page, _) in enumerate(SPECS)]
)
def test_every_spec_in_the_docs_is_one(page, text, tmp_path):
    path = tmp_path / "spec-of-the-docs.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_spec(path).version == 1
