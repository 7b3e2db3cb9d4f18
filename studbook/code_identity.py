"""What code decides, as a hash: the parsed source of some modules and of all that they import.

Comments, docstrings, formatting and the places of modules take no part: moving or renaming a module, or
saying more about it, leaves the hash as it is. Nothing is imported or run for it, so it can be compared
before foreign code is loaded. Data files count with their bytes: a module names those it reads in
`DATA_FILES`.

Does not know which modules decide what; callers name the roots, and where the search stops.
"""

import ast
import sysconfig
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from studbook.errors import UsageError
from studbook.identity import hash_bytes, hash_json

DECLARING = "DATA_FILES"
"""Name of a module's tuple of file names, relative to its folder, that belong to what it does."""
_SILENT_FIELDS = {"type_comment", "kind", "type_ignores"}


class Sources(Protocol):
    """Where source comes from. A module that is not there is not ours, and is not followed."""

    def find(self, module: str) -> Path | None:
        """The file of a module, or of a package's `__init__`."""
        ...

    @property
    def counts_packages(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Below:
    """Modules below one folder, by their dotted names; `within`: only this top-level name, when given.

    `counts_packages`: importing a.b runs the `__init__` of a, so that counts too. Ours decide nothing.
    """

    folder: Path
    within: str | None = None
    counts_packages: bool = True

    def find(self, module: str) -> Path | None:
        if self.within is not None and module.split(".")[0] != self.within:
            return None
        place = self.folder.joinpath(*module.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
        return None


OURS = Below(Path(__file__).resolve().parent.parent, within="studbook", counts_packages=False)


def code_hash(roots: Iterable[str], *, stops: Collection[str] = (), sources: Sources = OURS) -> str:
    """The hash of what `roots` do: of every module they reach, as a set, whatever their names.

    `stops` are modules that are neither followed nor counted. Raises UsageError for a root that is not there
    and for source that does not parse.
    """
    found = reached(roots, stops=stops, sources=sources)
    return hash_json(sorted(module_hash(path) for path in found.values()))


def reached(roots: Iterable[str], *, stops: Collection[str] = (), sources: Sources = OURS) -> dict[str, Path]:
    """Module name → file: the roots and all they import, directly or not, at the top or within functions."""
    found: dict[str, Path] = {}
    waiting = list(roots)
    for root in waiting:
        if sources.find(root) is None:
            raise UsageError(f"no source of module {root}\n  code without source cannot be identified")
    while waiting:
        module = waiting.pop()
        path = sources.find(module)
        if path is None or module in found or module in stops:
            continue
        found[module] = path
        waiting += _imports(_parsed(path, _stamp(path)), module, path.name == "__init__.py", sources)
    return found


def module_hash(path: Path) -> str:
    """Of one file: what it does, and the bytes of the data files that it names."""
    code, names = _read(path, _stamp(path))
    return hash_json([code, {name: hash_bytes((path.parent / name).read_bytes()) for name in names}])


@cache
def _read(path: Path, stamp: tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    tree = _parsed(path, stamp)
    words: list[str] = []
    _write(tree, words)
    return hash_bytes("\n".join(words).encode("utf-8", "surrogatepass")), tuple(_data_files(tree))


def _stamp(path: Path) -> tuple[int, int]:
    """What is kept in memory of a file holds while these do."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@cache
def _parsed(path: Path, stamp: tuple[int, int]) -> ast.Module:  # noqa: ARG001  # part of what is kept
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{path} is not Python: {error}") from None


def _data_files(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == DECLARING for name in node.targets
        ):
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def _imports(tree: ast.Module, module: str, is_package: bool, sources: Sources) -> Iterator[str]:
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in _running(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _named(alias.name, sources)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from _named(base, sources)
            for alias in node.names:
                if sources.find(f"{base}.{alias.name}") is not None:
                    yield f"{base}.{alias.name}"


def _named(module: str, sources: Sources) -> list[str]:
    """A module, and the packages it lies in where they count."""
    parts = module.split(".")
    return [
        ".".join(parts[:end]) for end in range(1 if sources.counts_packages else len(parts), len(parts) + 1)
    ]


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _running(other)
            continue
        yield child
        yield from _running(child)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _write(value: object, words: list[str]) -> None:
    """A node as words that are the same in every version of Python: empty fields are left out."""
    if isinstance(value, list):
        words.append("[")
        for item in value:
            _write(item, words)
        words.append("]")
    elif not isinstance(value, ast.AST):
        words.append(f"{type(value).__name__} {value!r}")
    elif isinstance(value, ast.If) and _is_type_checking(value.test):
        _write(value.orelse, words)
    else:
        words.append(f"{type(value).__name__}(")
        for name in value._fields:
            content = getattr(value, name, None)
            if content is None or content == [] or name in _SILENT_FIELDS:
                continue
            if name == "module" and isinstance(value, ast.ImportFrom):
                continue  # a module that moved is the same module; what it does is hashed by itself
            words.append(name)
            _write(
                _without_docstring(content) if name == "body" and isinstance(content, list) else content,
                words,
            )
        words.append(")")


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Any bare text among the statements says something and does nothing: docstrings of attributes too."""
    return [
        each
        for each in body
        if not (
            isinstance(each, ast.Expr)
            and isinstance(each.value, ast.Constant)
            and isinstance(each.value.value, str)
        )
    ]


def is_installed(path: Path) -> bool:
    """Does a file lie where packages are installed?"""
    places = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")}
    return any(place in path.resolve().parents for place in places)


def code_hash_of_file(path: Path, module: str) -> str:
    """The hash of a user's module and what it imports from beside it (of its own package, if installed)."""
    path = path.resolve()
    depth = len(module.split(".")) - (0 if path.name == "__init__.py" else 1)
    within = module.split(".")[0] if is_installed(path) else None
    sources = Below(path.parents[depth], within=within)
    return code_hash(_named(module, sources), sources=sources)
