"""The tour is held against the code: what it names exists, and a small search enters it in that order."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support.studbook_cli import environment, write_tiny

REPOSITORY = Path(__file__).resolve().parents[2]
TOUR = (REPOSITORY / "docs" / "tour.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py):([\w.]+)`")
IN_THE_BOX = ("sandbox/shim/", "harnesses/agentic_self_instruct/", "harnesses/harness_kit.py")
SECTIONS = dict(zip(*(iter(re.split(r"^## (.+)$", TOUR, flags=re.MULTILINE)[1:]),) * 2, strict=True))

PROFILE = """\
import inspect, json, os, sys, threading
from pathlib import Path

root, out, *arguments = sys.argv[1:]
order, names = {}, {}

def entered(frame, event, _):
    if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # a function, no class body
        code = frame.f_code
        if code not in names:
            path = os.path.realpath(code.co_filename)
            names[code] = f"{os.path.relpath(path, root)}:{code.co_qualname}" if path.startswith(root) else ""
        order.setdefault(names[code], len(order))

from studbook.experiments.cli.main import main

threading.setprofile(entered)
sys.setprofile(entered)
code = main(arguments)
sys.setprofile(None)
threading.setprofile(None)
Path(out).write_text(json.dumps(sorted(order, key=order.__getitem__)))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def entered(tmp_path_factory) -> list[str]:
    """Every function of ours that a tiny run entered, by its first call."""
    folder = tmp_path_factory.mktemp("tour")
    (folder / "profile.py").write_text(PROFILE)
    out = folder / "entered.json"
    command = [sys.executable, "profile.py", str(REPOSITORY), str(out), "run", str(write_tiny(folder))]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(out.read_text())
    return names


@cache
def defined(path: str) -> frozenset[str]:
    def inside(node: ast.AST, before: str) -> list[str]:
        found = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                found += [before + child.name, *inside(child, f"{before}{child.name}.")]
        return found

    return frozenset(inside(ast.parse((REPOSITORY / path).read_text(encoding="utf-8")), ""))


@pytest.mark.parametrize(("path", "name"), NAMED.findall(TOUR))
def test_what_the_tour_names_exists(path, name):
    assert name in defined(path)


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_a_small_search_goes_the_way_of_the_tour(section, entered):
    told = [
        f"{path}:{name}" for path, name in NAMED.findall(SECTIONS[section]) if not path.startswith(IN_THE_BOX)
    ]
    places = {name: entered.index(name) for name in told if name in entered}
    assert [name for name in told if name not in places and name.rpartition(":")[2][0].islower()] == []
    walked = sorted(places, key=places.__getitem__)
    assert walked == [name for name in told if name in places]


def test_the_tour_tells_of_all_parts_of_the_house():
    parts = {path.split("/")[0] for path, _ in NAMED.findall(TOUR)}
    assert parts == {"experiments", "evolve", "evaluate", "sandbox", "harnesses", "studbook"}
    assert len(NAMED.findall(TOUR)) >= 40
