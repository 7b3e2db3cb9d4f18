"""The folder of one process box: whose it is, where the box may write, and that it goes away."""

import contextlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluate.sandbox.bubblewrap import FOLDER
from evaluate.sandbox.owner import OWNER_LABEL
from studbook.errors import SandboxError

PREFIX = "studbook-box-"
OWNER_FILE = "owner.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of one box on the host; `work` is the box's, the rest is ours."""

    root: Path

    @property
    def marker(self) -> str:
        return self.root.name

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def stderr(self) -> Path:
        return self.root / "stderr"

    def hide_in(self, text: str) -> str:
        """Without the random name of this folder, so that a box says the same when it is run again.

        Also where a limit on the text has cut the name off.
        """
        beginning = re.escape(str(self.root.parent / PREFIX))
        return re.sub(rf"{beginning}\w*(/work)?", FOLDER, text)


@contextlib.contextmanager
def open_home(folder: Path | None, labels: Mapping[str, str]) -> Iterator[Home]:
    """A new folder with a note of whose it is, gone afterwards whatever was put into it."""
    try:
        home = Home(root=Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)))
        (home.root / OWNER_FILE).write_text(json.dumps(labels), encoding="utf-8")
        home.work.mkdir()
    except OSError as error:
        raise SandboxError(f"no folder for a box: {error}") from error
    try:
        yield home
    finally:
        remove_folder(home.root)


def owner_of(root: Path) -> str | None:
    """Whose box this folder is; None for somebody else's folder, or one whose note is being written."""
    if root.is_symlink():
        return None
    try:
        labels = json.loads((root / OWNER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(labels.get(OWNER_LABEL)) if isinstance(labels, dict) else None


def remove_folder(root: Path) -> None:
    """`rm`, because a hostile tree may be nested deeper than Python recurses."""
    command = ["rm", "-rf", "--", str(root)]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode != 0:
        subprocess.run(["chmod", "-R", "u+rwx", "--", str(root)], capture_output=True, check=False)
        subprocess.run(command, capture_output=True, check=False)
