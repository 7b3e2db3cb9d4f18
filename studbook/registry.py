"""Doors are the extension points for users' code: each has a name, one Protocol, and its implementations.

A built-in is a module of the door's package: its file name is its name, and its attribute `plugin` is the
implementation. So a new built-in is one new file, and listing the names imports nothing. Users name
`module:Object` instead, which is searched for beside the spec, in the current folder and among installed
packages; an installed package can also register a name with an entry point in the group `studbook.<door>`.

A plug-in is identified by its name, its parameters and its code before it is imported: reading a run imports
nothing, and resuming a run refuses different code under the same name.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Generic, TypeVar, cast, get_args, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from studbook.code_identity import OURS, Below, code_hash, code_hash_of_file, files_of, module_hash
from studbook.conformance import find_mismatch
from studbook.errors import PluginError, StudbookError
from studbook.identity import Json

T = TypeVar("T")
OBJECT_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
ATTRIBUTE = "plugin"
GROUP = "studbook."
MARK = "__studbook_code__"
"""Name in a plug-in's module for the hash of the code that was imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A plug-in that was located but not imported yet. `path` is its module's file.

    `is_scoring`: a scoring built-in is identified by everything it imports from Studbook, like the evaluator.
    `is_defined_there`: it must be defined in its module, not imported there from another one.
    """

    door: str
    name: str
    module: str
    attribute: str
    path: Path
    folder: Path | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    is_ours: bool = False
    is_scoring: bool = False
    is_defined_there: bool = False

    @property
    def identity(self) -> dict[str, Json]:
        """What a run records about it, and compares on resume."""
        if not self.is_ours:
            code = code_hash_of_file(self.path, self.module)
        else:
            code = code_hash([self.module]) if self.is_scoring else module_hash(self.path)
        return {"name": self.name, "params": dict(self.params), "code": code}

    def load(self) -> object:
        """Imports its module. Raises PluginError if that fails, or finds other code than `identity` names."""
        if self.folder is not None and str(self.folder) not in sys.path:
            sys.path.append(str(self.folder))  # last, so that a file beside a spec never shadows a package
        try:
            module = importlib.import_module(self.module)
        except StudbookError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.door} {self.name}: {self.path} failed: {_told(error)}") from error
        if Path(module.__file__ or "").resolve() != self.path.resolve():
            raise PluginError(
                f"{self.door} {self.name}: importing {self.module} finds {module.__file__}, not {self.path}\n"
                "  give the module another name"
            )
        if not self.is_ours:
            self._check_helpers()
            self._check_unchanged(module)
        return self._member(module)

    def _check_helpers(self) -> None:
        """A helper beside the plug-in is hashed, so it must be the one that the plug-in imports."""
        for name, path in files_of(self.path, self.module).items():
            imported = getattr(sys.modules.get(name), "__file__", None)
            if imported is not None and Path(imported).resolve() != path.resolve():
                raise PluginError(
                    f"{self.door} {self.name}: importing {name} finds {imported}, not {path}\n"
                    "  give the helper another name"
                )

    def _check_unchanged(self, module: ModuleType) -> None:
        """Python imports a module once, so an edit would be recorded and not run."""
        code = code_hash_of_file(self.path, self.module)
        if module.__dict__.setdefault(MARK, code) != code:
            raise PluginError(
                f"{self.door} {self.name}: {self.path}, or a module beside it, was edited since it was "
                "imported\n  restart Python to use the edited code"
            )

    def _member(self, module: ModuleType) -> object:
        found: object = module
        for part in self.attribute.split("."):
            if not hasattr(found, part):
                near = get_close_matches(part, vars(found) if hasattr(found, "__dict__") else [], n=1)
                hint = f"\n  did you mean {near[0]}?" if near else ""
                raise PluginError(f"{self.door} {self.name}: {self.path} has no {part}{hint}")
            found = getattr(found, part)
        if self.is_defined_there and getattr(found, "__module__", None) != self.module:
            raise PluginError(f"{self.door} {self.name} is not defined in {self.path}")
        return found


class Door(Generic[T]):
    """One kind of plug-in. `methods` are those of its Protocol.

    A class is instantiated with its parameters. If the Protocol has a single method, a function
    can implement it, with keyword-only arguments as parameters; otherwise a function is called to create the
    plug-in. Any other object is used as it is. The context of `build` is passed to plug-ins that have
    arguments of the same names. `passes`: errors that the Protocol allows it to raise.
    """

    def __init__(
        self,
        name: str,
        methods: Sequence[str],
        packages: Sequence[str],
        *,
        takes_function: bool = False,
        is_scoring: bool = False,
        passes: tuple[type[Exception], ...] = (),
    ):
        self.name = name
        self.methods = tuple(methods)
        self._packages = tuple(packages)
        self._takes_function = takes_function
        self._is_scoring = is_scoring
        self._passes: tuple[type[Exception], ...] = (StudbookError, *passes)

    def builtin_names(self) -> tuple[str, ...]:
        return tuple(sorted(self._builtins()))

    def names(self) -> tuple[str, ...]:
        """All names a spec may use: built-ins, then those of installed packages."""
        return (*self.builtin_names(), *sorted(set(self._entry_points()) - set(self._builtins())))

    def check_name(self, name: str, *, is_quoted: bool = True) -> str:
        """Returns `name` if it is known; else raises ValueError with the nearest one. Imports nothing."""
        if OBJECT_NAME.fullmatch(name) or name in self._builtins() or name in self._entry_points():
            return name
        near = get_close_matches(name, self.names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        named = f"named {name!r}" if is_quoted else "of that name"
        raise ValueError(
            f"there is no {self.name} {named}{hint} (there are {', '.join(self.names())}; "
            "or name your own as module:Object)"
        )

    def find(
        self, name: str, params: Mapping[str, Json] | None = None, folders: Iterable[Path] = ()
    ) -> Found:
        """Locates `name`. Raises PluginError if it is not found."""
        params = dict(params or {})
        if name in self._builtins():
            path = self._builtins()[name]
            package = next(each for each in self._packages if OURS.find(f"{each}.{name}") == path)
            return Found(
                door=self.name, name=name, module=f"{package}.{name}", attribute=ATTRIBUTE, path=path,
                params=params, is_ours=True,
                is_scoring=self._is_scoring,
            )  # fmt: skip
        target = name if OBJECT_NAME.fullmatch(name) else self._entry_points().get(name)
        if target is None:
            raise PluginError(f"there is no {self.name} named {name!r}; there are {', '.join(self.names())}")
        module, _, attribute = target.partition(":")
        beside = [(folder.resolve(), folder.resolve()) for folder in folders]
        installed = [(Path(each or "."), None) for each in sys.path]
        for place, folder in [*beside, *installed]:
            module_file = Below(place).find(module)
            if module_file is not None:
                return Found(
                    door=self.name,
                    name=name,
                    module=module,
                    attribute=attribute,
                    path=module_file,
                    folder=folder,
                    params=params,
                )
        file = f"{module.replace('.', '/')}.py"
        raise PluginError(
            f"{self.name} {name}: there is no module {module}\n"
            f"  give the directory of {file} with --plugins DIR, put it beside the spec or into the "
            "current directory, or install its package"
        )

    def build(self, found: Found, **context: object) -> T:
        """Creates the plug-in. Raises PluginError for unknown parameters or missing methods."""
        target = found.load()
        if isinstance(target, type) or (isinstance(target, FunctionType) and not self._takes_function):
            made = self._call(found, target, context)
        elif isinstance(target, FunctionType):
            known = _arguments(found, target, context, skip_positional=True)
            made = _Function(self.methods[0], partial(target, **known))
        elif found.params:
            raise PluginError(f"{self.name} {found.name} is an object and takes no params")
        else:
            made = target
        lacking = [method for method in self.methods if not callable(getattr(made, method, None))]
        if lacking:
            raise PluginError(
                f"{self.name} {found.name} has no method {lacking[0]}; it needs {', '.join(self.methods)}"
            )
        if found.is_ours:
            return cast(T, made)
        self._check_attributes(found, made)
        return cast(T, _Guarded(found, made, self._passes, self._answers()))

    @property
    def _protocol(self) -> type:
        """The `Selection` of `Door[Selection](...)`."""
        protocol: type = get_args(self.__orig_class__)[0]  # type: ignore[attr-defined]  # set by typing
        return protocol

    def _answers(self) -> dict[str, Any]:
        """What each method of the Protocol returns."""
        hints = {name: _hints(getattr(self._protocol, name)) for name in self.methods}
        return {name: found["return"] for name, found in hints.items() if "return" in found}

    def _check_attributes(self, found: Found, made: object) -> None:
        for name, hint in get_type_hints(self._protocol).items():
            if not hasattr(made, name):
                raise PluginError(f"{self.name} {found.name} has no attribute {name}")
            if told := find_mismatch(getattr(made, name), hint, name):
                raise PluginError(f"{self.name} {found.name}: {told}")

    def _call(self, found: Found, target: Callable[..., object], context: Mapping[str, object]) -> object:
        arguments = _arguments(found, target, context)
        try:
            return target(**arguments)
        except StudbookError:
            raise
        except (Exception, SystemExit) as error:
            if found.is_ours:
                raise
            raise PluginError(f"{self.name} {found.name} could not be created: {_told(error)}") from error

    def _builtins(self) -> dict[str, Path]:
        found = {}
        for package in self._packages:
            init = OURS.find(package)
            for path in sorted(init.parent.glob("*.py")) if init else ():
                if not path.name.startswith("_"):
                    found[path.stem] = path
        return found

    def _entry_points(self) -> dict[str, str]:
        return {point.name: point.value for point in metadata.entry_points(group=f"{GROUP}{self.name}")}


def _arguments(
    found: Found,
    target: Callable[..., object],
    context: Mapping[str, object],
    *,
    skip_positional: bool = False,
) -> dict[str, object]:
    """The arguments of `target`: the context that it has arguments for, and its validated parameters."""
    wanted = inspect.signature(target).parameters.values()
    open_ended = any(each.kind is each.VAR_KEYWORD for each in wanted)
    named = [
        each
        for each in wanted
        if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
        and not (skip_positional and each.kind is each.POSITIONAL_OR_KEYWORD)
    ]
    passed = {
        each.name: context[each.name]
        for each in named
        if each.name in context and each.name not in found.params
    }
    hints = _hints(target)
    fields: dict[str, Any] = {
        each.name: (hints.get(each.name, Any), ... if each.default is each.empty else each.default)
        for each in named
        if each.name not in passed
    }
    config = ConfigDict(extra="allow" if open_ended else "forbid", strict=True, arbitrary_types_allowed=True)
    try:
        model = create_model("Params", __config__=config, **fields)
        read = model.model_validate(dict(found.params))
    except ValidationError as error:
        raise PluginError(_complaint(found, error, list(fields))) from None
    return {**passed, **{name: getattr(read, name) for name in (*fields, *(read.model_extra or {}))}}


def _hints(target: Callable[..., object]) -> dict[str, Any]:
    """Its annotations, without those that only a type checker can resolve."""
    function = vars(target).get("__init__", target) if isinstance(target, type) else target
    found = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        try:
            found[name] = get_type_hints(_Annotated(name, annotation), getattr(function, "__globals__", {}))[
                name
            ]
        except (NameError, TypeError, SyntaxError, AttributeError):
            continue
    return found


class _Annotated:
    """One annotation by itself, so that another that cannot be resolved does no harm."""

    def __init__(self, name: str, annotation: object) -> None:
        self.__annotations__ = {name: annotation}


def _complaint(found: Found, error: ValidationError, known: list[str]) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"{found.door} {found.name}: params.{key}"
    if first["type"] == "extra_forbidden":
        near = get_close_matches(key, [name for name in known if name != key], n=1)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
        return f"{where} is not known; {hint}"
    return f"{where}: {first['msg']}"


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


class _Function:
    """A function that implements a Protocol with one method."""

    def __init__(self, method: str, function: Callable[..., object]) -> None:
        setattr(self, method, function)


class _Guarded:
    """Wraps a user's plug-in: its errors, and answers of a wrong type, are reported with its name."""

    def __init__(
        self,
        found: Found,
        target: object,
        passes: tuple[type[Exception], ...],
        answers: Mapping[str, Any],
    ) -> None:
        self._found = found
        self._target = target
        self._passes = passes
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        return partial(self._call, name, value) if callable(value) else value

    def _call(
        self, name: str, method: Callable[..., object], /, *arguments: object, **named: object
    ) -> object:
        place = f"{self._found.door} {self._found.name}"
        try:
            answer = method(*arguments, **named)
        except self._passes:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{place} failed in {name}: {_told(error)}\n  -v shows where") from error
        if inspect.iscoroutine(answer):
            answer.close()
            raise PluginError(f"{place}: {name} is an async function, and a plain one is needed")
        if name in self._answers and (told := find_mismatch(answer, self._answers[name])):
            raise PluginError(f"{place}: wrong answer of {name}: {told}")
        return answer
