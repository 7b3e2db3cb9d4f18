"""A copy of the repository: what git knows, as it stands in the working tree, links included."""

import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    names = filter(None, listed.decode("utf-8").split("\0"))
    return [name for name in names if (REPOSITORY / name).is_file() or (REPOSITORY / name).is_symlink()]


def copy_of_the_repository(target: Path) -> Path:
    for name in tracked_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target / name, follow_symlinks=False)
    return target
