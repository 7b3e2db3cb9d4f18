"""Builds wheels and source distributions of a copy of the repository."""

import subprocess
import sys
from pathlib import Path


def build(kind: str, source: Path, target: Path) -> Path:
    """`kind`: wheel, sdist or editable. Built as pip builds it, without isolation."""
    target.mkdir(exist_ok=True)
    program = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(target)!r}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target / done.stdout.split()[-1]
