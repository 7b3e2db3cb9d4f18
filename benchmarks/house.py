"""Counts the modules of a checkout, the imports between them, sizes, import cycles and upward imports.

    python -m benchmarks.house [CHECKOUT]

Reads the source with `ast` and imports nothing, so it also works on older checkouts. Tests, benchmarks and
the data folders of harnesses are excluded. Describes the structure of a tree, not its quality.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PARTS = ("experiments", "testbed", "evolve", "evaluate", "sandbox", "harnesses", "populations", "studbook")
DATA = ("harnesses/agentic_self_instruct", "harnesses/new_harness")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One module: its dotted name without the root, its part, its lines and its functions' lines."""

    name: str
    part: str
    lines: int
    functions: tuple[int, ...]
    imports: frozenset[str]


def read_rooms(root: Path) -> dict[str, Room]:
    """Every module in `root` by name; links are not followed, so each is read once."""
    found = {_name(path.relative_to(root)): path for path in _sources(root)}
    return {name: _read(name, path, frozenset(found)) for name, path in found.items()}


def _sources(root: Path) -> Iterator[Path]:
    for part in PARTS:
        for path in sorted((root / part).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            linked = any(folder.is_symlink() for folder in path.parents if root in folder.parents)
            if not linked and not place.startswith(DATA):
                yield path


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _read(name: str, path: Path, known: frozenset[str]) -> Room:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    lengths = [
        node.end_lineno - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    return Room(
        name=name,
        part=name.split(".")[0],
        lines=len(text.splitlines()),
        functions=tuple(lengths),
        imports=frozenset(_imported(tree, known)) - {name},
    )


def _imported(tree: ast.Module, known: frozenset[str]) -> Iterator[str]:
    for node in _running(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for wanted in (f"{node.module}.{alias.name}" for alias in node.names):
                for name in (wanted, node.module):
                    place = name if name in known else name.removeprefix("studbook.")
                    if place in known:
                        yield place
                        break


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from _running(child)


def find_circles(rooms: dict[str, Room]) -> list[set[str]]:
    """Sets of modules that import each other, directly or not, at the top level or inside functions."""
    reach: dict[str, set[str]] = {}
    for name in rooms:
        seen: set[str] = set()
        waiting = [*rooms[name].imports]
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting += rooms[place].imports
        reach[name] = seen
    circles = {frozenset(other for other in reach[name] if name in reach[other]) for name in rooms}
    return [set(circle) for circle in circles if circle]


def describe(rooms: dict[str, Room]) -> list[str]:
    """The lines of the table, totals last."""
    importers: dict[str, set[str]] = defaultdict(set)
    for room in rooms.values():
        for name in room.imports:
            importers[name].add(room.name)
    rank = {part: place for place, part in enumerate(PARTS)}
    upward = [
        f"{room.name} -> {name}"
        for room in rooms.values()
        for name in room.imports
        if rank[rooms[name].part] < rank[room.part]
    ]
    count, lines = Counter(room.part for room in rooms.values()), Counter[str]()
    for room in rooms.values():
        lines[room.part] += room.lines
    full = [room for room in rooms.values() if room.lines > 5]
    alone = [name for name in rooms if len(importers[name]) == 1]
    circles = find_circles(rooms)
    return [
        *(f"{part:12} {count[part]:4} modules {lines[part]:7,} lines" for part in PARTS if count[part]),
        f"modules                       {len(rooms)}",
        f"lines                         {sum(lines.values()):,}",
        f"lines of a module, median     {median(room.lines for room in full):.0f}",
        f"lines of a function, median   {median(n for room in full for n in room.functions):.0f}",
        f"imports between modules       {sum(len(room.imports) for room in rooms.values())}",
        f"imported by exactly one       {len(alone)}",
        f"import circles                {len(circles)}",
        f"imports that go up            {len(upward)}",
        *(f"  {line}" for line in upward),
    ]


if __name__ == "__main__":
    sys.stdout.write(
        "\n".join(describe(read_rooms(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))) + "\n"
    )
