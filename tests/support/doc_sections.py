"""The examples in a page of the docs, section by section.

A fenced block with `title="name"` is a file that is written under that name; a `bash` or `sh` block is a
list of commands that are run beside it.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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

    @property
    def is_runnable(self) -> bool:
        return bool(self.files and self.commands)

    def write_files(self, folder: Path) -> None:
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")

    def run_commands(self, folder: Path, **extra: str) -> None:
        """In `folder`, with a reader's environment; every command has to succeed."""
        names = ("HOME", "LANG", "DOCKER_HOST", "TMPDIR", "XDG_STATE_HOME")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        for command in self.commands:
            done = subprocess.run(
                ["bash", "-ec", command],
                cwd=folder,
                env={**kept, "PATH": path, "PYTHONPATH": str(REPOSITORY), **extra},
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=600,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stdout + done.stderr, command


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
        elif block["language"] in {"bash", "sh"}:
            lines = (line.strip() for line in block["body"].splitlines())
            commands += [line for line in lines if line and not line.startswith("#")]
    return Section(page=page, heading=heading, files=files, commands=tuple(commands))
