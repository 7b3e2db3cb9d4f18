"""Identifies code by a hash of its parsed source: some root modules and everything they import.

Comments, docstrings, formatting and module names are ignored: moving, renaming or documenting a module does
not change the hash. Nothing is imported or run, so plug-in code can be compared before it is loaded. Data
files are hashed by their bytes: a module names those it reads in `DATA_FILES`.

Does not know which modules affect what: callers choose the roots and where the search stops.
"""

import ast
import sysconfig
from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from studbook.errors import UsageError
from studbook.identity import hash_bytes, hash_json

DECLARING = "DATA_FILES"
"""Name of a module's tuple of data file names, relative to its folder."""
OWN_NAME = "studbook"
_SILENT_FIELDS = {"type_comment", "kind", "type_ignores"}


class Sources(Hashable, Protocol):
    """Where source comes from. A module that is not found is not ours and is not followed."""

    def find(self, module: str) -> Path | None:
        """The file of a module, or of a package's `__init__`."""
        ...

    def owns(self, module: str) -> bool:
        """Whether the name is one of these sources', found or not."""
        ...

    @property
    def counts_packages(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Below:
    """Modules in one folder by their dotted names; only below the top-level name `within`, not `without`.

    `counts_packages`: includes the `__init__` of a when a.b is imported. Our own contain no logic.
    """

    folder: Path
    within: str | None = None
    without: str | None = None
    counts_packages: bool = True

    def find(self, module: str) -> Path | None:
        first = module.split(".")[0]
        if first == self.without or (self.within is not None and first != self.within):
            return None
        place = self.folder.joinpath(*module.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
        return None

    def owns(self, module: str) -> bool:
        if self.within is not None:
            return module.split(".")[0] == self.within
        return self.find(module) is not None


OURS = Below(Path(__file__).resolve().parent.parent, within=OWN_NAME, counts_packages=False)


def code_hash(roots: Iterable[str], *, stops: Collection[str] = (), sources: Sources = OURS) -> str:
    """The hash of every module reached from `roots`, as a set, regardless of module names.

    `stops` are modules that are neither followed nor included. Raises UsageError for a missing root and for
    source that does not parse.
    """
    found = reached(roots, stops=stops, sources=sources)
    return hash_json(
        sorted(
            hash_json([module_hash(path, sources=sources), _suppliers(module, path, found, sources)])
            for module, path in found.items()
        )
    )


def source_hash(text: str) -> str:
    """The hash of source that is in no file of its own: of its code, as everywhere here."""
    words: list[str] = []
    _write(ast.parse(text), words, OURS)
    return hash_bytes("\n".join(words).encode("utf-8", "surrogatepass"))


def _suppliers(module: str, path: Path, found: dict[str, Path], sources: Sources) -> list[list[str]]:
    """For each name imported from one of the `found` modules, the code that supplies it."""
    return [
        [name, _read(found[supplier], _stamp(found[supplier]), sources)[0]]
        for base, name in _imported_names(_parsed(path, _stamp(path)), module, path.name == "__init__.py")
        if (supplier := f"{base}.{name}" if f"{base}.{name}" in found else base) in found
    ]


def reached(roots: Iterable[str], *, stops: Collection[str] = (), sources: Sources = OURS) -> dict[str, Path]:
    """Module name → file: the roots and all they import, directly or indirectly, also inside functions."""
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


def module_hash(path: Path, *, sources: Sources = OURS) -> str:
    """The hash of one file: its code, and the bytes of the data files it names."""
    code, names = _read(path, _stamp(path), sources)
    return hash_json([code, {name: hash_bytes((path.parent / name).read_bytes()) for name in names}])


@cache
def _read(path: Path, stamp: tuple[int, int], sources: Sources) -> tuple[str, tuple[str, ...]]:
    tree = _parsed(path, stamp)
    words: list[str] = []
    _write(tree, words, sources)
    return hash_bytes("\n".join(words).encode("utf-8", "surrogatepass")), tuple(_data_files(tree))


def _stamp(path: Path) -> tuple[int, int]:
    """Cached results for a file are valid as long as its stamp is unchanged."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@cache
def _parsed(path: Path, stamp: tuple[int, int]) -> ast.Module:  # noqa: ARG001  # part of the cache key
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
    for node in _running(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _named(alias.name, sources)
    for base, name in _imported_names(tree, module, is_package):
        yield from _named(base, sources)
        if sources.find(f"{base}.{name}") is not None:
            yield f"{base}.{name}"


def _imported_names(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[str, str]]:
    """Each name of a `from base import name`, with the absolute name of the base."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in _running(tree):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def _named(module: str, sources: Sources) -> list[str]:
    """A module, and its parent packages if they count."""
    parts = module.split(".")
    return [
        ".".join(parts[:end]) for end in range(1 if sources.counts_packages else len(parts), len(parts) + 1)
    ]


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those that only a type checker sees."""
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


def _write(value: object, words: list[str], sources: Sources) -> None:
    """Writes a node as words that are the same in every Python version: empty fields are omitted."""
    if isinstance(value, list):
        words.append("[")
        for item in value:
            _write(item, words, sources)
        words.append("]")
    elif not isinstance(value, ast.AST):
        words.append(f"{type(value).__name__} {value!r}")
    elif isinstance(value, ast.If) and _is_type_checking(value.test):
        _write(value.orelse, words, sources)
    else:
        words.append(f"{type(value).__name__}(")
        for name in value._fields:
            content = getattr(value, name, None)
            if content is None or content == [] or name in _SILENT_FIELDS:
                continue
            if isinstance(value, ast.ImportFrom) and name == "module" and _is_own(value, sources):
                continue  # names of our own modules are ignored: `_suppliers` has their code instead
            words.append(name)
            is_body = name == "body" and isinstance(content, list)
            _write(_without_docstring(content) if is_body else content, words, sources)
        words.append(")")


def _is_own(node: ast.ImportFrom, sources: Sources) -> bool:
    return bool(node.level) or (node.module is not None and sources.owns(node.module))


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Removes all bare string statements, including docstrings of attributes."""
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
    """Whether a file is in a directory of installed packages."""
    places = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")}
    return any(place in path.resolve().parents for place in places)


def code_hash_of_file(path: Path, module: str) -> str:
    """The hash of a user's module and its imports from the same folder (or package, if installed)."""
    sources = _beside(path, module)
    return code_hash(_named(module, sources), sources=sources)


def files_of(path: Path, module: str) -> dict[str, Path]:
    """The modules that `code_hash_of_file` covers, by name."""
    sources = _beside(path, module)
    return reached(_named(module, sources), sources=sources)


def _beside(path: Path, module: str) -> Below:
    path = path.resolve()
    depth = len(module.split(".")) - (0 if path.name == "__init__.py" else 1)
    within = module.split(".")[0] if is_installed(path) else None
    return Below(path.parents[depth], within=within, without=OWN_NAME)
